import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DirectoryEntry } from '../../src/fs/operations.ts'
import * as v from '../support/volume.ts'
import { close, directory, openFile } from './fixture.ts'

const TEST = { timeout: 60_000 }

/** More inodes than are kept in memory. */
const COUNT = 40_000

const FEWER = 5000

/** LARGEFILE, as programs have it. */
const O_RDONLY = 0o100_000

async function folderOfMany(fs: v.TestFilesystem['fs'], count: number): Promise<number[]> {
  const folder = await directory(fs, 'folder')
  const inos: number[] = []
  for (let i = 0; i < count; i++) {
    const { ino } = await fs.makeNode(folder, `f${i}`, 0o100600, 0, { ...v.CALLER, uid: i })
    inos.push(ino)
  }
  return [folder, ...inos]
}

async function listFrom(fs: v.TestFilesystem['fs'], fh: number, offset: number) {
  return [...(await fs.readDirectory(fh, offset))]
}

const isFile = ({ name }: DirectoryEntry): boolean => name !== '.' && name !== '..'

test('each of very many files is found as it was made, known all at once', TEST, async () => {
  const { fs } = await v.freshFilesystem()
  const [folder = 0, ...inos] = await folderOfMany(fs, COUNT)
  for (const [i, ino] of inos.entries()) {
    assert.equal((await fs.getAttributes(ino)).uid, i)
    if (i % 100 === 0) assert.equal(fs.lookup(folder, `f${i}`)?.ino, ino)
  }
})

test('a listing of very many goes on from any offset, while some go', TEST, async () => {
  const { fs } = await v.freshFilesystem()
  const [folder = 0] = await folderOfMany(fs, FEWER)
  const fh = fs.openDirectory(folder)
  const all = await listFrom(fs, fh, 0)
  assert.equal(all.length, FEWER + 2)
  assert.equal(new Set(all.map(({ name }) => name)).size, FEWER + 2)
  for (const at of [1, 2, 1000, FEWER - 1, FEWER + 1]) {
    assert.deepEqual(await listFrom(fs, fh, all[at]?.nextOffset ?? 0), all.slice(at + 1))
  }
  const files = all.filter(isFile)
  for (const { name } of files.filter((_, i) => i % 2 === 0)) await fs.unlink(folder, name)
  const left = files.filter((_, i) => i % 2 === 1)
  assert.deepEqual(await listFrom(fs, fh, all[1]?.nextOffset ?? 0), left)
  assert.deepEqual((await listFrom(fs, fs.openDirectory(folder), 0)).filter(isFile), left)
})

test('a time of access is not lost among very many other files', TEST, async () => {
  const { fs } = await v.freshFilesystem({ noAccessTimes: false })
  const [, read = 0, ...others] = await folderOfMany(fs, COUNT)
  const { atimeNs } = await fs.getAttributes(read)
  await close(fs, await openFile(fs, read, O_RDONLY))
  const touched = (await fs.getAttributes(read)).atimeNs
  assert.ok(touched > atimeNs)
  for (const ino of others) await fs.getAttributes(ino)
  assert.equal((await fs.getAttributes(read)).atimeNs, touched)
  await fs.writeBack()
  for (const ino of others) await fs.getAttributes(ino)
  assert.equal((await fs.getAttributes(read)).atimeNs, touched)
})

test('very many removed files are freed, with and without anything else', TEST, async () => {
  const { fs, device } = await v.freshFilesystem()
  const [folder = 0, ...inos] = await folderOfMany(fs, FEWER)
  const { freeCount } = fs.statistics()
  for (const [i, ino] of inos.slice(0, 2000).entries()) {
    if (i % 7 === 0) await fs.setXattr(ino, 'user.note', Buffer.from('x'), 0)
    if (i % 11 !== 0) continue
    const fh = await openFile(fs, ino)
    await fs.write(fh, v.writeRequest(0, Buffer.alloc(5000, i)))
    await fs.fsync(fh)
    await close(fs, fh)
  }
  for (const [i, ino] of inos.entries()) {
    await fs.unlink(folder, `f${i}`)
    fs.forget(ino, 1)
  }
  await fs.context.reaper.drain()
  for (const ino of inos) assert.equal(fs.context.engine.inodes.find(ino), undefined)
  await fs.context.engine.checkpointer.run()
  assert.equal(fs.statistics().freeCount, freeCount)
  await fs.finish()
  const { volume } = await v.openTestFilesystem(device)
  assert.deepEqual(volume.orphans, [])
})
