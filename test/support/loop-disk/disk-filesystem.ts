/** A filesystem with one file, `disk`, that a loop device can be put on. */
import { FsError } from '../../../src/errors.ts'
import type { Attributes, Awaitable, FilesystemOperations } from '../../../src/fs/operations.ts'
import type { DiskContent } from './disk-content.ts'
import type { DiskFaults } from './disk-faults.ts'
import type { DiskLogWriter } from './disk-log.ts'

export const DISK_NAME = 'disk'

const ROOT_INO = 1
const DISK_INO = 2
const HANDLE = 1
const BLOCK_SIZE = 4096
const DIRECTORY = 0o040_755
const FILE = 0o100_644

export interface DiskParts {
  readonly content: DiskContent
  readonly faults: DiskFaults
  /** Where writes and flushes are noted, if they are. May be changed. */
  log: DiskLogWriter | undefined
}

/**
 * Reads, writes and flushes are done one after the other, each in one tick: what a flush covers is
 * what stands before it in the log. Space cannot be given back (EOPNOTSUPP), so that the kernel
 * writes the zeros that it wants.
 */
export function diskFilesystem(parts: DiskParts): FilesystemOperations {
  const { content, faults } = parts
  const attributesOf = (ino: number): Attributes => attributes(ino, content.sizeBytes)
  const inTurn = <Value>(kind: 'read' | 'write' | 'flush', work: () => Value): Awaitable<Value> => {
    const waiting = faults.pass(kind)
    return waiting === undefined ? work() : waiting.then(work)
  }
  return {
    ...REFUSED,
    lookup: (_parent, name) => (name === DISK_NAME ? attributesOf(DISK_INO) : undefined),
    remember: attributesOf,
    forget: () => undefined,
    getAttributes: attributesOf,
    setAttributes: attributesOf,
    open: () => ({ fh: HANDLE, keepCache: false }),
    read: (_fh, offset, lengthBytes) => inTurn('read', () => [content.read(offset, lengthBytes)]),
    write: (_fh, { offset, data }) =>
      inTurn('write', () => {
        content.write(offset, data)
        parts.log?.write(offset, data)
        return data.length
      }),
    fsync: () => inTurn('flush', () => parts.log?.flush()),
    flush: () => undefined,
    release: () => undefined,
    openDirectory: () => HANDLE,
    readDirectory: () => [
      { name: DISK_NAME, ino: DISK_INO, type: FILE & 0o170_000, nextOffset: 1 },
    ],
    releaseDirectory: () => undefined,
    fsyncDirectory: () => undefined,
    statistics: () => STATISTICS,
    listXattr: () => [],
  }
}

function attributes(ino: number, sizeBytes: number): Attributes {
  const isRoot = ino === ROOT_INO
  return {
    ino,
    mode: isRoot ? DIRECTORY : FILE,
    nlink: isRoot ? 2 : 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    size: isRoot ? 0 : sizeBytes,
    sectors: isRoot ? 0 : Math.ceil(sizeBytes / 512),
    atimeNs: 0n,
    mtimeNs: 0n,
    ctimeNs: 0n,
    btimeNs: 0n,
  }
}

const refuse = (): never => {
  throw new FsError('EOPNOTSUPP', 'A disk does not do that')
}

const noXattr = (): never => {
  throw new FsError('ENODATA', 'A disk has no attributes')
}

const STATISTICS = {
  blockSize: BLOCK_SIZE,
  blockCount: 0,
  freeCount: 0,
  inodeCount: 2,
  inodeFreeCount: 0,
  nameLengthMax: 255,
}

const REFUSED = {
  readLink: refuse,
  makeNode: refuse,
  makeDirectory: refuse,
  makeSymlink: refuse,
  link: refuse,
  unlink: refuse,
  removeDirectory: refuse,
  rename: refuse,
  create: refuse,
  allocate: refuse,
  makeUnnamed: refuse,
  seek: refuse,
  ioctl: refuse,
  copyRange: refuse,
  getXattr: noXattr,
  setXattr: refuse,
  removeXattr: refuse,
  writeCached: refuse,
}
