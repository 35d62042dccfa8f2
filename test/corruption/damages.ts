/** Ways to damage a volume's files. Each is made of a state, a kind and a seed, so it can be repeated. */
import {
  closeSync,
  copyFileSync,
  openSync,
  readSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../support/random.ts'
import { RING_BLOCKS, type World, folderOf } from './world.ts'

const BLOCK = 4096
const RING_START = 16
const DATA_START = RING_START + RING_BLOCKS

export interface DamagePlace {
  /** What was done, for messages. */
  readonly what: string
  /** Blocks of data whose content is another now. */
  readonly blocks: readonly number[]
}

export interface Target {
  readonly world: World
  /** The copy that is to be damaged. */
  readonly volume: string
  /** Blocks of data that files use, with no page of theirs in the ring. */
  readonly usedBlocks: readonly number[]
  /** Blocks of the ring that recovery needs. */
  readonly liveRing: readonly number[]
  readonly random: Random
}

type Damage = (target: Target) => DamagePlace

export const DAMAGES = {
  'superblock: bits of both copies': ({ volume, random }) => {
    const bits = [random.int(BLOCK * 8), BLOCK * 8 + random.int(BLOCK * 8)]
    for (const bit of bits) flipBit(blocksOf(volume), bit)
    return { what: `bits ${bits.join(', ')} of blocks`, blocks: [] }
  },
  'superblock: a copy is garbage': ({ volume, random }) => {
    const copy = random.int(2)
    put(blocksOf(volume), copy * BLOCK, random.bytes(BLOCK))
    return { what: `copy ${copy} of the superblock`, blocks: [] }
  },
  'ring: a bit': ({ volume, random, liveRing }) => {
    const block = ringBlock(random, liveRing)
    flipBit(blocksOf(volume), (block * BLOCK + random.int(BLOCK)) * 8 + random.int(8))
    return { what: `a bit of block ${block} of the file, in the ring`, blocks: [] }
  },
  'ring: a block is zeros or garbage': ({ volume, random, liveRing }) => {
    const block = ringBlock(random, liveRing)
    put(blocksOf(volume), block * BLOCK, other(random))
    return { what: `block ${block} of the file, in the ring`, blocks: [] }
  },
  'ring: a part is as it was': ({ world, volume, random }) => {
    const count = 1 + random.int(64)
    const first = RING_START + random.int(RING_BLOCKS - count)
    const early = get(blocksOf(folderOf(world, 'early')), first * BLOCK, count * BLOCK)
    put(blocksOf(volume), first * BLOCK, early)
    return { what: `blocks ${first} to ${first + count - 1} of the file`, blocks: [] }
  },
  'block: a bit': ({ volume, random, usedBlocks }) => {
    const block = random.pick(usedBlocks)
    flipBit(blocksOf(volume), positionOf(block) * 8 + random.int(BLOCK * 8))
    return { what: `a bit of block ${block}`, blocks: [block] }
  },
  'block: zeros or garbage': ({ volume, random, usedBlocks }) => {
    const block = random.pick(usedBlocks)
    put(blocksOf(volume), positionOf(block), other(random))
    return { what: `block ${block}`, blocks: [block] }
  },
  'block: any, used or not': ({ volume, random }) => {
    const block = 1 + random.int(600)
    flipBit(blocksOf(volume), positionOf(block) * 8 + random.int(BLOCK * 8))
    return { what: `a bit of block ${block}`, blocks: [] }
  },
  'block: two are swapped': ({ volume, random, usedBlocks }) => {
    const [one = 0, two = 0] = random.shuffle(usedBlocks)
    const kept = get(blocksOf(volume), positionOf(one), BLOCK)
    put(blocksOf(volume), positionOf(one), get(blocksOf(volume), positionOf(two), BLOCK))
    put(blocksOf(volume), positionOf(two), kept)
    return { what: `blocks ${one} and ${two}`, blocks: [one, two] }
  },
  'block: one is over another': ({ volume, random, usedBlocks }) => {
    const [one = 0, two = 0] = random.shuffle(usedBlocks)
    put(blocksOf(volume), positionOf(two), get(blocksOf(volume), positionOf(one), BLOCK))
    return { what: `block ${one} over block ${two}`, blocks: [two] }
  },
  'block: as it was': ({ world, volume, random, usedBlocks }) => {
    const block = random.pick(usedBlocks)
    const early = get(blocksOf(folderOf(world, 'early')), positionOf(block), BLOCK)
    const now = get(blocksOf(volume), positionOf(block), BLOCK)
    put(blocksOf(volume), positionOf(block), early)
    return { what: `block ${block}`, blocks: now.equals(early) ? [] : [block] }
  },
  'index: a bit': ({ volume, random }) => {
    const path = pickIndexFile(volume, random)
    flipBit(path, random.int(statSync(path).size * 8))
    return { what: `a bit of ${path}`, blocks: [] }
  },
  'index: some bytes are zeros or garbage': ({ volume, random }) => {
    const path = pickIndexFile(volume, random)
    const { size } = statSync(path)
    const length = Math.min(size, 1 + random.int(BLOCK))
    put(path, random.int(size - length + 1), other(random).subarray(0, length))
    return { what: `${length} bytes of ${path}`, blocks: [] }
  },
  'index: a file is cut': ({ volume, random }) => {
    const path = pickIndexFile(volume, random)
    const size = random.int(statSync(path).size)
    truncateSync(path, size)
    return { what: `${path} cut to ${size} bytes`, blocks: [] }
  },
  'index: a file is gone': ({ volume, random }) => {
    const path = pickIndexFile(volume, random)
    rmSync(path)
    return { what: `${path} removed`, blocks: [] }
  },
  'index: a file is as it was': ({ world, volume, random }) => {
    const early = join(folderOf(world, 'early'), 'index')
    const name = random.pick(readdirSync(early).filter((each) => each !== 'LOCK'))
    copyFileSync(join(early, name), join(volume, 'index', name))
    return { what: `${name} of before`, blocks: [] }
  },
  'index: all of it is as it was': ({ world, volume }) => {
    const index = join(volume, 'index')
    for (const name of readdirSync(index)) rmSync(join(index, name))
    const early = join(folderOf(world, 'early'), 'index')
    for (const name of readdirSync(early)) copyFileSync(join(early, name), join(index, name))
    return { what: 'all of the index of before', blocks: [] }
  },
} as const satisfies Readonly<Record<string, Damage>>

export type DamageKind = keyof typeof DAMAGES

// eslint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of an object literal
export const DAMAGE_KINDS = Object.keys(DAMAGES) as DamageKind[]

const blocksOf = (volume: string): string => join(volume, 'blocks')
const positionOf = (block: number): number => (DATA_START + block) * BLOCK

/** Mostly one that is needed. */
function ringBlock(random: Random, liveRing: readonly number[]): number {
  const ring =
    liveRing.length > 0 && !random.oneIn(5) ? random.pick(liveRing) : random.int(RING_BLOCKS)
  return RING_START + ring
}

function other(random: Random): Uint8Array {
  return random.oneIn(2) ? new Uint8Array(BLOCK) : random.bytes(BLOCK)
}

function pickIndexFile(volume: string, random: Random): string {
  const index = join(volume, 'index')
  const names = readdirSync(index).filter((name) => name !== 'LOCK' && !name.startsWith('LOG'))
  return random.pick(
    names.map((name) => join(index, name)).filter((path) => statSync(path).size > 0),
  )
}

function flipBit(path: string, bit: number): void {
  const at = Math.floor(bit / 8)
  const [byte = 0] = get(path, at, 1)
  put(path, at, Uint8Array.of(byte ^ (1 << (bit % 8))))
}

function get(path: string, position: number, length: number): Buffer {
  const fd = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    readSync(fd, bytes, 0, length, position)
    return bytes
  } finally {
    closeSync(fd)
  }
}

function put(path: string, position: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+')
  try {
    writeSync(fd, bytes, 0, bytes.length, position)
  } finally {
    closeSync(fd)
  }
}
