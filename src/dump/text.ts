/** Dump items as lines for people. */
import { showName } from '../show-name.ts'
import {
  INODE_APPEND_ONLY,
  INODE_ATOMIC,
  INODE_HAS_XATTRS,
  INODE_IMMUTABLE,
  INODE_ISOLATED,
  INODE_NO_ACCESS_TIME,
  INODE_NO_DUMP,
  INODE_ON_CLOSE_DISCARD,
  INODE_ON_CLOSE_KEEP,
  type Inode,
} from '../store/inode.ts'
import type { DumpItem, Extent, InodeItem, RecordItem } from './items.ts'

/** Operations of a record, and extents of a file, that are worth a look; JSON has all. */
const OPERATIONS_SHOWN = 4
const EXTENTS_SHOWN = 100

const TYPE_LETTERS: ReadonlyMap<number, string> = new Map([
  [0o010000, 'p'],
  [0o020000, 'c'],
  [0o040000, 'd'],
  [0o060000, 'b'],
  [0o100000, '-'],
  [0o120000, 'l'],
  [0o140000, 's'],
])

const FLAG_NAMES = [
  [INODE_ATOMIC, 'atomic'],
  [INODE_ISOLATED, 'isolated'],
  [INODE_ON_CLOSE_DISCARD, 'onclose=discard'],
  [INODE_ON_CLOSE_KEEP, 'onclose=keep'],
  [INODE_HAS_XATTRS, 'xattrs'],
  [INODE_IMMUTABLE, 'immutable'],
  [INODE_APPEND_ONLY, 'append-only'],
  [INODE_NO_DUMP, 'nodump'],
  [INODE_NO_ACCESS_TIME, 'noatime'],
] as const

export function* textLines(item: DumpItem): Generator<string, void> {
  switch (item.kind) {
    case 'superblock': {
      const { superblock: s } = item
      const features = [s.compatible, s.readOnlyCompatible, s.incompatible].map(hex).join(' ')
      yield `superblock  format ${s.formatMajor}.${s.formatMinor}, features ${features}`
      yield `            uuid ${Buffer.from(s.uuid).toString('hex')}, generation ${s.generation}`
      yield `            made ${showTime(s.createdNs)}`
      yield `            ring ${s.ringBlocks} blocks at ${s.ringStart}, data at ${s.dataStart}`
      break
    }
    case 'marker': {
      const { marker: m } = item
      yield `marker      commit ${m.commitSeq}, epoch ${m.epoch}, ring position ${m.ringPosition}`
      yield `            ${m.clean ? 'closed in order' : 'not closed in order'}`
      yield `            ${m.freeCount} of ${m.blockCount} blocks free, next inode ${m.nextIno}`
      break
    }
    case 'space':
      yield `space       ${item.usedCount} of ${item.blockCount} data blocks used`
      yield `            ${item.waitingBlockCount} of ${item.ringBlockCount} ring blocks wait for replay`
      break
    case 'record':
      yield recordLine(item)
      break
    case 'inode':
      yield* inodeLines(item)
      break
    case 'damage':
      yield `damage ${item.invariant}  ${item.message}`
      break
  }
}

function recordLine(item: RecordItem): string {
  const { commitSeq, epoch, position, ringBlock, blockCount, operations } = item
  const shown = operations.slice(0, OPERATIONS_SHOWN).join('; ')
  const more = operations.length - OPERATIONS_SHOWN
  const place = `epoch ${epoch}, position ${position} (ring ${ringBlock} + ${blockCount})`
  return `record ${commitSeq}  ${place}: ${shown}${more > 0 ? `; and ${more} more` : ''}`
}

function* inodeLines({ inode, paths, xattrs, extents }: InodeItem): Generator<string, void> {
  const owner = `${inode.uid}:${inode.gid}`
  const size = `${inode.size} bytes, ${inode.blockCount} blocks`
  yield `inode ${inode.ino}  ${showMode(inode.mode)} ${owner} links ${inode.nlink}, ${size}${showFlags(inode)}`
  if (paths.length === 0) yield inode.parent === inode.ino ? '    hidden' : '    no name'
  for (const path of paths) yield `    ${path}`
  const target = showName(Buffer.from(inode.target).toString('latin1'))
  if (target !== '') yield `    leads to ${target}`
  for (const { name, size: valueSize } of xattrs) yield `    xattr ${name}, ${valueSize} bytes`
  for (const extent of extents.slice(0, EXTENTS_SHOWN)) yield `    ${showExtent(extent)}`
  const more = extents.length - EXTENTS_SHOWN
  if (more > 0) yield `    and ${more} extents more`
}

function showExtent({ fileBlock, startBlock, blockCount }: Extent): string {
  const range = (start: number) =>
    blockCount === 1 ? String(start) : `${start}-${start + blockCount - 1}`
  return `${range(fileBlock)} in ${range(startBlock)}`
}

function showMode(mode: number): string {
  const permissions = (mode & 0o7777).toString(8).padStart(4, '0')
  return `${TYPE_LETTERS.get(mode & 0o170000) ?? '?'}${permissions}`
}

function showFlags({ flags }: Inode): string {
  const names = FLAG_NAMES.flatMap(([bit, name]) => ((flags & bit) === 0 ? [] : [name]))
  return names.length === 0 ? '' : `, ${names.join(' ')}`
}

function showTime(timeNs: bigint): string {
  const time = new Date(Number(timeNs / 1_000_000n))
  return Number.isNaN(time.getTime()) ? `${timeNs} ns` : time.toISOString()
}

const hex = (value: number): string => `0x${value.toString(16)}`
