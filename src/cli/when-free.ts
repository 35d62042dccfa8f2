/**
 * A volume is open in one process at a time. umount(8) returns before the daemon has closed the volume,
 * so whoever wants it next waits for that; whoever finds it in use is told so soon.
 */
import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FsError } from '../errors.ts'
import { isDeadMount, isMountOf } from '../fuse/kernel/mount-point.ts'
import { readMountTable } from '../fuse/kernel/mount-table.ts'
import { CommandError, EXIT } from './exit-codes.ts'
import { type VolumeUse, type VolumeUser, volumeUser } from './volume-user.ts'

const POLL_MS = 20

/** How long each use of it may go on. A daemon needs a moment to hear of its unmount. */
const TIMEOUTS_MS: Readonly<Record<VolumeUse, number>> = {
  serves: 3000,
  opens: 60_000,
  uses: 3000,
  nobody: 3000,
}

export interface WantedVolume {
  /** Its path without symbolic links. */
  readonly volume: string
  /** What for, as in "Cannot mount volume". */
  readonly purpose: string
  /** Where a mount of it that has died is no hindrance. */
  readonly mountpoint?: string
}

/** The path of a volume without symbolic links; as it is, made absolute, if there is none. */
export function realVolume(path: string): string {
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch {
    return absolute
  }
}

/** Opens a volume when it is free. Throws what `open` throws; CommandError if it is mounted, and
 * FsError EBUSY if it stays in use otherwise. */
export async function whenFree<Value>(
  wanted: WantedVolume,
  open: () => Promise<Value>,
): Promise<Value> {
  let last: VolumeUse | undefined
  let since = performance.now()
  for (;;) {
    let busy
    try {
      return await open()
    } catch (error) {
      if (!(error instanceof FsError && error.code === 'EBUSY')) throw error
      busy = error
    }
    do {
      const user = volumeUser(wanted.volume)
      if (user.use !== last) since = performance.now()
      last = user.use
      await refuseMounted(wanted)
      if (performance.now() - since > TIMEOUTS_MS[user.use]) {
        throw user.use === 'nobody' ? busy : new FsError('EBUSY', refusal(wanted, reasonOf(user)))
      }
      await sleep(POLL_MS)
    } while (last !== 'nobody')
  }
}

async function refuseMounted(wanted: WantedVolume): Promise<void> {
  const { volume, mountpoint } = wanted
  // What a killed daemon has left there says nothing of who has the volume now.
  const isLeft = mountpoint !== undefined && (await isDeadMount(mountpoint, volume))
  for (const entry of await readMountTable()) {
    if (isLeft && entry.mountpoint === mountpoint) continue
    if (!(await isMountOf(entry, volume))) continue
    throw new CommandError(
      EXIT.inUse,
      refusal(wanted, `because it is mounted on "${entry.mountpoint}"`),
    )
  }
}

function reasonOf({ use, pid }: VolumeUser): string {
  const who = `by another process${pid === 0 ? '' : ` (${pid})`}`
  if (use === 'opens') return `${who}, which opens or closes it and does not come to an end`
  if (use !== 'serves') return who
  return `${who}, which serves it to another mount namespace or after a lazy unmount`
}

function refusal({ purpose, volume }: WantedVolume, reason: string): string {
  return `Cannot ${purpose} volume "${volume}": it is in use ${reason}`
}
