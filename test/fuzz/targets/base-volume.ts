/** A small volume with something of every kind, made once in each process. */
import { type DeviceImage, MemoryDevice, emptyImage } from '../../../src/device/memory-device.ts'
import type { Filesystem } from '../../../src/fs/filesystem.ts'
import { VOLUME_KEY } from '../../../src/store/keys.ts'
import { exchangeLocked } from '../../../src/txn/exchange.ts'
import { lockAll } from '../../../src/txn/lock.ts'
import { withBody, withSuperblockFields } from '../../check/edit-image.ts'
import { Random } from '../../support/random.ts'
import * as v from '../../support/volume.ts'

const RING_BLOCKS = 256

export interface BaseVolume {
  /** Closed in order: all of it is in the index. */
  readonly closed: DeviceImage
  /** Its daemon was killed: half of it is in the ring only. */
  readonly killed: DeviceImage
  /** Inodes of the closed one that have a name, by path. */
  readonly inos: ReadonlyMap<string, number>
  readonly contents: ReadonlyMap<number, Buffer>
}

let made: Promise<BaseVolume> | undefined

export function baseVolume(): Promise<BaseVolume> {
  made ??= make()
  return made
}

async function addFile(
  fs: Filesystem,
  parent: number,
  name: string,
  pieces: [number, Uint8Array][],
) {
  const { ino, fh } = await v.createFile(fs, parent, name)
  for (const [offset, data] of pieces) await fs.write(fh, v.writeRequest(offset, data))
  await fs.fsync(fh)
  await fs.release(fh)
  return ino
}

async function fill(fs: Filesystem): Promise<Map<string, number>> {
  const random = new Random(11)
  const inos = new Map<string, number>()
  const folder = (await fs.makeDirectory(v.ROOT, 'directory', 0o755, v.CALLER)).ino
  const below = (await fs.makeDirectory(folder, 'below', 0o755, v.CALLER)).ino
  const quiet = (await fs.makeDirectory(v.ROOT, 'quiet', 0o755, v.CALLER)).ino
  inos.set('directory', folder).set('directory/below', below).set('quiet', quiet)
  inos.set('a', await addFile(fs, v.ROOT, 'a', [[0, random.bytes(9000)]]))
  inos.set(
    'b',
    await addFile(fs, folder, 'b', [
      [0, random.bytes(100)],
      [70 * 4096, random.bytes(20)],
    ]),
  )
  inos.set('file', await addFile(fs, below, 'file', [[0, random.bytes(5 * 4096)]]))
  inos.set('empty', await addFile(fs, v.ROOT, 'empty', []))
  inos.set('quiet/one', await addFile(fs, quiet, 'one', [[0, random.bytes(10_000)]]))
  inos.set('quiet/two', await addFile(fs, quiet, 'two', [[4096, random.bytes(4096)]]))
  await fs.link(inos.get('a') ?? 0, folder, 'other')
  inos.set('link', (await fs.makeSymlink(v.ROOT, 'link', Buffer.from('a'), v.CALLER)).ino)
  inos.set('pipe', (await fs.makeNode(v.ROOT, 'pipe', 0o010644, 0, v.CALLER)).ino)
  await fs.setXattr(inos.get('a') ?? 0, 'user.note', Buffer.from('value'), 0)
  await fs.setXattr(inos.get('b') ?? 0, 'user.atomic', Buffer.from('1'), 0)
  return inos
}

/** What only the ring has in the end, an orphan among it. */
async function fillRing(fs: Filesystem, inos: ReadonlyMap<string, number>): Promise<void> {
  const { fh } = await fs.open(inos.get('a') ?? 0, v.O_RDWR, v.CALLER)
  await fs.write(fh, v.writeRequest(4096, Buffer.alloc(9000, 3)))
  await fs.fsync(fh)
  await fs.setAttributes(inos.get('file') ?? 0, { size: 4096 })
  await fs.setAttributes(inos.get('quiet/one') ?? 0, { mode: 0o600 })
  await addFile(fs, v.ROOT, 'large', [[0, Buffer.alloc(400_000, 7)]])
  const gone = await v.createFile(fs, v.ROOT, 'gone')
  await fs.write(gone.fh, v.writeRequest(0, Buffer.alloc(9000, 5)))
  await fs.fsync(gone.fh)
  await fs.unlink(v.ROOT, 'gone')
  await addClone(fs, inos.get('a') ?? 0)
  await exchangeFirst(fs, inos.get('quiet/one') ?? 0, inos.get('file') ?? 0)
  await fs.context.engine.journal.flush()
}

/** A file that shares two blocks with another. */
async function addClone(fs: Filesystem, ino: number): Promise<void> {
  const { fh } = await fs.open(ino, 0, v.CALLER)
  const clone = await v.createFile(fs, v.ROOT, 'clone')
  const range = { fh, offset: 0, targetFh: clone.fh, targetOffset: 0, lengthBytes: 8192 }
  await fs.copyRange(range)
  await fs.fsync(clone.fh)
  await fs.release(clone.fh)
  await fs.release(fh)
}

/** Exchanges the first blocks of two files. */
async function exchangeFirst({ context }: Filesystem, ...inos: [number, number]): Promise<void> {
  const [first, second] = [context.files.file(inos[0]), context.files.file(inos[1])]
  const exchange = { first, second, firstBlock: 0, secondBlock: 0, count: 1, writtenOnly: 0 }
  const unlock = await lockAll([first, second])
  await exchangeLocked(context.engine, exchange, { soon: false, also: () => undefined })
  unlock()
}

/** The same in each process, for it is in inputs. */
function withUuid(image: DeviceImage): DeviceImage {
  const uuid = Buffer.from('hostile-volume-1')
  return withBody(withSuperblockFields(image, { uuid }), VOLUME_KEY, () => uuid)
}

async function make(): Promise<BaseVolume> {
  const maker = new MemoryDevice(emptyImage(RING_BLOCKS))
  await v.makeTestVolume(maker)
  const device = new MemoryDevice(withUuid(maker.image()))
  const first = await v.openTestFilesystem(device)
  const inos = await fill(first.fs)
  await first.fs.finish()
  const closed = device.image()
  const second = await v.openTestFilesystem(device)
  const contents = new Map<number, Buffer>()
  for (const ino of new Set(inos.values())) {
    const { mode } = await second.fs.getAttributes(ino)
    if ((mode & 0o170000) === 0o100000) contents.set(ino, await v.contentOf(second.fs, ino))
  }
  await fillRing(second.fs, inos)
  return { closed, killed: device.image(), inos, contents }
}
