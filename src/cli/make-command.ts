import { resolve } from 'node:path'
import { BLOCK_SIZE } from '../device/device.ts'
import { RING_BLOCKS_DEFAULT, RING_BLOCKS_MIN } from '../volume/make.ts'
import { makeVolumeAt } from '../volume/path.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { parseSize } from './parse-size.ts'
import type { CommandLine } from './parse.ts'

const MIB = 1024 * 1024
const RING_BYTES_MIN = RING_BLOCKS_MIN * BLOCK_SIZE
const RING_BYTES_MAX = 64 * 1024 * MIB

export async function runMake({ positionals, values }: CommandLine): Promise<ExitCode> {
  const volume = resolve(positionals[0] ?? '')
  const size = values.get('ring-size')?.at(-1)
  await makeVolumeAt(volume, {
    ringBlocks: size === undefined ? RING_BLOCKS_DEFAULT : parseRingSize(size) / BLOCK_SIZE,
  })
  process.stdout.write(`Made volume "${volume}"\n`)
  return EXIT.ok
}

/** A number of bytes that is a ring's. Throws CommandError. */
function parseRingSize(text: string): number {
  const bytes = parseSize(text)
  if (bytes >= RING_BYTES_MIN && bytes <= RING_BYTES_MAX && bytes % BLOCK_SIZE === 0) return bytes
  throw new CommandError(
    EXIT.usage,
    `Cannot make a ring of size "${text}": it takes a multiple of 4K from 1M to 64G`,
  )
}
