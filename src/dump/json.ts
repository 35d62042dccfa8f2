/** Dump items as lines of JSON. Times are decimal strings of nanoseconds, bytes are shown names. */
import { showName } from '../show-name.ts'
import type { DumpItem } from './items.ts'

export function jsonLine(item: DumpItem): string {
  return JSON.stringify(plain(item), (_key, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
}

function plain(item: DumpItem): object {
  if (item.kind === 'superblock') {
    const uuid = Buffer.from(item.superblock.uuid).toString('hex')
    return { kind: item.kind, ...item.superblock, uuid }
  }
  if (item.kind === 'marker') return { kind: item.kind, ...item.marker }
  if (item.kind !== 'inode') return item
  const { inode, ...rest } = item
  const target = showName(Buffer.from(inode.target).toString('latin1'))
  return { ...rest, ...inode, target }
}
