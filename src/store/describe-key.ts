/** What a key of the index stands for, in words. */
import type { Ino } from './inode.ts'
import { GROUP_LENGTH, isWellFormed, u32FromKey, u64FromKey } from './keys.ts'
import { LEAF_BLOCKS } from './leaf.ts'
import { SHARES_BLOCKS } from './shares.ts'
import { showName } from '../show-name.ts'

/** What a key stands for. */
const TEXTS: Readonly<Record<string, (key: string) => string>> = {
  D: (key) => `its entry "${showName(key.slice(GROUP_LENGTH))}"`,
  E: describeLeaf,
  G: (key) => `bitmap group ${u32FromKey(key, 1)}`,
  H: () => 'its place on the list of hidden directories',
  I: () => 'its inode record',
  M: () => 'the marker',
  O: () => 'its place on the list of orphans',
  P: (key) => `its pending generation ${u32FromKey(key, 9)}`,
  R: describeShares,
  S: () => "the volume's identity",
  X: (key) => `its attribute "${showName(key.slice(GROUP_LENGTH))}"`,
}

function describeLeaf(key: string): string {
  const first = u32FromKey(key, 13) * LEAF_BLOCKS
  return `its map of blocks ${first} to ${first + LEAF_BLOCKS - 1}, generation ${u32FromKey(key, 9)}`
}

function describeShares(key: string): string {
  const first = u32FromKey(key, 1) * SHARES_BLOCKS
  return `owners of blocks ${first} to ${first + SHARES_BLOCKS - 1}`
}

/** For messages; `ino` is the inode that the key belongs to. */
export function describeKey(key: string): { readonly text: string; readonly ino?: Ino } {
  const text = isWellFormed(key) ? TEXTS[key.slice(0, 1)]?.(key) : undefined
  if (text === undefined) return { text: `key ${Buffer.from(key, 'latin1').toString('hex')}` }
  return key.length >= GROUP_LENGTH ? { text, ino: u64FromKey(key, 1) } : { text }
}
