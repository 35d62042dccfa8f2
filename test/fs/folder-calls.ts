/** Folder transactions, as `oatomic run` asks for them. */
import assert from 'node:assert/strict'
import { FOLDER_COMMIT, FOLDER_COPY } from '../../src/fs/folder-ioctl.ts'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import type { Caller } from '../../src/fs/operations.ts'
import * as v from '../support/volume.ts'

export interface Begun {
  readonly fh: number
  readonly folder: number
  /** The root of the copy. */
  readonly copy: number
  readonly secret: string
}

export function call(
  fs: Filesystem,
  fh: number,
  ino: number,
  command: number,
  caller: Caller = v.CALLER,
): Promise<Uint8Array> {
  const request = { ino, fh, isDirectory: true, command, input: new Uint8Array(0) }
  return Promise.resolve(fs.ioctl(request, caller))
}

/** Copies a folder; the kernel knows it, and the copy. */
export async function begin(
  fs: Filesystem,
  folder: number,
  caller: Caller = v.CALLER,
): Promise<Begun> {
  const fh = fs.openDirectory(folder)
  try {
    for (;;) {
      const answer = Buffer.from(await call(fs, fh, folder, FOLDER_COPY, caller))
      if (answer.readUInt32LE(0) === 0) continue
      const secret = answer.toString('latin1', 8, 8 + answer.readUInt32LE(4))
      return { fh, folder, secret, copy: await copyBehind(fs, folder, secret) }
    }
  } catch (error) {
    fs.releaseDirectory(fh)
    throw error
  }
}

async function copyBehind(fs: Filesystem, folder: number, secret: string): Promise<number> {
  const hidden = fs.lookup(folder, secret)
  assert.ok(hidden !== undefined, 'the secret name leads somewhere')
  const copy = fs.lookup(hidden.ino, 'tree')
  assert.ok(copy !== undefined)
  fs.forget(hidden.ino, 1)
  fs.forget(copy.ino, 1)
  return copy.ino
}

export async function commit(fs: Filesystem, { fh, folder }: Begun): Promise<void> {
  try {
    await call(fs, fh, folder, FOLDER_COMMIT)
  } finally {
    fs.releaseDirectory(fh)
  }
}

export function abandon(fs: Filesystem, { fh }: Begun): void {
  fs.releaseDirectory(fh)
}
