import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MountTableEntry } from '../fuse/kernel/mount-table.ts'
import { unmount } from '../fuse/kernel/unmount.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { findOursAt, realPathOf } from './find-mount.ts'
import { heldElsewhere } from './held-elsewhere.ts'
import type { CommandLine } from './parse.ts'
import { volumeHolder } from '../device/volume-lock.ts'
import { supervisorOf } from './supervisor.ts'

const POLL_MS = 20
const CLOSING_TIMEOUT_MS = 120_000
const PATIENCE_MS = 2000

export async function runUnmount({ positionals, flags }: CommandLine): Promise<ExitCode> {
  const lazy = flags.has('lazy')
  const absolute = resolve(positionals[0] ?? '')
  const paths = [absolute, await realPathOf(absolute)]
  const supervisor = supervisorOf(paths)
  const { source } = await takeAway(paths, supervisor, lazy)
  if (!lazy) await untilClosed(source, paths, supervisor)
  return EXIT.ok
}

/** Unmounts; while a supervisor has nothing mounted only because its daemon has died, waits for that. */
async function takeAway(
  paths: readonly string[],
  supervisor: number | undefined,
  lazy: boolean,
): Promise<MountTableEntry> {
  for (;;) {
    const entry = await findOursAt(paths)
    try {
      if (entry !== undefined) {
        await unmount(entry.mountpoint, { lazy })
        return entry
      }
    } catch (error) {
      // The supervisor may have been faster with a dead mount.
      if ((await findOursAt(paths)) !== undefined) throw error
    }
    if (supervisor === undefined || supervisorOf(paths) !== supervisor) {
      throw new CommandError(
        EXIT.unusable,
        `Cannot unmount "${paths[0] ?? ''}": no oatomic volume is mounted there`,
      )
    }
    await sleep(POLL_MS)
  }
}

/** A supervisor that was mounting again notices the unmount and ends, or comes too late and is told. */
async function untilClosed(
  volume: string,
  paths: readonly string[],
  supervisor: number | undefined,
): Promise<void> {
  const begin = performance.now()
  const deadline = begin + CLOSING_TIMEOUT_MS
  let isTold = false
  for (;;) {
    const holder = volumeHolder(volume)
    const isSupervised = supervisor !== undefined && supervisorOf(paths) === supervisor
    if (holder === undefined && !isSupervised) return
    if (isSupervised) await takeLateAway(paths, volume)
    if (performance.now() > deadline) {
      throw new CommandError(
        EXIT.inUse,
        `"${volume}" is unmounted, but process ${holder ?? supervisor ?? 0} has not closed it yet${whyHeld(volume)}`,
      )
    }
    if (!isTold && performance.now() > begin + PATIENCE_MS) {
      isTold = true
      process.stderr.write(`oatomic: waiting until "${volume}" is closed${whyHeld(volume)}\n`)
    }
    await sleep(POLL_MS)
  }
}

function whyHeld(volume: string): string {
  const [pid] = heldElsewhere(volume)
  return pid === undefined ? '' : `: process ${pid} has it in a mount namespace of its own`
}

async function takeLateAway(paths: readonly string[], volume: string): Promise<void> {
  const late = await findOursAt(paths)
  if (late?.source !== volume) return
  await unmount(late.mountpoint).catch(async (error: unknown) => {
    if ((await findOursAt(paths)) !== undefined) throw error
  })
}
