/** Uses a volume as programs would: reads all that there is, then changes some of it. */
import type { Filesystem } from '../../../src/fs/filesystem.ts'
import * as v from '../../support/volume.ts'
import { inTurns } from '../kit/settle.ts'
import { refusableLater } from '../kit/target.ts'

const ENTRIES_MAX = 200
const READ_BYTES = 200_000

/** One call, which may be refused but must end. */
async function use<Value>(
  what: string,
  work: () => Value | Promise<Value>,
): Promise<Value | undefined> {
  return inTurns(
    what,
    refusableLater(async () => work()),
  )
}

export interface Seen {
  readonly ino: number
  readonly parent: number
  readonly name: string
  readonly mode: number
}

/** Everything that is reached from the root, as far as it can be read. */
export async function readAll(fs: Filesystem): Promise<Seen[]> {
  const seen: Seen[] = []
  const visited = new Set<number>()
  const pending = [v.ROOT]
  while (seen.length < ENTRIES_MAX) {
    const parent = pending.pop()
    if (parent === undefined) break
    if (visited.has(parent)) continue
    visited.add(parent)
    const fh = await use('opendir', () => fs.openDirectory(parent))
    if (fh === undefined) continue
    for (const { name } of (await use('readdir', () => fs.readDirectory(fh, 0))) ?? []) {
      const found = await use('lookup', () => fs.lookup(parent, name))
      if (found === undefined) continue
      seen.push({ ino: found.ino, parent, name, mode: found.mode })
      if ((found.mode & 0o170000) === 0o040000) pending.push(found.ino)
      await readOne(fs, found.ino, found.size)
    }
    fs.releaseDirectory(fh)
  }
  return seen
}

async function readOne(fs: Filesystem, ino: number, size: number): Promise<void> {
  await use('readlink', () => fs.readLink(ino))
  const names = await use('listxattr', () => fs.listXattr(ino))
  for (const name of names?.slice(0, 10) ?? []) await use('getxattr', () => fs.getXattr(ino, name))
  const opened = await use('open', () => fs.open(ino, 0, v.CALLER))
  if (opened === undefined) return
  await use('read', () => fs.read(opened.fh, 0, READ_BYTES))
  await use('read', () => fs.read(opened.fh, Math.max(0, size - 5000), READ_BYTES))
  await use('release', () => fs.release(opened.fh))
}

/** Changes files of the list, but no others. */
export async function changeSome(fs: Filesystem, seen: readonly Seen[]): Promise<void> {
  for (const { ino, parent, name, mode } of seen) {
    if ((mode & 0o170000) === 0o100000) await changeFile(fs, ino)
    await use('setxattr', () => fs.setXattr(ino, 'user.new', Buffer.from('x'), 0))
    await use('link', () => fs.link(ino, v.ROOT, `link to ${ino}`))
    const request = { parent, name, newParent: v.ROOT, newName: `moved ${ino}` }
    await use('rename', () => fs.rename({ ...request, noReplace: false, exchange: false }))
  }
  await use('mkdir', () => fs.makeDirectory(v.ROOT, 'new directory', 0o755, v.CALLER))
  await use('create', () => v.createFile(fs, v.ROOT, 'new file'))
  for (const { ino } of seen) {
    await use('unlink', () => fs.unlink(v.ROOT, `moved ${ino}`))
    await use('rmdir', () => fs.removeDirectory(v.ROOT, `moved ${ino}`))
  }
}

async function changeFile(fs: Filesystem, ino: number): Promise<void> {
  const opened = await use('open', () => fs.open(ino, v.O_RDWR, v.CALLER))
  if (opened === undefined) return
  const { fh } = opened
  const write = (offset: number, length: number) =>
    use('write', () => fs.write(fh, v.writeRequest(offset, Buffer.alloc(length, 9))))
  await write(10, 20)
  await write(4096, 20_000)
  await use('fsync', () => fs.fsync(fh))
  await use('truncate', () => fs.setAttributes(ino, { size: 5000, fh }))
  await use('fallocate', () => fs.allocate(fh, 3, 0, 4096))
  await use('fsync', () => fs.fsync(fh))
  await use('fsync', () => fs.fsync(fh))
  await write(0, 100)
  await use('release', () => fs.release(fh))
}
