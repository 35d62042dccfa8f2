import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from '../support/volume.ts'
import { TIMEOUT, directory, fileWith, namesIn, refuses, renameRequest } from './fixture.ts'

async function listFrom(fs: v.TestFilesystem['fs'], fh: number, offset: number) {
  return [...(await fs.readDirectory(fh, offset))]
}

test('a listing goes on from any of its offsets', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  for (let i = 0; i < 20; i++) await fileWith(fs, `f${i}`, '')
  const fh = fs.openDirectory(v.ROOT)
  const all = await listFrom(fs, fh, 0)
  assert.equal(all.length, 22)
  for (const [i, { nextOffset }] of all.entries()) {
    assert.deepEqual(await listFrom(fs, fh, nextOffset), all.slice(i + 1))
  }
})

test('a listing shows once what stays, while entries come and go', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  for (let i = 0; i < 10; i++) await fileWith(fs, `stays${i}`, '')
  const fh = fs.openDirectory(v.ROOT)
  const seen: string[] = []
  let offset = 0
  for (let step = 0; ; step++) {
    const [next] = await listFrom(fs, fh, offset)
    if (next === undefined) break
    seen.push(next.name)
    offset = next.nextOffset
    await fileWith(fs, `comes${step}`, '')
    if (step % 2 === 1) await fs.unlink(v.ROOT, `comes${step - 1}`)
  }
  const stayed = seen.filter((name) => name.startsWith('stays'))
  assert.deepEqual(
    stayed,
    Array.from({ length: 10 }, (_, i) => `stays${i}`),
  )
})

test('a listing goes on in another one, past entries that are gone', TIMEOUT, async () => {
  const { fs, device } = await v.freshFilesystem()
  for (const name of ['a', 'b', 'c', 'd']) await fileWith(fs, name, '')
  const all = await listFrom(fs, fs.openDirectory(v.ROOT), 0)
  const behindB = all.find(({ name }) => name === 'b')?.nextOffset ?? 0
  await fs.unlink(v.ROOT, 'b')
  await fs.unlink(v.ROOT, 'c')
  await fileWith(fs, 'e', '')
  await fs.finish()
  const { fs: again } = await v.openTestFilesystem(device)
  const rest = await listFrom(again, again.openDirectory(v.ROOT), behindB)
  assert.deepEqual(
    rest.map(({ name }) => name),
    ['d', 'e'],
  )
})

test('rewinding shows what has changed', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  await fileWith(fs, 'a', '')
  const fh = fs.openDirectory(v.ROOT)
  await listFrom(fs, fh, 0)
  await fileWith(fs, 'b', '')
  const names = (await listFrom(fs, fh, 0)).map(({ name }) => name)
  assert.deepEqual(names, ['.', '..', 'a', 'b'])
})

test('an offset is never given twice in one directory', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const offsets = new Set<number>()
  for (let i = 0; i < 10; i++) {
    await fileWith(fs, 'same', '')
    const [entry] = (await listFrom(fs, fs.openDirectory(v.ROOT), 0)).slice(2)
    assert.ok(entry !== undefined && !offsets.has(entry.nextOffset))
    offsets.add(entry.nextOffset)
    await fs.unlink(v.ROOT, 'same')
  }
})

test('entries have the type and number of what they lead to', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const folder = await directory(fs, 'folder')
  const inner = await directory(fs, 'inner', folder)
  await fs.makeSymlink(folder, 'link', Buffer.from('x'), v.CALLER)
  await fs.makeNode(folder, 'fifo', 0o010644, 0, v.CALLER)
  const entries = await listFrom(fs, fs.openDirectory(folder), 0)
  assert.deepEqual(
    entries.map(({ name, type }) => [name, type]),
    [['.', 0o040000], ['..', 0o040000], ['inner', 0o040000], ['link', 0o120000], ['fifo', 0o010000]], // prettier-ignore
  )
  assert.deepEqual(
    entries.slice(0, 3).map(({ ino }) => ino),
    [folder, v.ROOT, inner],
  )
})

test('a removed directory is empty, a file is none', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const folder = await directory(fs, 'folder')
  await fs.removeDirectory(v.ROOT, 'folder')
  assert.deepEqual(await namesIn(fs, folder), [])
  const file = await fileWith(fs, 'file', '')
  await refuses('ENOTDIR', () => fs.openDirectory(file))
  const fh = fs.openDirectory(v.ROOT)
  fs.releaseDirectory(fh)
  await refuses('EBADF', () => fs.readDirectory(fh, 0))
})

test('a renamed entry is listed at its new place', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  for (const name of ['a', 'b', 'c']) await fileWith(fs, name, '')
  await fs.rename(renameRequest('a', 'z'))
  assert.deepEqual(await namesIn(fs, v.ROOT), ['b', 'c', 'z'])
})

test('a listing does not show what was removed or replaced since it began', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  for (const name of ['a', 'b', 'c', 'd']) await fileWith(fs, name, name)
  const fh = fs.openDirectory(v.ROOT)
  const begun = [...(await fs.readDirectory(fh, 0))]
  const first = begun.find(({ name }) => name === 'a')
  await fs.unlink(v.ROOT, 'b')
  await fs.rename(renameRequest('d', 'c'))
  const rest = [...(await fs.readDirectory(fh, first?.nextOffset ?? 0))]
  assert.deepEqual(
    rest.map(({ name }) => name),
    [],
  )
  assert.deepEqual(await namesIn(fs, v.ROOT), ['a', 'c'])
})

test('a listing looks up what was touched, and nothing else', { timeout: 60_000 }, async () => {
  const count = 20_000
  const { fs } = await v.freshFilesystem()
  for (let i = 0; i < count; i++) {
    fs.forget((await fs.makeNode(v.ROOT, `f${i}`, 0o100644, 0, v.CALLER)).ino, 1)
  }
  await fs.writeBack()
  const { metadata } = fs.context.engine.store
  const get = metadata.get.bind(metadata)
  let lookups = 0
  metadata.get = (key) => {
    lookups++
    return get(key)
  }
  const fh = fs.openDirectory(v.ROOT)
  let listed = 0
  for (let offset = 0, isOver = false; !isOver;) {
    let taken = 0
    for (const { nextOffset } of await fs.readDirectory(fh, offset)) {
      offset = nextOffset
      if (++taken === 100) break
    }
    listed += taken
    isOver = taken === 0
    if (listed === count / 2) await fs.unlink(v.ROOT, `f${count - 1}`)
  }
  assert.equal(listed, count + 1)
  assert.ok(lookups < 20, `${lookups} look-ups`)
})

test(
  'a listing shows what took the place of another entry only if it is the same',
  TIMEOUT,
  async () => {
    const { fs } = await v.freshFilesystem()
    for (const name of ['a', 'b', 'c', 'd', 'e']) await fileWith(fs, name, '')
    const fh = fs.openDirectory(v.ROOT)
    await listFrom(fs, fh, 0)
    await fs.rename(renameRequest('a', 'b'))
    await fs.rename(renameRequest('c', 'd', { exchange: true }))
    await fs.unlink(v.ROOT, 'e')
    await fileWith(fs, 'e', '')
    const names = (await listFrom(fs, fh, 2)).map(({ name }) => name)
    assert.deepEqual(names, [], 'all of them lead elsewhere')
    const again = (await listFrom(fs, fh, 0)).map(({ name }) => name)
    assert.deepEqual(again.slice(2), ['c', 'd', 'b', 'e'])
  },
)
