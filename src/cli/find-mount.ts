import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { type MountTableEntry, findMount } from '../fuse/kernel/mount-table.ts'
import { CommandError, EXIT } from './exit-codes.ts'

/**
 * The mount at a path, found without looking into it: a mount that hangs can be unmounted too.
 * Throws CommandError, with what was to be done to it.
 */
export async function findOurs(path: string, purpose: string): Promise<MountTableEntry> {
  const absolute = resolve(path)
  const entry = (await findMount(absolute)) ?? (await findMount(await realPathOf(absolute)))
  if (entry?.type === 'fuse.oatomic') return entry
  throw new CommandError(
    EXIT.unusable,
    `Cannot ${purpose} "${absolute}": no oatomic volume is mounted there`,
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
