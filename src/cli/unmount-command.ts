import { setTimeout as sleep } from 'node:timers/promises'
import { unmount } from '../fuse/kernel/unmount.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { findOurs } from './find-mount.ts'
import type { CommandLine } from './parse.ts'
import { volumeHolder } from '../device/volume-lock.ts'

const POLL_MS = 20
const CLOSING_TIMEOUT_MS = 120_000

export async function runUnmount({ positionals, flags }: CommandLine): Promise<ExitCode> {
  const { mountpoint, source } = await findOurs(positionals[0] ?? '', 'unmount')
  const lazy = flags.has('lazy')
  await unmount(mountpoint, { lazy })
  if (!lazy) await untilClosed(source)
  return EXIT.ok
}

async function untilClosed(volume: string): Promise<void> {
  const deadline = performance.now() + CLOSING_TIMEOUT_MS
  for (;;) {
    const holder = volumeHolder(volume)
    if (holder === undefined) return
    if (performance.now() > deadline) {
      throw new CommandError(
        EXIT.inUse,
        `"${volume}" is unmounted, but process ${holder} has not closed it yet`,
      )
    }
    await sleep(POLL_MS)
  }
}
