/** The inode record: what a file is, apart from its names and its blocks. */
import { ByteReader, ByteWriter } from '../bytes.ts'
import { BLOCK_SIZE } from '../device/device.ts'

/** Inode number; 1 is the root. Never used twice. */
export type Ino = number

export const ROOT_INO: Ino = 1

/** Bits of `Inode.flags`. */
export const INODE_ATOMIC = 1
export const INODE_ON_CLOSE_DISCARD = 2
export const INODE_ON_CLOSE_KEEP = 4
/** Saves a look into the index: most files have no extended attribute. */
export const INODE_HAS_XATTRS = 8
/** What chattr(1) sets: nothing changes; content only grows; not for dump(8); reading leaves no time. */
export const INODE_IMMUTABLE = 16
export const INODE_APPEND_ONLY = 32
export const INODE_NO_DUMP = 64
export const INODE_NO_ACCESS_TIME = 128
/** Has a group with which it is published; saves a look into the index as well. */
export const INODE_IN_GROUP = 256
/** Atomic, with a shadow fork for each handle. */
export const INODE_ISOLATED = 512

/** The mask and values of st_mode's file type. */
export const TYPE_MASK = 0o170000
export const TYPE_DIRECTORY = 0o040000
export const TYPE_FILE = 0o100000
export const TYPE_SYMLINK = 0o120000

/** All fields of an inode; drafts of it are changed and then committed whole. */
export interface Inode {
  ino: Ino
  mode: number
  uid: number
  gid: number
  nlink: number
  rdev: number
  flags: number
  /** Which generation of leaves is the data fork's map. */
  mapGeneration: number
  size: number
  /** Blocks that the data fork maps. */
  blockCount: number
  atimeNs: bigint
  mtimeNs: bigint
  ctimeNs: bigint
  btimeNs: bigint
  /** Commit that last published the content. */
  commitSeq: number
  /** Directories: the parent, the number of entries, the next cookie for an entry. */
  parent: Ino
  entryCount: number
  cookieNext: number
  /** Symbolic links: where to. */
  target: Uint8Array
}

/** File blocks have numbers of 32 bits, and one more than the last is a number too. */
export const FILE_BLOCKS_MAX = 0xffff_fffe
export const FILE_SIZE_MAX = FILE_BLOCKS_MAX * BLOCK_SIZE

const MODE_MAX = 0xffff
/** With the highest bit, bitwise operators give negative numbers. */
const FLAGS_MAX = 0x7fff_ffff
/** One more is a number of 32 bits still. */
const COUNT_MAX = 0xffff_fffe

const NO_TARGET = new Uint8Array(0)
const FIXED_SIZE = 4 * 7 + 8 * 10 + 2

export function newInode(ino: Ino, mode: number, nowNs: bigint): Inode {
  return {
    ino,
    mode,
    uid: 0,
    gid: 0,
    nlink: 1,
    rdev: 0,
    flags: 0,
    mapGeneration: 0,
    size: 0,
    blockCount: 0,
    atimeNs: nowNs,
    mtimeNs: nowNs,
    ctimeNs: nowNs,
    btimeNs: nowNs,
    commitSeq: 0,
    parent: 0,
    entryCount: 0,
    cookieNext: 3,
    target: NO_TARGET,
  }
}

export const isDirectory = (inode: Inode): boolean => (inode.mode & TYPE_MASK) === TYPE_DIRECTORY
export const isFile = (inode: Inode): boolean => (inode.mode & TYPE_MASK) === TYPE_FILE
export const isAtomic = (inode: Inode): boolean => (inode.flags & INODE_ATOMIC) !== 0
/** Whether each handle of a file has a version and a shadow fork of its own. */
export const isIsolated = (inode: Inode): boolean =>
  isAtomic(inode) && (inode.flags & INODE_ISOLATED) !== 0

export function encodeInode(inode: Inode): Uint8Array {
  const out = new ByteWriter(Buffer.allocUnsafe(FIXED_SIZE + inode.target.length))
  out.u32(inode.mode)
  out.u32(inode.uid)
  out.u32(inode.gid)
  out.u32(inode.nlink)
  out.u32(inode.rdev)
  out.u32(inode.flags)
  out.u32(inode.mapGeneration)
  out.u64(inode.size)
  out.u64(inode.blockCount)
  out.i64(inode.atimeNs)
  out.i64(inode.mtimeNs)
  out.i64(inode.ctimeNs)
  out.i64(inode.btimeNs)
  out.u64(inode.commitSeq)
  out.u64(inode.parent)
  out.u64(inode.entryCount)
  out.u64(inode.cookieNext)
  out.u16(inode.target.length)
  out.bytes(inode.target)
  return out.buffer
}

/** Throws FsError EIO for what no inode can be; whether it fits the others is not looked at. */
export function decodeInode(ino: Ino, body: Uint8Array): Inode {
  const input = new ByteReader(body)
  return {
    ino,
    mode: input.bounded('u32', MODE_MAX, 'a mode'),
    uid: input.u32(),
    gid: input.u32(),
    nlink: input.bounded('u32', COUNT_MAX, 'a link count'),
    rdev: input.u32(),
    flags: input.bounded('u32', FLAGS_MAX, 'flags'),
    mapGeneration: input.bounded('u32', COUNT_MAX, 'a generation'),
    size: input.bounded('u64', FILE_SIZE_MAX, 'a size'),
    blockCount: input.bounded('u64', COUNT_MAX, 'a block count'),
    atimeNs: input.i64(),
    mtimeNs: input.i64(),
    ctimeNs: input.i64(),
    btimeNs: input.i64(),
    commitSeq: input.counter('a commit'),
    parent: input.counter('a parent'),
    entryCount: input.counter('an entry count'),
    cookieNext: input.counter('a cookie'),
    target: Uint8Array.from(input.bytes(input.u16())),
  }
}

/** What a name in a directory leads to. */
export interface Dirent {
  readonly ino: Ino
  /** File type, as the top bits of st_mode. */
  readonly type: number
  /** Place in a listing; never used twice in one directory. */
  readonly cookie: number
}

export function encodeDirent(dirent: Dirent): Uint8Array {
  const out = new ByteWriter(Buffer.allocUnsafe(18))
  out.u64(dirent.ino)
  out.u16(dirent.type)
  out.u64(dirent.cookie)
  return out.buffer
}

export function decodeDirent(body: Uint8Array): Dirent {
  const input = new ByteReader(body)
  return { ino: input.counter('an inode'), type: input.u16(), cookie: input.counter('a cookie') }
}
