/** Random values of the kinds that records are made of, edges included. */
import { type Inode, newInode } from '../../../src/store/inode.ts'
import { LEAF_BLOCKS, Leaf } from '../../../src/store/leaf.ts'
import type { Random } from '../../support/random.ts'
import { fieldValue } from '../kit/mutate.ts'

export const number32 = (random: Random): number => Number(BigInt.asUintN(32, fieldValue(random)))

export const time = (random: Random): bigint => BigInt.asIntN(64, fieldValue(random))

const TYPES = [0o040000, 0o100000, 0o120000, 0o010000, 0o020000, 0o060000, 0o140000]

export function inode(random: Random, ino: number): Inode {
  const mode = random.pick(TYPES) | random.int(0o10000)
  return {
    ...newInode(ino, mode, time(random)),
    uid: number32(random),
    gid: number32(random),
    nlink: random.int(5),
    rdev: number32(random),
    flags: random.int(16),
    mapGeneration: random.int(4),
    size: random.int(100_000),
    blockCount: random.int(30),
    commitSeq: random.int(100),
    parent: random.int(20),
    entryCount: random.int(20),
    cookieNext: random.int(100),
    target: random.bytes(random.oneIn(3) ? random.int(40) : 0),
  }
}

export function leaf(random: Random, blockEnd: number): Leaf {
  const made = new Leaf()
  for (let slot = random.int(LEAF_BLOCKS); slot < LEAF_BLOCKS; slot += 1 + random.int(8)) {
    made.set(slot, random.int(blockEnd), random.next())
  }
  return made
}

const NAMES = ['a', 'b', 'file', 'directory', '.', '..', 'a/b', 'odd\n\xff', 'n'.repeat(255)]

export const name = (random: Random): string =>
  random.oneIn(20) ? 'n'.repeat(250 + random.int(10)) : random.pick(NAMES)
