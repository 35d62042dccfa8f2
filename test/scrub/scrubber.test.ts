import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type DeviceImage, MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { ROOT_INO } from '../../src/store/inode.ts'
import { inodeKey, leafKey } from '../../src/store/keys.ts'
import { flip } from '../check/damage-cases.ts'
import * as edit from '../check/edit-image.ts'
import { type PopulatedImage, closedVolume, killedVolume } from '../check/populated.ts'
import { Random, testSeed } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { scrubAll, scrubberOf } from './scrubbed.ts'

async function scrubOf(image: DeviceImage, readOnly = false) {
  const device = new MemoryDevice(image)
  const opened = await v.openTestFilesystem(device, { readOnly })
  const status = await scrubAll(scrubberOf(device, opened.volume))
  return { device, ...opened, status }
}

const inoOf = ({ inos }: PopulatedImage, name: string): number => inos.get(name) ?? 0

describe('a scrub', () => {
  test('finds nothing in a volume that is whole, and reads all of it', async () => {
    for (const volume of [await closedVolume(), await killedVolume()]) {
      const { status } = await scrubOf(volume.image)
      assert.deepEqual(status.findings, [])
      assert.ok(status.doneBytes > 3 * 1024 * 1024)
    }
  })

  test('finds a damaged block with its path and offset, and leaves it as it is', async () => {
    const populated = await closedVolume()
    const ino = inoOf(populated, 'large')
    const block = edit.leafIn(populated.image, ino).block(3)
    const image = edit.withBlock(populated.image, 'blocks', block, flip)
    const { status } = await scrubOf(image)
    const what = `block ${block} does not have the content that was stored`
    const place = { offset: 12_288, what, mended: false }
    assert.deepEqual(status.findings, [
      { ino, path: '/directory/large', ...place },
      { ino: inoOf(populated, 'clone'), path: '/clone', ...place },
    ])
    assert.equal(status.mendedCount, 0)
  })

  test('reads what no checkpoint has stored yet, too', async () => {
    const { device, fs, volume } = await v.freshFilesystem()
    const { ino, fh } = await v.createFile(fs, v.ROOT, 'new')
    for (let i = 0; i < 8; i++) {
      await fs.write(fh, v.writeRequest(i << 20, Buffer.alloc(1 << 20, i + 1)))
    }
    await fs.fsync(fh)
    assert.equal(device.index.get(leafKey(ino, 0, 5)), undefined)
    const scrubber = scrubberOf(device, volume)
    const { doneBytes, findings } = await scrubAll(scrubber)
    assert.deepEqual(findings, [])
    assert.ok(doneBytes > 7 << 20)
    const block = volume.engine.store.maps.get(ino, 0).block(350)
    device.blocks.write(block, Buffer.alloc(4096, 99))
    assert.deepEqual(
      (await scrubAll(scrubber)).findings.map(({ path, offset }) => ({ path, offset })),
      [{ path: '/new', offset: 350 * 4096 }],
    )
  })

  test('finds damaged values of the index, and maps that have lost a part', async () => {
    const populated = await closedVolume()
    const small = inoOf(populated, 'small')
    const large = inoOf(populated, 'large')
    const lost = edit.withValue(populated.image, leafKey(large, 0, 5), () => undefined)
    const image = edit.withValue(lost, inodeKey(small), flip)
    const { status } = await scrubOf(image)
    assert.deepEqual(
      status.findings.map(({ path, what, mended }) => ({ path, what, mended })),
      [
        { path: '/small', what: 'its inode record is damaged', mended: false },
        { path: '/directory/large', what: 'its map has lost a part', mended: false },
      ],
    )
  })

  test('writes one copy of the superblock again from the other', async () => {
    const { image } = await closedVolume()
    for (const copy of [0, 1] as const) {
      const { device, status } = await scrubOf(edit.withSuperblock(image, [copy], flip))
      assert.deepEqual(status.findings, [
        {
          file: 'blocks',
          offset: copy * 4096,
          what: `copy ${copy} of the superblock is damaged`,
          mended: true,
        },
      ])
      assert.deepEqual(device.readSuperblock(copy), Uint8Array.from(image.superblocks[copy]))
    }
  })

  test('mends nothing of a volume that is read-only', async () => {
    const { image } = await closedVolume()
    const damaged = edit.withSuperblock(image, [1], flip)
    const { device, status } = await scrubOf(damaged, true)
    assert.deepEqual(
      status.findings.map(({ mended }) => mended),
      [false],
    )
    assert.deepEqual(device.image(), damaged)
  })

  test('mends the ring by a checkpoint', async () => {
    const { device, fs, volume } = await v.freshFilesystem()
    await fs.makeDirectory(v.ROOT, 'a', 0o755, v.CALLER)
    await fs.fsyncDirectory()
    const { tail, head } = volume.engine.journal.live
    assert.ok(head > tail)
    const block = Buffer.alloc(4096)
    device.ring.read(tail, block)
    device.ring.write(tail, flip(block))
    const status = await scrubAll(scrubberOf(device, volume))
    assert.deepEqual(
      status.findings.map(({ what, mended }) => ({ what: what.slice(0, 7), mended })),
      [{ what: 'commit ', mended: true }],
    )
    const { fs: after } = await v.openTestFilesystem(new MemoryDevice(device.image()))
    assert.ok(after.lookup(v.ROOT, 'a') !== undefined)
  })

  test('is refused while one runs, and can be stopped and begun again', async () => {
    const { image } = await closedVolume()
    const device = new MemoryDevice(image)
    const { volume } = await v.openTestFilesystem(device)
    const scrubber = scrubberOf(device, volume)
    scrubber.start()
    assert.ok(await scrubber.step())
    assert.throws(() => {
      scrubber.start()
    }, /is running/)
    scrubber.stop()
    assert.equal(await scrubber.step(), false)
    assert.equal(scrubber.status.state, 'stopped')
    assert.deepEqual((await scrubAll(scrubber)).findings, [])
  })
})

const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1')

async function controlled() {
  const device = new MemoryDevice((await closedVolume()).image)
  const { volume } = await v.openTestFilesystem(device)
  const scrubber = scrubberOf(device, volume)
  const { fs } = await v.openTestFilesystem(new MemoryDevice(device.image()), { scrubber })
  const set = (value: string, uid = 0, ino = ROOT_INO) =>
    fs.setXattr(ino, 'user.atomic.scrub', Buffer.from(value), 0, { caller: { ...v.CALLER, uid } })
  return { scrubber, fs, set }
}

describe('user.atomic.scrub', () => {
  test('of the root starts and stops, and tells how far it is', async () => {
    const { scrubber, fs, set } = await controlled()
    const get = async () => text(await fs.getXattr(ROOT_INO, 'user.atomic.scrub'))
    assert.match(await get(), /^state=idle\ndone_bytes=0\ntotal_bytes=0\n/)
    await set('start rate=2000000')
    assert.match(await get(), /^state=running\n(.*\n)*rate_bytes=2000000\n/)
    await assert.rejects(async () => set('start'), { code: 'EBUSY' })
    await set('stop')
    await scrubber.step()
    assert.match(await get(), /^state=stopped\n/)
    await assert.rejects(async () => set('go'), { code: 'EINVAL' })
    await assert.rejects(async () => set('start rate=1'), { code: 'EINVAL' })
    await assert.rejects(async () => set('stop rate=2000000'), { code: 'EINVAL' })
  })

  test('belongs to the root, and to those who own the volume', async () => {
    const { fs, set } = await controlled()
    await assert.rejects(async () => set('start', 12_345), { code: 'EPERM' })
    const { ino } = await v.createFile(fs, v.ROOT, 'file')
    await assert.rejects(async () => set('start', 0, ino), { code: 'ENODATA' })
    await assert.rejects(async () => fs.getXattr(ino, 'user.atomic.scrub'), { code: 'ENODATA' })
    assert.deepEqual(await fs.listXattr(ROOT_INO), [])
  })
})

test('a scrub finds nothing while files change under it', async (context) => {
  const random = new Random(testSeed())
  context.diagnostic(`seed ${random.seed}`)
  const device = new MemoryDevice(emptyImage(1024))
  await v.makeTestVolume(device)
  const { fs, volume } = await v.openTestFilesystem(device)
  const scrubber = scrubberOf(device, volume)
  const files = await Promise.all(
    Array.from({ length: 12 }, async (_, i) => v.createFile(fs, v.ROOT, `file ${i}`)),
  )
  const change = async (): Promise<void> => {
    const { ino, fh } = random.pick(files)
    const choice = random.int(10)
    if (choice === 0) await fs.setAttributes(ino, { size: random.int(300) * 4096 })
    else if (choice === 1) await volume.engine.checkpointer.run()
    else if (choice < 4) await fs.fsync(fh)
    else {
      const data = Buffer.alloc((1 + random.int(90)) * 4096, random.int(256))
      await fs.write(fh, v.writeRequest(random.int(300) * 4096, data))
    }
  }
  for (let i = 0; i < 300; i++) await change()
  scrubber.start()
  let roundCount = 0
  for (let i = 0; i < 2500; i++) {
    await Promise.all([scrubber.step(), random.oneIn(2) ? change() : undefined])
    if (scrubber.status.state !== 'finished') continue
    roundCount++
    assert.deepEqual(scrubber.status.findings, [])
    scrubber.start()
  }
  assert.deepEqual(scrubber.status.findings, [])
  assert.ok(roundCount > 5, String(roundCount))
})
