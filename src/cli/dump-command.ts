import { openForReading } from '../check/check-path.ts'
import { dumpVolume } from '../dump/dump-volume.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { printLines } from './output.ts'
import type { CommandLine } from './parse.ts'
import { realVolume, whenFree } from './when-free.ts'

export async function runDump({ positionals, flags }: CommandLine): Promise<ExitCode> {
  const [name = '', path] = positionals
  const volume = realVolume(name)
  const device = await whenFree({ volume, purpose: 'dump' }, () => openForReading(volume))
  try {
    const options = { json: flags.has('json'), ...(path !== undefined && { path }) }
    await printLines(dumpVolume(device, volume, options))
  } finally {
    await device.close()
  }
  return EXIT.ok
}
