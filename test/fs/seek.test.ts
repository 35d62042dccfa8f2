import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random, testSeed } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, refuses } from './fixture.ts'

const SEEK_DATA = 3
const SEEK_HOLE = 4

test(
  'seek() finds content and holes as a reference does, staged or published',
  TIMEOUT,
  async (t) => {
    const random = new Random(testSeed())
    t.diagnostic(`seed ${random.seed}`)
    const { fs } = await v.freshFilesystem()
    const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
    const blockCount = 500
    await fs.setAttributes(ino, { size: blockCount * 4096, fh })
    const isData = Array<boolean>(blockCount).fill(false)
    for (let step = 0; step < 40; step++) {
      const first = random.int(blockCount)
      const count = Math.min(blockCount - first, 1 + random.int(30))
      const punches = random.oneIn(3)
      if (punches) await fs.allocate(fh, 3, first * 4096, count * 4096)
      else await fs.write(fh, v.writeRequest(first * 4096, random.bytes(count * 4096)))
      isData.fill(!punches, first, first + count)
      if (random.oneIn(3)) await fs.fsync(fh)
      const from = random.int(blockCount * 4096)
      const next = (wanted: boolean) =>
        isData.findIndex((value, i) => i >= Math.floor(from / 4096) && value === wanted)
      const data = next(true)
      if (data < 0) await refuses('ENXIO', () => fs.seek(fh, from, SEEK_DATA))
      else assert.equal(await fs.seek(fh, from, SEEK_DATA), Math.max(from, data * 4096))
      const hole = next(false)
      const expected = hole < 0 ? blockCount * 4096 : Math.max(from, hole * 4096)
      assert.equal(await fs.seek(fh, from, SEEK_HOLE), expected)
    }
  },
)

test('seek() at the end finds nothing; it knows two ways only', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { fh } = await v.createFile(fs, v.ROOT, 'a')
  await refuses('ENXIO', () => fs.seek(fh, 0, SEEK_DATA))
  await refuses('ENXIO', () => fs.seek(fh, 0, SEEK_HOLE))
  await fs.write(fh, v.writeRequest(0, Buffer.from('12345')))
  assert.equal(await fs.seek(fh, 2, SEEK_DATA), 2)
  assert.equal(await fs.seek(fh, 2, SEEK_HOLE), 5)
  await refuses('ENXIO', () => fs.seek(fh, 5, SEEK_HOLE))
  await refuses('EINVAL', () => fs.seek(fh, 0, 0))
})

test('seek() in a sparse file of a terabyte goes by its leaves', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await fs.setAttributes(ino, { size: 2 ** 40, fh })
  await fs.write(fh, v.writeRequest(2 ** 39, Buffer.from('x')))
  for (const published of [false, true]) {
    if (published) await fs.fsync(fh)
    assert.equal(await fs.seek(fh, 0, SEEK_DATA), 2 ** 39)
    assert.equal(await fs.seek(fh, 2 ** 39, SEEK_HOLE), 2 ** 39 + 4096)
    await refuses('ENXIO', () => fs.seek(fh, 2 ** 39 + 4096, SEEK_DATA))
  }
})
