/** Reads a folder of the host into the shape of the model, and writes a state of one out. */
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { FolderState } from './folder-cuts.ts'
import { SparseFile } from './sparse-file.ts'

const CHUNK_BYTES = 1024 * 1024

/** Requires: nothing changes meanwhile. */
export function readFolder(root: string): FolderState {
  const state = new Map<string, SparseFile | undefined>([['', undefined]])
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const path = join(root, name)
    state.set(`/${name}`, lstatSync(path).isDirectory() ? undefined : readFile(path))
  }
  return state
}

function readFile(path: string): SparseFile {
  const file = new SparseFile()
  const fd = openSync(path, 'r')
  const chunk = Buffer.alloc(CHUNK_BYTES)
  const zeros = Buffer.alloc(CHUNK_BYTES)
  for (let at = 0; ;) {
    const count = readSync(fd, chunk, 0, CHUNK_BYTES, at)
    if (count === 0) break
    const data = chunk.subarray(0, count)
    if (!data.equals(zeros.subarray(0, count))) file.write(at, data)
    at += count
    file.resize(at)
  }
  closeSync(fd)
  return file
}

/** Makes a folder that does not exist yet. */
export function writeFolder(root: string, state: FolderState): void {
  for (const path of [...state.keys()].toSorted()) {
    const file = state.get(path)
    if (file === undefined) mkdirSync(root + path)
    else writeFile(root + path, file)
  }
}

function writeFile(path: string, file: SparseFile): void {
  const fd = openSync(path, 'wx')
  ftruncateSync(fd, file.size)
  for (const [offset, data] of file.pieces()) writeSync(fd, data, 0, data.length, offset)
  closeSync(fd)
}
