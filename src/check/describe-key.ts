/** What a key of the index stands for, in words, and whether it has the form of its kind. */
import type { Ino } from '../store/inode.ts'
import { GROUP_LENGTH, u32FromKey, u64FromKey } from '../store/keys.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import { SHARES_BLOCKS } from '../store/shares.ts'
import { showName } from './show-name.ts'

interface KeyKind {
  readonly hasForm: (length: number) => boolean
  readonly describe: (key: string) => string
  /** Whether the number behind the prefix is an inode's. */
  readonly hasIno: boolean
}

const exactly = (expected: number) => (length: number) => length === expected
const named = (length: number): boolean => length > GROUP_LENGTH && length <= GROUP_LENGTH + 255

const KINDS: ReadonlyMap<string, KeyKind> = new Map([
  ['D', kind(named, (key) => `its entry "${showName(key.slice(GROUP_LENGTH))}"`)],
  ['E', kind(exactly(17), describeLeaf)],
  ['G', kind(exactly(5), (key) => `bitmap group ${u32FromKey(key, 1)}`, false)],
  ['I', kind(exactly(9), () => 'its inode record')],
  ['M', kind(exactly(1), () => 'the marker', false)],
  ['O', kind(exactly(9), () => 'its place on the list of orphans')],
  ['P', kind(exactly(13), (key) => `its pending generation ${u32FromKey(key, 9)}`)],
  ['R', kind(exactly(5), describeShares, false)],
  ['S', kind(exactly(1), () => "the volume's identity", false)],
  ['X', kind(named, (key) => `its attribute "${showName(key.slice(GROUP_LENGTH))}"`)],
])

/** First bytes of the keys that exist, in order. */
export const PREFIXES: readonly string[] = [...KINDS.keys()].toSorted()

function kind(hasForm: KeyKind['hasForm'], describe: KeyKind['describe'], hasIno = true): KeyKind {
  return { hasForm, describe, hasIno }
}

function describeLeaf(key: string): string {
  const first = u32FromKey(key, 13) * LEAF_BLOCKS
  return `its map of blocks ${first} to ${first + LEAF_BLOCKS - 1}, generation ${u32FromKey(key, 9)}`
}

function describeShares(key: string): string {
  const first = u32FromKey(key, 1) * SHARES_BLOCKS
  return `owners of blocks ${first} to ${first + SHARES_BLOCKS - 1}`
}

export function isWellFormed(key: string): boolean {
  return KINDS.get(key.slice(0, 1))?.hasForm(key.length) ?? false
}

/** For messages; `ino` is the inode that the key belongs to. */
export function describeKey(key: string): { readonly text: string; readonly ino?: Ino } {
  const known = isWellFormed(key) ? KINDS.get(key.slice(0, 1)) : undefined
  if (known === undefined) return { text: `key ${Buffer.from(key, 'latin1').toString('hex')}` }
  const text = known.describe(key)
  return known.hasIno ? { text, ino: u64FromKey(key, 1) } : { text }
}
