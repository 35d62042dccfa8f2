/**
 * Who keeps a volume mounted that was unmounted here: a process with a mount namespace of its own (a
 * container, `unshare -m`) has got a copy of each mount of before, and a mount ends with its last copy.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { parseMountTable } from '../fuse/kernel/mount-table.ts'

/** A process of each namespace that has it, as far as /proc shows them. */
export function heldElsewhere(source: string): readonly number[] {
  const byNamespace = new Map<string, number>()
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  for (const pid of pids) {
    const [namespace, mounts] = [readOr(() => readlinkSync(`/proc/${pid}/ns/mnt`)), mountsOf(pid)]
    if (byNamespace.has(namespace)) continue
    if (mounts.some((entry) => entry.type === 'fuse.oatomic' && entry.source === source)) {
      byNamespace.set(namespace, Number(pid))
    }
  }
  return [...byNamespace.values()]
}

const mountsOf = (pid: string) =>
  parseMountTable(readOr(() => readFileSync(`/proc/${pid}/mounts`, 'latin1')))

function readOr(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
