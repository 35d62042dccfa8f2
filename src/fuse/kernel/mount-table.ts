import { readFile } from 'node:fs/promises'

export interface MountTableEntry {
  readonly mountpoint: string
  readonly type: string
  readonly source: string
}

/** What is mounted in this namespace; a later entry may cover an earlier one. */
export async function readMountTable(): Promise<readonly MountTableEntry[]> {
  return parseMountTable(await readFile('/proc/self/mounts', 'latin1'))
}

/** Reads `/proc/self/mounts`, as byte strings: `source mountpoint type …` on each line. */
export function parseMountTable(text: string): readonly MountTableEntry[] {
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap(([source, mountpoint, type]) =>
      source === undefined || mountpoint === undefined || type === undefined
        ? []
        : [{ source: unescape(source), mountpoint: unescape(mountpoint), type }],
    )
}

/** What covers exactly this path; undefined if nothing is mounted there. */
export async function findMount(mountpoint: string): Promise<MountTableEntry | undefined> {
  const table = await readMountTable()
  return table.findLast((entry) => entry.mountpoint === mountpoint)
}

/** Undoes the octal escapes of spaces and the like; the result is what Node.js takes for a path. */
function unescape(field: string): string {
  const bytes = field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
  return Buffer.from(bytes, 'latin1').toString()
}
