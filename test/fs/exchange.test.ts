import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkVolume } from '../../src/check/check-volume.ts'
import { type DeviceImage, MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { RepairReport } from '../../src/repair/report.ts'
import { repairStructure } from '../../src/repair/repair-structure.ts'
import { MARKER_KEY } from '../../src/store/keys.ts'
import { structureFaults } from '../crash/structure.ts'
import {
  COMMIT_RANGE,
  EXCHANGE_RANGE,
  type ExchangeArgument,
  FLAG,
  START_COMMIT,
  encodeExchange,
} from '../support/exchange.ts'
import { Random, testSeed } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, close, directory, fileWith, refuses, setXattr, stat } from './fixture.ts'

const BLOCK = 4096
const FIRST = 7

type Opened = v.TestFilesystem

interface File {
  readonly ino: number
  readonly fh: number
}

type Range = Omit<ExchangeArgument, 'descriptor'>

async function fileOf(fs: Opened['fs'], name: string, content: Uint8Array): Promise<File> {
  const file = await v.createFile(fs, v.ROOT, name)
  if (content.length > 0) await fs.write(file.fh, v.writeRequest(0, content))
  return file
}

const content = (seed: number, length: number) => Buffer.from(new Random(seed).bytes(length))

/** The ioctl, with `first` as the caller's descriptor 7. */
async function exchange(
  { fs, processes }: Opened,
  first: File,
  second: File,
  range: Range,
): Promise<void> {
  processes.descriptors.set(FIRST, { ino: first.ino, flags: v.O_RDWR })
  await ioctl(fs, second, EXCHANGE_RANGE, encodeExchange({ descriptor: FIRST, ...range }))
}

async function ioctl(fs: Opened['fs'], { ino, fh }: File, command: number, input: Uint8Array) {
  const request = { ino, fh, isDirectory: false, command, input, address: 0n }
  return Buffer.from(await fs.ioctl(request, v.CALLER))
}

/** Every invariant holds, of what a kill leaves and of what the next mount makes of it. */
async function assertSound(image: DeviceImage): Promise<void> {
  const { findings } = await checkVolume(new MemoryDevice(image), 'test', { data: true })
  assert.deepEqual(findings, [])
  const device = new MemoryDevice(image)
  const { fs } = await v.openTestFilesystem(device)
  await fs.finish()
  assert.deepEqual(structureFaults(device.image()), [])
}

const swapped = { flags: FLAG.TO_EOF }

test('ranges change places, with holes and what is staged', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, volume, device } = opened
  const before = [content(1, 20 * BLOCK), content(2, 30 * BLOCK)] as const
  const a = await fileOf(fs, 'a', before[0])
  const b = await fileOf(fs, 'b', before[1])
  await fs.allocate(b.fh, 3, 10 * BLOCK, 2 * BLOCK)
  before[1].fill(0, 10 * BLOCK, 12 * BLOCK)
  await fs.fsync(b.fh)
  await volume.engine.checkpointer.run()
  await setXattr(fs, a.ino, 'user.atomic', '1')
  await fs.write(a.fh, v.writeRequest(5000, Buffer.from('staged')))
  before[0].write('staged', 5000)
  const mapped = volume.engine.store.allocator.mappedCount
  await exchange(opened, a, b, { firstOffset: BLOCK, secondOffset: 9 * BLOCK, length: 5 * BLOCK })
  const [inA, inB] = [Buffer.from(before[0]), Buffer.from(before[1])]
  inA.set(before[1].subarray(9 * BLOCK, 14 * BLOCK), BLOCK)
  inB.set(before[0].subarray(BLOCK, 6 * BLOCK), 9 * BLOCK)
  assert.equal(volume.engine.store.allocator.mappedCount, mapped)
  for (const when of ['at once', 'after a replay', 'after a checkpoint']) {
    const image = device.image()
    const { fs: seen, volume: reopened } = await v.openTestFilesystem(new MemoryDevice(image))
    const now = when === 'at once' ? fs : seen
    assert.ok(inA.equals(await v.contentOf(now, a.ino)), when)
    assert.ok(inB.equals(await v.contentOf(now, b.ino)), when)
    assert.equal((await stat(now, b.ino)).sectors, 8 * 30, when)
    await assertSound(image)
    await reopened.engine.checkpointer.run()
    if (when === 'after a replay') await volume.engine.checkpointer.run()
  }
})

test('to the end of both, sizes change places too', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const [short, long] = [content(1, 3 * BLOCK + 5), content(2, 9 * BLOCK + 77)]
  const a = await fileOf(fs, 'a', short)
  const b = await fileOf(fs, 'b', long)
  await exchange(opened, a, b, swapped)
  assert.ok(long.equals(await v.contentOf(fs, a.ino)))
  assert.ok(short.equals(await v.contentOf(fs, b.ino)))
  await exchange(opened, a, b, { flags: FLAG.TO_EOF, firstOffset: 2 * BLOCK, secondOffset: BLOCK })
  const inA = Buffer.concat([long.subarray(0, 2 * BLOCK), short.subarray(BLOCK)])
  const inB = Buffer.concat([short.subarray(0, BLOCK), long.subarray(2 * BLOCK)])
  assert.ok(inA.equals(await v.contentOf(fs, a.ino)))
  assert.ok(inB.equals(await v.contentOf(fs, b.ino)))
  await assertSound(device.image())
})

test('within one file nothing is exchanged to the end', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const file = await fileOf(fs, 'a', content(1, 2 * BLOCK))
  for (const [firstOffset, secondOffset] of [
    [2 * BLOCK, BLOCK],
    [BLOCK, 2 * BLOCK],
  ] as const) {
    await refuses('EINVAL', async () =>
      exchange(opened, file, file, { ...swapped, firstOffset, secondOffset }),
    )
  }
  assert.ok(content(1, 2 * BLOCK).equals(await v.contentOf(fs, file.ino)))
  await assertSound(device.image())
})

test('FILE1_WRITTEN leaves out where the first file has holes', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const old = content(2, 200 * BLOCK + 9)
  const target = await fileOf(fs, 'target', old)
  const patch = await fileOf(fs, 'patch', Buffer.alloc(0))
  await fs.setAttributes(patch.ino, { size: old.length, fh: patch.fh })
  const expected = Buffer.from(old)
  for (const block of [3, 4, 90, 199]) {
    const part = content(block, BLOCK)
    await fs.write(patch.fh, v.writeRequest(block * BLOCK, part))
    expected.set(part, block * BLOCK)
  }
  await exchange(opened, patch, target, { flags: FLAG.TO_EOF | FLAG.FILE1_WRITTEN })
  assert.ok(expected.equals(await v.contentOf(fs, target.ino)))
  assert.equal((await stat(fs, patch.ino)).sectors, 4 * 8)
  // A shorter patch cuts the target; what is cut off goes to the patch.
  await fs.setAttributes(patch.ino, { size: 100 * BLOCK + 1, fh: patch.fh })
  await exchange(opened, patch, target, { flags: FLAG.TO_EOF | FLAG.FILE1_WRITTEN })
  assert.equal((await stat(fs, target.ino)).size, 100 * BLOCK + 1)
  assert.equal((await stat(fs, patch.ino)).size, old.length)
  await assertSound(device.image())
})

test('ranges of one file change places', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const bytes = content(1, 200 * BLOCK)
  const a = await fileOf(fs, 'a', bytes)
  await exchange(opened, a, a, {
    firstOffset: 3 * BLOCK,
    secondOffset: 70 * BLOCK,
    length: 67 * BLOCK,
  })
  const expected = Buffer.from(bytes)
  expected.set(bytes.subarray(70 * BLOCK, 137 * BLOCK), 3 * BLOCK)
  expected.set(bytes.subarray(3 * BLOCK, 70 * BLOCK), 70 * BLOCK)
  assert.ok(expected.equals(await v.contentOf(fs, a.ino)))
  const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.ok(expected.equals(await v.contentOf(again.fs, a.ino)))
  await assertSound(device.image())
})

test('a dry run and a range of nothing change nothing', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const a = await fileOf(fs, 'a', content(1, 2 * BLOCK))
  const b = await fileOf(fs, 'b', content(2, 2 * BLOCK))
  const before = await v.contentOf(fs, a.ino)
  await exchange(opened, a, b, { length: BLOCK, flags: FLAG.DRY_RUN })
  await exchange(opened, a, b, { length: 0 })
  assert.ok(before.equals(await v.contentOf(fs, a.ino)))
})

test('ranges that cannot be exchanged are refused as XFS does', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const a = await fileOf(fs, 'a', content(1, 10 * BLOCK + 10))
  const b = await fileOf(fs, 'b', content(2, 20 * BLOCK))
  const refused: readonly Range[] = [
    { length: BLOCK, padding: 1 },
    { length: BLOCK, flags: 16 },
    { length: BLOCK, flags: 1n << 63n },
    { length: BLOCK, firstOffset: 1n << 63n },
    { length: (1n << 64n) - 1n },
    { length: (1n << 63n) - 1n },
    { length: BLOCK, firstOffset: 100 },
    { length: BLOCK, secondOffset: 100 },
    { length: 100 },
    { length: 10 * BLOCK + 10 },
    { length: 11 * BLOCK },
    { length: BLOCK, firstOffset: 11 * BLOCK },
    { flags: FLAG.TO_EOF, firstOffset: 11 * BLOCK },
    { flags: FLAG.TO_EOF, firstOffset: 1 },
  ]
  for (const range of refused) await refuses('EINVAL', () => exchange(opened, a, b, range))
  const overlapping = { firstOffset: 0, secondOffset: BLOCK, length: 2 * BLOCK }
  await refuses('EINVAL', () => exchange(opened, b, b, overlapping))
  await refuses('EINVAL', () => exchange(opened, b, b, swapped))
  await refuses('EINVAL', () => ioctl(fs, b, EXCHANGE_RANGE, Buffer.alloc(8)))
})

test('descriptors that will not do are refused as XFS does', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, processes } = opened
  const a = await fileOf(fs, 'a', content(1, BLOCK))
  const b = await fileOf(fs, 'b', content(2, BLOCK))
  const folder = await directory(fs, 'folder')
  const pipe = await fs.makeNode(v.ROOT, 'pipe', 0o010644, 0, v.CALLER)
  const input = encodeExchange({ descriptor: FIRST, length: BLOCK })
  const with1 = (found: Parameters<typeof processes.descriptors.set>[1], second = b) => {
    processes.descriptors.set(FIRST, found)
    return ioctl(fs, second, EXCHANGE_RANGE, input)
  }
  await refuses('EBADF', () => with1('closed'))
  await refuses('EXDEV', () => with1('elsewhere'))
  await refuses('EOPNOTSUPP', () => with1('hidden'))
  await refuses('EBADF', () => with1({ ino: 9999, flags: v.O_RDWR }))
  await refuses('EISDIR', () => with1({ ino: folder, flags: 0 }))
  await refuses('EINVAL', () => with1({ ino: pipe.ino, flags: v.O_RDWR }))
  await refuses('EBADF', () => with1({ ino: a.ino, flags: 0 }))
  await refuses('EBADF', () => with1({ ino: a.ino, flags: 1 }))
  await refuses('EBADF', () => with1({ ino: a.ino, flags: v.O_RDWR | 0o2000 }))
  await refuses('EBADF', () => with1({ ino: a.ino, flags: v.O_RDWR | 0o10000000 }))
  const ok = { ino: a.ino, flags: v.O_RDWR }
  for (const flags of [0, 1, v.O_RDWR | 0o2000]) {
    const { fh } = await fs.open(b.ino, flags, v.CALLER)
    await refuses('EBADF', () => with1(ok, { ino: b.ino, fh }))
  }
  const request = { ino: folder, fh: 0, isDirectory: true, command: EXCHANGE_RANGE, input }
  await refuses('EISDIR', () => fs.ioctl(request, v.CALLER))
  await setFlags(fs, a.ino, 0x10)
  await refuses('EPERM', () => with1(ok))
  await setFlags(fs, a.ino, 0)
  await with1(ok)
})

async function setFlags(fs: Opened['fs'], ino: number, flags: number): Promise<void> {
  const input = Buffer.alloc(4)
  input.writeUInt32LE(flags)
  await fs.ioctl({ ino, fh: 0, isDirectory: false, command: 0x4008_6602, input })
}

test('an isolated file is not exchanged', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const a = await fileOf(fs, 'a', content(1, BLOCK))
  const ino = await fileWith(fs, 'b', content(2, BLOCK))
  await setXattr(fs, ino, 'user.atomic', 'isolated')
  const { fh } = await fs.open(ino, v.O_RDWR, v.CALLER)
  await refuses('EOPNOTSUPP', () => exchange(opened, a, { ino, fh }, { length: BLOCK }))
  await refuses('EOPNOTSUPP', () => exchange(opened, { ino, fh }, a, { length: BLOCK }))
})

test('a file with an open transaction is not exchanged', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const a = await fileOf(fs, 'a', content(1, BLOCK))
  const b = await fileOf(fs, 'b', content(2, BLOCK))
  await ioctl(fs, b, 0xf501, Buffer.alloc(0))
  await fs.write(b.fh, v.writeRequest(0, Buffer.from('x')))
  await refuses('EBUSY', () => exchange(opened, a, b, { length: BLOCK }))
  await ioctl(fs, b, 0xf502, Buffer.alloc(0))
  await exchange(opened, a, b, { length: BLOCK })
})

test('what a transaction has written is a change, also once it is folded', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, processes } = opened
  const a = await fileOf(fs, 'a', content(1, BLOCK))
  const b = await fileOf(fs, 'b', content(2, BLOCK))
  processes.descriptors.set(FIRST, { ino: a.ino, flags: v.O_RDWR })
  processes.memoryContent = encodeExchange({ descriptor: FIRST, length: BLOCK })
  const started = await ioctl(fs, b, START_COMMIT, Buffer.alloc(0))
  for (const command of [0xf501, 0xf501]) {
    await ioctl(fs, b, command, Buffer.alloc(0))
    await fs.write(b.fh, v.writeRequest(0, Buffer.from('x')))
  }
  await ioctl(fs, b, 0xf502, Buffer.alloc(0))
  await refuses('EBUSY', () => ioctl(fs, b, COMMIT_RANGE, started))
})

test('a commit is refused once the second file has changed in any way', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, processes } = opened
  const a = await fileOf(fs, 'a', content(1, 5 * BLOCK))
  const b = await fileOf(fs, 'b', content(2, 5 * BLOCK))
  await setXattr(fs, b.ino, 'user.atomic', '1')
  processes.descriptors.set(FIRST, { ino: a.ino, flags: v.O_RDWR })
  const argument = encodeExchange({ descriptor: FIRST, length: BLOCK })
  const start = (): Promise<Buffer> => {
    processes.memoryContent = argument
    return ioctl(fs, b, START_COMMIT, Buffer.alloc(0))
  }
  const commit = (argumentWithFreshness: Uint8Array) =>
    ioctl(fs, b, COMMIT_RANGE, argumentWithFreshness)
  const changes: readonly (() => unknown)[] = [
    () => fs.write(b.fh, v.writeRequest(0, Buffer.from('x'))),
    () => fs.write(b.fh, v.writeRequest(0, Buffer.from('x'))),
    () => fs.setAttributes(b.ino, { size: 5 * BLOCK - 1, fh: b.fh }),
    () => fs.allocate(b.fh, 3, 0, BLOCK),
    () => exchange(opened, a, b, { length: BLOCK }),
  ]
  for (const [i, change] of changes.entries()) {
    const started = await start()
    assert.deepEqual(started.subarray(0, 40), argument)
    await change()
    await refuses('EBUSY', () => commit(started))
    const again = await start()
    await commit(again)
    await refuses('EBUSY', () => commit(again))
    assert.ok(i >= 0)
  }
  const started = await start()
  await fs.write(b.fh, v.writeRequest(0, Buffer.from('y')))
  await setXattr(fs, b.ino, 'user.atomic.rollback', '1')
  await fs.setAttributes(b.ino, { mode: 0o600 })
  await fs.write(a.fh, v.writeRequest(0, Buffer.from('z')))
  await commit(started)
  for (const at of [40, 64, 72, 80]) {
    const forged = await start()
    forged.writeUInt8(forged.readUInt8(at) ^ 1, at)
    await refuses('EBUSY', () => commit(forged))
  }
  processes.memoryContent = undefined
  await refuses('EOPNOTSUPP', () => ioctl(fs, b, START_COMMIT, Buffer.alloc(0)))
})

test('privileges go with the content, and times are those of the exchange', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, processes } = opened
  const a = await fileOf(fs, 'a', content(1, BLOCK))
  const b = await fileOf(fs, 'b', content(2, BLOCK))
  for (const { ino } of [a, b]) await fs.setAttributes(ino, { mode: 0o6755 })
  const before = await stat(fs, a.ino)
  processes.descriptors.set(FIRST, { ino: a.ino, flags: v.O_RDWR })
  const input = encodeExchange({ descriptor: FIRST, length: BLOCK })
  const request = { ...b, isDirectory: false, command: EXCHANGE_RANGE, input }
  await fs.ioctl(request, { uid: 1000, gid: 1000, pid: 2 })
  for (const { ino } of [a, b]) {
    const after = await stat(fs, ino)
    assert.equal(after.mode & 0o7777, 0o755)
    assert.ok(after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs)
  }
})

test('a file without a name is exchanged and then freed', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, volume, device } = opened
  const target = await fileOf(fs, 'a', content(1, 50 * BLOCK))
  const bytes = content(2, 60 * BLOCK)
  const { attributes, opened: handle } = await fs.makeUnnamed(v.ROOT, 0o600, v.O_RDWR, v.CALLER)
  const draft = { ino: attributes.ino, fh: handle.fh }
  await fs.write(draft.fh, v.writeRequest(0, bytes))
  await exchange(opened, draft, target, swapped)
  await close(fs, draft.fh)
  fs.forget(draft.ino, 1)
  await fs.context.reaper.drain()
  assert.ok(bytes.equals(await v.contentOf(fs, target.ino)))
  assert.equal(volume.engine.store.allocator.mappedCount, 60)
  await assertSound(device.image())
  await refuses('EBADF', () => exchange(opened, draft, target, swapped))
})

test('files of a group are published with an exchange of one of them', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const a = await fileOf(fs, 'a', content(1, BLOCK))
  const b = await fileOf(fs, 'b', content(1, BLOCK))
  const c = await fileOf(fs, 'c', content(1, BLOCK))
  for (const { ino } of [a, c]) {
    await setXattr(fs, ino, 'user.atomic', '1')
    await setXattr(fs, ino, 'user.atomic.group', 'g')
    await fs.fsync(a.fh)
  }
  await fs.write(c.fh, v.writeRequest(0, Buffer.from('with it')))
  await exchange(opened, a, b, { length: BLOCK, flags: FLAG.DSYNC })
  const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.equal((await v.contentOf(again.fs, c.ino)).toString('latin1', 0, 7), 'with it')
})

const LARGE = { timeout: 90_000 } as const

test('an exchange of more leaves than one commit changes', LARGE, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const a = await fileOf(fs, 'a', Buffer.alloc(0))
  const b = await fileOf(fs, 'b', content(9, 10 * BLOCK))
  await writeLeaves(fs, a, 0, 4100)
  // Most blocks of both are the same ones.
  const copied = { fh: a.fh, offset: 0, targetFh: b.fh, targetOffset: 640 * BLOCK }
  await fs.copyRange({ ...copied, lengthBytes: 20_000 * BLOCK })
  const before = [await sample(fs, a), await sample(fs, b)]
  await exchange(opened, a, b, swapped)
  assert.deepEqual([await sample(fs, b), await sample(fs, a)], before)
  await assertLarge(opened, a, b)
})

test('an exchange of many leaves within one file', LARGE, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const a = await fileOf(fs, 'a', Buffer.alloc(0))
  await writeLeaves(fs, a, 0, 4150)
  await writeLeaves(fs, a, 4205, 4210)
  await fs.setAttributes(a.ino, { size: 9000 * 64 * BLOCK, fh: a.fh })
  const range = { firstOffset: 0, secondOffset: 4200 * 64 * BLOCK, length: 4120 * 64 * BLOCK }
  await exchange(opened, a, a, range)
  for (const [leaf, wanted] of [
    [5, 4205],
    [4205, 5],
    [4130, 4130],
    [8319, 4119],
    [4119, ''],
    [6, 4206],
  ] as const) {
    assert.equal(await readAt(fs, a.fh, leaf * 64), wanted === '' ? '' : `block ${wanted}`)
  }
  await assertLarge(opened, a, a)
})

test('an exchange with more staged than one commit takes', LARGE, async () => {
  const device = new MemoryDevice(emptyImage(256))
  await v.makeTestVolume(device)
  const opened = { ...(await v.openTestFilesystem(device)), device }
  const { fs } = opened
  const a = await fileOf(fs, 'a', Buffer.alloc(0))
  const b = await fileOf(fs, 'b', content(9, 10 * BLOCK))
  await setXattr(fs, a.ino, 'user.atomic', '1')
  for (let i = 0; i < 5000; i++) {
    await fs.write(a.fh, v.writeRequest(i * 2 * BLOCK, Buffer.from(`block ${i}`)))
  }
  const before = [await sample(fs, a), await sample(fs, b)]
  await exchange(opened, a, b, swapped)
  assert.deepEqual([await sample(fs, b), await sample(fs, a)], before)
  await assertLarge(opened, a, b)
})

/** A block in each of many leaves. */
async function writeLeaves(fs: Opened['fs'], { fh }: File, first: number, end: number) {
  for (let leaf = first; leaf < end; leaf++) {
    await fs.write(fh, v.writeRequest(leaf * 64 * BLOCK, Buffer.from(`block ${leaf}`)))
    if (leaf % 1000 === 999) await fs.fsync(fh)
  }
}

async function assertLarge(
  { fs, volume, device }: Opened & { readonly device: MemoryDevice },
  a: File,
  b: File,
): Promise<void> {
  assert.ok(volume.engine.inodes.get(a.ino).mapGeneration > 0, 'it was the large way')
  const image = device.image()
  await assertSound(image)
  const again = await v.openTestFilesystem(new MemoryDevice(image))
  assert.deepEqual(await sample(again.fs, a), await sample(fs, a))
  assert.deepEqual(await sample(again.fs, b), await sample(fs, b))
}

test('a repair that replays an exchange twice leaves it done', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, volume, device } = opened
  const [inA, inB] = [content(1, 20 * BLOCK), content(2, 20 * BLOCK)]
  const a = await fileOf(fs, 'a', inA)
  const b = await fileOf(fs, 'b', inB)
  for (const { fh } of [a, b]) await fs.fsync(fh)
  await exchange(opened, a, b, { length: 9 * BLOCK, flags: FLAG.DSYNC })
  await volume.engine.checkpointer.run()
  // The index has the exchange; without its marker a repair begins with all that is in the ring.
  const image = device.image()
  const index = new Map([...image.index].filter(([key]) => key !== MARKER_KEY))
  const damaged = new MemoryDevice({ ...image, index })
  await repairStructure(damaged, 'test', new RepairReport(), { dryRun: false })
  const { fs: mended } = await v.openTestFilesystem(damaged)
  const part = Buffer.from(inA.subarray(0, 9 * BLOCK))
  inA.set(inB.subarray(0, 9 * BLOCK))
  inB.set(part)
  assert.ok(inA.equals(await v.contentOf(mended, a.ino)))
  assert.ok(inB.equals(await v.contentOf(mended, b.ino)))
})

async function readAt(fs: Opened['fs'], fh: number, block: number): Promise<string> {
  const bytes = Buffer.concat(await fs.read(fh, block * BLOCK, 40))
  return bytes.toString('latin1').replaceAll('\0', '')
}

async function sample(fs: Opened['fs'], { ino }: File): Promise<readonly (string | number)[]> {
  const { size, sectors } = await stat(fs, ino)
  const { fh } = await fs.open(ino, 0, v.CALLER)
  const found: (string | number)[] = [size, sectors]
  for (let i = 0; i < 4300; i += 41) found.push(await readAt(fs, fh, i * 64))
  for (let i = 0; i < 5000; i += 53) found.push(await readAt(fs, fh, i))
  await fs.release(fh)
  return found
}

test('exchanges at any place are what a reference says, over restarts', TIMEOUT, async (t) => {
  const seed = testSeed()
  t.diagnostic(`seed ${seed}`)
  const random = new Random(seed)
  let opened: Awaited<ReturnType<typeof reopen>> = await v.freshFilesystem()
  const names = ['a', 'b', 'c']
  const reference = new Map<string, Buffer>()
  let files = new Map<string, File>()
  for (const name of names) {
    const bytes = Buffer.from(random.bytes(random.int(150 * BLOCK)))
    reference.set(name, bytes)
    files.set(name, await fileOf(opened.fs, name, bytes))
    if (name === 'c') await setXattr(opened.fs, files.get(name)?.ino ?? 0, 'user.atomic', '1')
  }
  for (let step = 0; step < 100; step++) {
    const [one, two] = [random.pick(names), random.pick(names)]
    const [a, b] = [files.get(one), files.get(two)]
    const [inA, inB] = [reference.get(one), reference.get(two)]
    assert.ok(a !== undefined && b !== undefined && inA !== undefined && inB !== undefined)
    const { fs, volume, device } = opened
    const kind = random.int(10)
    if (kind < 4) {
      const blocks = Math.min(Math.floor(inA.length / BLOCK), Math.floor(inB.length / BLOCK))
      const count = random.int(blocks + 1)
      const firstOffset = random.int(Math.floor(inA.length / BLOCK) - count + 1) * BLOCK
      const secondOffset = random.int(Math.floor(inB.length / BLOCK) - count + 1) * BLOCK
      const length = count * BLOCK
      if (one === two && Math.abs(firstOffset - secondOffset) < length) continue
      await exchange(opened, a, b, { firstOffset, secondOffset, length })
      const part = Buffer.from(inA.subarray(firstOffset, firstOffset + length))
      inA.set(inB.subarray(secondOffset, secondOffset + length), firstOffset)
      inB.set(part, secondOffset)
    } else if (kind === 4 && one !== two) {
      const at = random.int(Math.floor(Math.min(inA.length, inB.length) / BLOCK) + 1) * BLOCK
      await exchange(opened, a, b, { firstOffset: at, secondOffset: at, flags: FLAG.TO_EOF })
      reference.set(one, Buffer.concat([inA.subarray(0, at), inB.subarray(at)]))
      reference.set(two, Buffer.concat([inB.subarray(0, at), inA.subarray(at)]))
    } else if (kind === 5 && one !== two) {
      const lengthBytes = random.int(inA.length + 1)
      await fs.copyRange({ fh: a.fh, offset: 0, targetFh: b.fh, targetOffset: 0, lengthBytes })
      const grown = Buffer.concat([inB, Buffer.alloc(Math.max(0, lengthBytes - inB.length))])
      grown.set(inA.subarray(0, lengthBytes))
      reference.set(two, grown)
    } else if (kind < 8) {
      const part = random.bytes(random.int(20 * BLOCK))
      const at = random.int(120 * BLOCK)
      await fs.write(a.fh, v.writeRequest(at, part))
      if (part.length > 0) {
        const grown = Buffer.concat([inA, Buffer.alloc(Math.max(0, at + part.length - inA.length))])
        grown.set(part, at)
        reference.set(one, grown)
      }
    } else if (kind === 8) {
      await volume.engine.checkpointer.run()
    } else {
      for (const { fh } of files.values()) await fs.fsync(fh)
      const image = device.image()
      await assertSound(image)
      opened = await reopen(image)
      files = new Map()
      for (const name of names) {
        const found = opened.fs.lookup(v.ROOT, name)
        assert.ok(found !== undefined)
        const { fh } = await opened.fs.open(found.ino, v.O_RDWR, v.CALLER)
        files.set(name, { ino: found.ino, fh })
      }
    }
    for (const [name, { ino }] of files) {
      const bytes = await v.contentOf(opened.fs, ino)
      assert.ok(reference.get(name)?.equals(bytes) === true, `${name} after step ${step}`)
    }
  }
})

async function reopen(image: ReturnType<MemoryDevice['image']>) {
  const device = new MemoryDevice(image)
  return { ...(await v.openTestFilesystem(device)), device }
}

test('nobody is left waiting after an exchange that was refused', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const ino = await fileWith(opened.fs, 'a', content(1, BLOCK))
  const { fh } = await opened.fs.open(ino, v.O_RDWR, v.CALLER)
  await refuses('EINVAL', () => exchange(opened, { ino, fh }, { ino, fh }, { length: 1 }))
  await opened.fs.read(fh, 0, 10)
  await opened.fs.write(fh, v.writeRequest(0, Buffer.from('x')))
})
