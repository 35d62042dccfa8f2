/**
 * What the worker process measures, by plain synchronous calls as an ordinary program makes them.
 * It remembers the last synced version of every page, so that `verify` can tell a lost update.
 */
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import {
  CALL_BYTES,
  LostUpdateError,
  PAGE_SIZE,
  checkPage,
  pageBuffer,
  stampPage,
} from './pages.ts'
import { commitFiles, makeAtomicFiles } from './many-files.ts'
import { listFolder, lookUpFiles, makeEmptyFiles, removeEmptyFiles } from './many-names.ts'
import { commitRows } from './batch-sqlite.ts'
import { dropCaches } from './drop-caches.ts'
import { roundTrips } from './round-trips.ts'
import { untar } from './tarball.ts'
import { prepareDatabase, updateRows } from './sqlite.ts'

export interface Rate {
  readonly perSecond: number
  readonly count: number
}

/** Files per second. */
export interface FileRates {
  readonly create: number
  readonly stat: number
  readonly rename: number
  readonly unlink: number
}

interface CommitRequest {
  readonly path: string
  readonly pageCount: number
  /** `copy`: copy all, change the copy, sync it, rename it over the file, sync the folder. */
  readonly method: 'in place' | 'copy'
  readonly timeMs: number
  readonly countMax?: number
}

interface ReplaceRequest {
  readonly path: string
  readonly sizeBytes: number
  readonly method: 'truncate' | 'rename'
  readonly timeMs: number
}

/** The version of each page of each file that was written. */
const versionsOf = new Map<string, Uint32Array>()

const buffer = pageBuffer(CALL_BYTES)

interface WriteAllRequest {
  readonly path: string
  readonly sizeBytes: number
  /** At most the buffer; by default that. */
  readonly callBytes?: number
}

/** Writes a whole file in order and syncs it; returns bytes per second. */
function writeAll({ path, sizeBytes, callBytes = CALL_BYTES }: WriteAllRequest): number {
  const versions = versionsOf.get(path) ?? new Uint32Array(sizeBytes / PAGE_SIZE)
  const version = (versions[0] ?? 0) + 1
  const started = performance.now()
  const fd = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_CREAT)
  try {
    writeVersion(fd, sizeBytes, version, callBytes)
    fs.fsyncSync(fd)
    return perSecond(sizeBytes, started)
  } finally {
    fs.closeSync(fd)
    versionsOf.set(path, versions.fill(version))
  }
}

/** Writes all pages with one version. */
function writeVersion(
  fd: number,
  sizeBytes: number,
  version: number,
  callBytes = CALL_BYTES,
): void {
  for (let at = 0; at < sizeBytes; at += callBytes) {
    const length = Math.min(callBytes, sizeBytes - at)
    stampPages(buffer, length, at / PAGE_SIZE, version)
    fs.writeSync(fd, buffer, 0, length, at)
  }
}

/**
 * Reads a whole file twice to check and warm it, and once in the time; returns bytes per second. With the
 * second use of a page Linux moves it among those that it keeps, once, which takes as long as reading it.
 */
function readHot({ path }: { path: string }): number {
  verify({ path })
  readCalls(path, () => undefined)
  const started = performance.now()
  const sizeBytes = readCalls(path, () => undefined)
  return perSecond(sizeBytes, started)
}

/** Reads a whole file of which nothing is in memory; returns bytes per second. It is for `verify` to check it. */
function readCold({ path }: { path: string }): number {
  dropCaches()
  const started = performance.now()
  const sizeBytes = readCalls(path, () => undefined)
  return perSecond(sizeBytes, started)
}

/** Reads a whole file and throws LostUpdateError unless every page has its last version. */
function verify({ path }: { path: string }): void {
  const versions = versionsOf.get(path) ?? new Uint32Array(0)
  const sizeBytes = readCalls(path, (length, offset) => {
    for (let at = 0; at < length; at += PAGE_SIZE) {
      const page = (offset + at) / PAGE_SIZE
      checkPage(path, buffer, at, page, versions[page] ?? 0)
    }
  })
  if (sizeBytes === versions.length * PAGE_SIZE) return
  throw new LostUpdateError(`"${path}" has ${sizeBytes} bytes, not ${versions.length} pages`)
}

/** Commits random pages for a while, at least once. */
function commitPages(request: CommitRequest): Rate {
  const { path, pageCount, method } = request
  const versions = versionsOf.get(path) ?? new Uint32Array(0)
  const fd = fs.openSync(path, 'r+')
  try {
    return repeat(request.timeMs, request.countMax ?? Infinity, () => {
      if (method === 'copy') commitByCopy(path, versions, pageCount)
      else {
        changePages(fd, versions, pageCount)
        fs.fsyncSync(fd)
      }
    })
  } finally {
    fs.closeSync(fd)
  }
}

/** Appends pages to a file that is there or not, each made durable, for a while. */
function appendPages({ path, timeMs }: { path: string; timeMs: number }): Rate {
  const before = versionsOf.get(path)?.length ?? 0
  const fd = fs.openSync(path, 'a')
  let end = before
  try {
    return repeat(timeMs, Infinity, () => {
      stampPage(buffer, 0, end, 1)
      fs.writeSync(fd, buffer, 0, PAGE_SIZE)
      fs.fsyncSync(fd)
      end++
    })
  } finally {
    fs.closeSync(fd)
    versionsOf.set(path, new Uint32Array(end).fill(1))
  }
}

function changePages(fd: number, versions: Uint32Array, pageCount: number): void {
  for (let i = 0; i < pageCount; i++) {
    const page = Math.floor(Math.random() * versions.length)
    const version = (versions[page] ?? 0) + 1
    stampPage(buffer, i * PAGE_SIZE, page, version)
    fs.writeSync(fd, buffer, i * PAGE_SIZE, PAGE_SIZE, page * PAGE_SIZE)
    versions[page] = version
  }
}

function commitByCopy(path: string, versions: Uint32Array, pageCount: number): void {
  const fd = fs.openSync(`${path}.new`, 'w')
  try {
    readCalls(path, (length, offset) => {
      fs.writeSync(fd, buffer, 0, length, offset)
    })
    changePages(fd, versions, pageCount)
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  moveOver(path)
}

/** Replaces the whole content of a file for a while. */
function replaceFile({ path, sizeBytes, method, timeMs }: ReplaceRequest): Rate {
  const versions = versionsOf.get(path) ?? new Uint32Array(sizeBytes / PAGE_SIZE)
  versionsOf.set(path, versions)
  return repeat(timeMs, Infinity, () => {
    const version = (versions[0] ?? 0) + 1
    versions.fill(version)
    const fd = fs.openSync(method === 'rename' ? `${path}.new` : path, 'w')
    try {
      writeVersion(fd, sizeBytes, version)
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
    if (method === 'rename') moveOver(path)
  })
}

function moveOver(path: string): void {
  fs.renameSync(`${path}.new`, path)
  const folder = fs.openSync(dirname(path), 'r')
  try {
    fs.fsyncSync(folder)
  } finally {
    fs.closeSync(folder)
  }
}

const renamed = (path: string): string => `${path}.renamed`

/** Makes, looks at, renames and removes files of one page; returns each per second. */
function handleFiles({ folder, fileCount }: { folder: string; fileCount: number }): FileRates {
  fs.mkdirSync(folder)
  const paths = Array.from({ length: fileCount }, (_, index) => join(folder, `file-${index}`))
  const each = (work: (path: string, index: number) => void): number => {
    const started = performance.now()
    for (const [index, path] of paths.entries()) work(path, index)
    return perSecond(fileCount, started)
  }
  const create = each((path, index) => {
    stampPage(buffer, 0, index, 1)
    fs.writeFileSync(path, buffer.subarray(0, PAGE_SIZE))
  })
  const stat = each((path) => {
    fs.statSync(path)
  })
  const rename = each((path) => {
    fs.renameSync(path, renamed(path))
  })
  for (const [index, path] of paths.entries()) {
    checkPage(path, fs.readFileSync(renamed(path)), 0, index, 1)
  }
  const unlink = each((path) => {
    fs.unlinkSync(renamed(path))
  })
  fs.rmdirSync(folder)
  return { create, stat, rename, unlink }
}

/** Reads one page in every `strideBlocks` blocks; each must have version 1. */
function readEvery({ path, strideBlocks }: { path: string; strideBlocks: number }): void {
  const fd = fs.openSync(path, 'r')
  try {
    const blockCount = fs.fstatSync(fd).size / PAGE_SIZE
    for (let block = 0; block < blockCount; block += strideBlocks) {
      fs.readSync(fd, buffer, 0, PAGE_SIZE, block * PAGE_SIZE)
      checkPage(path, buffer, 0, block, 1)
    }
  } finally {
    fs.closeSync(fd)
  }
}

/** Removes a file, if it is there. */
function remove({ path }: { path: string }): void {
  fs.rmSync(path, { force: true })
  versionsOf.delete(path)
}

/** Reads a file in large calls, each into the buffer; returns its size. */
function readCalls(path: string, onCall: (length: number, offset: number) => void): number {
  const fd = fs.openSync(path, 'r')
  try {
    let at = 0
    for (;;) {
      const length = fs.readSync(fd, buffer, 0, CALL_BYTES, at)
      if (length === 0) return at
      onCall(length, at)
      at += length
    }
  } finally {
    fs.closeSync(fd)
  }
}

function stampPages(target: Buffer, length: number, firstPage: number, version: number): void {
  for (let at = 0; at < length; at += PAGE_SIZE) {
    stampPage(target, at, firstPage + at / PAGE_SIZE, version)
  }
}

/** Repeats until the time is over. */
function repeat(timeMs: number, countMax: number, work: () => void): Rate {
  const started = performance.now()
  let count = 0
  do {
    work()
    count++
  } while (performance.now() - started < timeMs && count < countMax)
  return { perSecond: perSecond(count, started), count }
}

function perSecond(count: number, started: number): number {
  return (count * 1000) / (performance.now() - started)
}

export const JOBS = {
  writeAll,
  readHot,
  readCold,
  verify,
  commitPages,
  appendPages,
  replaceFile,
  handleFiles,
  readEvery,
  remove,
  prepareDatabase,
  updateRows,
  makeAtomicFiles,
  commitFiles,
  commitRows,
  makeEmptyFiles,
  removeEmptyFiles,
  lookUpFiles,
  listFolder,
  untar,
  roundTrips,
} as const

export type Jobs = typeof JOBS
