/*
 * The key space of the index. One byte of prefix, then fixed-width big-endian numbers, so that byte
 * order is numeric order and what belongs to one file is one range. Keys are byte strings.
 *
 *   S                        volume: uuid, as in the superblock
 *   M                        checkpoint marker
 *   I ino8                   inode
 *   D ino8 name              dirent, by parent
 *   X ino8 name              extended attribute
 *   E ino8 generation4 leaf4 64 blocks of a file's extent map
 *   G group4                 allocation bitmap of 32,768 blocks
 *   R group4                 blocks of 256 that have more than one owner
 *   O ino8                   orphan: nlink is 0 and the kernel still knew the inode
 *   H ino8                   hidden directory: without a name, to be removed with all that is in it
 *   P ino8 generation4       map generation that is being written or freed, not the file's own
 */
import { COUNTER_MAX } from '../bytes.ts'
import type { Ino } from './inode.ts'

function u32Key(value: number): string {
  return String.fromCharCode(
    (value >>> 24) & 0xff,
    (value >>> 16) & 0xff,
    (value >>> 8) & 0xff,
    value & 0xff,
  )
}

function u64Key(value: number): string {
  return u32Key(Math.floor(value / 0x1_0000_0000)) + u32Key(value % 0x1_0000_0000)
}

/** Reads a big-endian number of 4 bytes back out of a key. */
export function u32FromKey(key: string, at: number): number {
  return (
    key.charCodeAt(at) * 0x100_0000 +
    (key.charCodeAt(at + 1) << 16) +
    (key.charCodeAt(at + 2) << 8) +
    key.charCodeAt(at + 3)
  )
}

/** Reads a big-endian number of 8 bytes back out of a key. */
export function u64FromKey(key: string, at: number): number {
  return u32FromKey(key, at) * 0x1_0000_0000 + u32FromKey(key, at + 4)
}

/** Prefix and inode: what `Metadata` groups its pending changes by. */
export const GROUP_LENGTH = 9

export const VOLUME_KEY = 'S'
export const MARKER_KEY = 'M'

export const inodeKey = (ino: Ino): string => 'I' + u64Key(ino)
export const direntGroup = (parent: Ino): string => 'D' + u64Key(parent)
export const direntKey = (parent: Ino, name: string): string => direntGroup(parent) + name
export const xattrGroup = (ino: Ino): string => 'X' + u64Key(ino)
export const xattrKey = (ino: Ino, name: string): string => xattrGroup(ino) + name
export const leafGroup = (ino: Ino): string => 'E' + u64Key(ino)
export const leafPrefix = (ino: Ino, generation: number): string =>
  leafGroup(ino) + u32Key(generation)
export const leafKey = (ino: Ino, generation: number, leafIndex: number): string =>
  leafPrefix(ino, generation) + u32Key(leafIndex)
export const bitmapKey = (groupIndex: number): string => 'G' + u32Key(groupIndex)
export const sharesKey = (groupIndex: number): string => 'R' + u32Key(groupIndex)
export const orphanKey = (ino: Ino): string => 'O' + u64Key(ino)
export const hiddenKey = (ino: Ino): string => 'H' + u64Key(ino)
export const pendingMapKey = (ino: Ino, generation: number): string =>
  'P' + u64Key(ino) + u32Key(generation)

const named = (length: number): boolean => length > GROUP_LENGTH && length <= GROUP_LENGTH + 255
const exactly = (expected: number) => (length: number) => length === expected

/** How long the keys of each kind are. */
const LENGTHS: Readonly<Record<string, (length: number) => boolean>> = {
  S: exactly(1),
  M: exactly(1),
  I: exactly(9),
  D: named,
  X: named,
  E: exactly(17),
  G: exactly(5),
  H: exactly(9),
  O: exactly(9),
  P: exactly(13),
  R: exactly(5),
}

/** First bytes of the keys that exist, in order. */
export const PREFIXES: readonly string[] = Object.keys(LENGTHS).toSorted()

/** Groups of the bitmap that block numbers of 32 bits need. */
const BITMAP_GROUPS_MAX = 2 ** 32 / 32_768
/** The same of owners, in groups of 256. */
const SHARES_GROUPS_MAX = 2 ** 32 / 256

/** Whether a key is of a known kind, has its form, and numbers that can be. */
export function isWellFormed(key: string): boolean {
  const prefix = key.slice(0, 1)
  if (LENGTHS[prefix]?.(key.length) !== true) return false
  if (prefix === 'G') return u32FromKey(key, 1) < BITMAP_GROUPS_MAX
  if (prefix === 'R') return u32FromKey(key, 1) < SHARES_GROUPS_MAX
  return key.length < GROUP_LENGTH || u64FromKey(key, 1) <= COUNTER_MAX
}

/** The first key behind all keys that start with `prefix`. */
export function prefixEnd(prefix: string): string {
  let length = prefix.length
  while (length > 0 && prefix.charCodeAt(length - 1) === 0xff) length--
  if (length === 0) return '\xff'.repeat(prefix.length + 1)
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1)
}
