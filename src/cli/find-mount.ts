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
  const entry = await findOursAt([absolute, await realPathOf(absolute)])
  if (entry !== undefined) return entry
  throw new CommandError(
    EXIT.unusable,
    `Cannot ${purpose} "${absolute}": no oatomic volume is mounted there`,
  )
}

/** The mount on the first of some absolute paths that has any, if it is one of ours. */
export async function findOursAt(paths: readonly string[]): Promise<MountTableEntry | undefined> {
  for (const path of paths) {
    const entry = await findMount(path)
    if (entry !== undefined) return entry.type === 'fuse.oatomic' ? entry : undefined
  }
  return undefined
}

/** Looks at the folder first: if that settles it, what is mounted is not asked. */
export async function realPathOf(path: string): Promise<string> {
  try {
    const inRealFolder = join(await realpath(dirname(path)), basename(path))
    if ((await findMount(inRealFolder)) !== undefined) return inRealFolder
    return await realpath(path)
  } catch {
    return path
  }
}
