/**
 * Whole transfers to and from files: a short one is continued, and one that makes no progress is an
 * error. These throw what Node throws; the caller knows the names for the message.
 */
import {
  close,
  fdatasync,
  fsyncSync,
  closeSync,
  openSync,
  read,
  readSync,
  write,
  writeSync,
} from 'node:fs'
import { promisify } from 'node:util'
import { BLOCK_SIZE } from './device.ts'

export const fdatasyncAsync = promisify(fdatasync)
export const closeAsync = promisify(close)

export function readAll(fd: number, target: Uint8Array, position: number): void {
  for (let at = 0; at < target.length;) {
    at += progress(readSync(fd, target, at, target.length - at, position + at), 'read')
  }
}

export async function readAllAsync(
  fd: number,
  target: Uint8Array,
  position: number,
): Promise<void> {
  for (let at = 0; at < target.length;) {
    at += progress(await readSome(fd, target, at, position + at), 'read')
  }
}

export function writeAll(fd: number, data: Uint8Array, position: number): void {
  for (let at = 0; at < data.length;) {
    at += progress(writeSync(fd, data, at, data.length - at, position + at), 'write')
  }
}

/** Continues a short write at a block, for direct I/O needs the alignment. */
export async function writeAllAsync(fd: number, data: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < data.length;) {
    const written = await writeSome(fd, data, at, position + at)
    at += progress(written - (written % BLOCK_SIZE), 'write')
  }
}

function progress(lengthBytes: number, what: string): number {
  if (lengthBytes === 0) throw new Error(`the ${what} made no progress`)
  return lengthBytes
}

function readSome(fd: number, target: Uint8Array, at: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, at, target.length - at, position, (error, lengthBytes) => {
      if (error === null) resolve(lengthBytes)
      else reject(error)
    })
  })
}

function writeSome(fd: number, data: Uint8Array, at: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, data, at, data.length - at, position, (error, lengthBytes) => {
      if (error === null) resolve(lengthBytes)
      else reject(error)
    })
  })
}

/** Makes a file or the names in a folder durable. */
export function syncPath(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
