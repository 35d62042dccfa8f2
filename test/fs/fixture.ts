/** What the tests of this folder share: expected errors, and calls as a program would make them. */
import assert from 'node:assert/strict'
import { type ErrnoCode, FsError } from '../../src/errors.ts'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import type { Attributes, RenameRequest } from '../../src/fs/operations.ts'
import * as v from '../support/volume.ts'

export const TIMEOUT = { timeout: 20_000 } as const

/** Expects an operation to be refused with an errno, and not by any other error. */
export async function refuses(code: ErrnoCode, work: () => unknown): Promise<void> {
  await assert.rejects(
    async () => {
      await work()
    },
    (error: unknown) => {
      assert.ok(error instanceof FsError, String(error))
      assert.equal(error.code, code, error.message)
      return true
    },
  )
}

/** Makes a file with published content; returns its inode. */
export async function fileWith(
  fs: Filesystem,
  name: string,
  content: string | Uint8Array,
  parent = v.ROOT,
): Promise<number> {
  const { ino, fh } = await v.createFile(fs, parent, name)
  if (content.length > 0) await fs.write(fh, v.writeRequest(0, Buffer.from(content)))
  await close(fs, fh)
  return ino
}

export async function directory(fs: Filesystem, name: string, parent = v.ROOT): Promise<number> {
  return (await fs.makeDirectory(parent, name, 0o755, v.CALLER)).ino
}

/** A clean close of the last descriptor of a handle. */
export async function close(fs: Filesystem, fh: number, pid = 1): Promise<void> {
  await fs.flush(fh, { ...v.CALLER, pid })
  await fs.release(fh)
}

export async function openFile(fs: Filesystem, ino: number, flags = v.O_RDWR, pid = 1) {
  return (await fs.open(ino, flags, { ...v.CALLER, pid })).fh
}

export async function writeText(fs: Filesystem, fh: number, data: string, at = 0): Promise<void> {
  assert.equal(await fs.write(fh, v.writeRequest(at, Buffer.from(data))), data.length)
}

export async function text(fs: Filesystem, ino: number): Promise<string> {
  return (await v.contentOf(fs, ino)).toString('latin1')
}

export async function stat(fs: Filesystem, ino: number): Promise<Attributes> {
  return fs.getAttributes(ino)
}

export async function setXattr(fs: Filesystem, ino: number, name: string, value: string) {
  await fs.setXattr(ino, name, Buffer.from(value), 0)
}

export async function getXattr(fs: Filesystem, ino: number, name: string): Promise<string> {
  return Buffer.from(await fs.getXattr(ino, name)).toString('latin1')
}

export async function isStaged(fs: Filesystem, ino: number): Promise<boolean> {
  return (await getXattr(fs, ino, 'user.atomic.state')).startsWith('state=staged\n')
}

export function renameRequest(
  name: string,
  newName: string,
  more: Partial<RenameRequest> = {},
): RenameRequest {
  const places = { parent: v.ROOT, newParent: v.ROOT }
  return { ...places, name, newName, noReplace: false, exchange: false, ...more }
}

/** Names in a directory, without `.` and `..`, in the order of the listing. */
export async function namesIn(fs: Filesystem, ino: number): Promise<string[]> {
  const fh = fs.openDirectory(ino)
  const names = [...(await fs.readDirectory(fh, 0))].map(({ name }) => name)
  fs.releaseDirectory(fh)
  assert.deepEqual(names.slice(0, 2), ['.', '..'])
  return names.slice(2)
}
