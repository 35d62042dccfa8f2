import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type MountTableEntry, findMount } from '../fuse/kernel/mount-table.ts'
import { unmount } from '../fuse/kernel/unmount.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import type { CommandLine } from './parse.ts'
import { volumeHolder } from '../device/volume-lock.ts'

const POLL_MS = 20
const CLOSING_TIMEOUT_MS = 120_000

export async function runUnmount({ positionals, flags }: CommandLine): Promise<ExitCode> {
  const { mountpoint, source } = await findOurs(positionals[0] ?? '')
  const lazy = flags.has('lazy')
  await unmount(mountpoint, { lazy })
  if (!lazy) await untilClosed(source)
  return EXIT.ok
}

/** The mount at a path, found without looking into it: a mount that hangs can be unmounted too. */
async function findOurs(path: string): Promise<MountTableEntry> {
  const absolute = resolve(path)
  const entry = (await findMount(absolute)) ?? (await findMount(await realPathOf(absolute)))
  if (entry?.type === 'fuse.oatomic') return entry
  throw new CommandError(
    EXIT.unusable,
    `Cannot unmount "${absolute}": no oatomic volume is mounted there`,
  )
}

/** Looks at the folder first: if that settles it, what is mounted is not asked. */
async function realPathOf(path: string): Promise<string> {
  try {
    const inRealFolder = join(await realpath(dirname(path)), basename(path))
    if ((await findMount(inRealFolder)) !== undefined) return inRealFolder
    return await realpath(path)
  } catch {
    return path
  }
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
