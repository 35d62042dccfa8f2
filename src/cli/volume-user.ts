/** What the process that has a volume open does with it, as /proc shows it. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { volumeHolder } from '../device/volume-lock.ts'

/**
 * `serves`: a mount of it. `opens`: a daemon without a connection to the kernel, so it has none yet or
 * is just closing the volume. `uses`: any other. `nobody`: there is none.
 */
export type VolumeUse = 'serves' | 'opens' | 'uses' | 'nobody'

export interface VolumeUser {
  readonly use: VolumeUse
  /** 0 if it cannot be seen from here. */
  readonly pid: number
}

const DAEMON = '/cli/daemon.js'
const DEVICE = '/dev/fuse'

/** Requires: this process has not opened the volume. */
export function volumeUser(volume: string): VolumeUser {
  const pid = volumeHolder(volume)
  if (pid === undefined) return { use: 'nobody', pid: 0 }
  if (!commandLineOf(pid).some((word) => word.endsWith(DAEMON))) return { use: 'uses', pid }
  return { use: hasDevice(pid) ? 'serves' : 'opens', pid }
}

function commandLineOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

/** One of another user, which does not show what it has open, counts as one that does. */
function hasDevice(pid: number): boolean {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).some((fd) => targetOf(`${folder}/${fd}`) === DEVICE)
  } catch {
    return true
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}
