/** Volumes with files of every kind, for checks to look at. */
import { MemoryDevice, type DeviceImage, emptyImage } from '../../src/device/memory-device.ts'
import type { Device } from '../../src/device/device.ts'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import type { Ino } from '../../src/store/inode.ts'
import { Random } from '../support/random.ts'
import { begin } from '../fs/folder-calls.ts'
import * as v from '../support/volume.ts'

export interface Populated {
  readonly fs: Filesystem
  /** What each regular file with a name holds. */
  readonly contents: ReadonlyMap<string, Uint8Array>
  readonly inos: ReadonlyMap<string, Ino>
}

/** A name that is no UTF-8, and has a control character. */
const ODD_NAME = 'odd\n\xff'

const MIB = 1024 * 1024

async function addFile(
  fs: Filesystem,
  parent: Ino,
  name: string,
  offset: number,
  data: Uint8Array,
): Promise<Ino> {
  const { ino, fh } = await v.createFile(fs, parent, name)
  await fs.write(fh, v.writeRequest(offset, data))
  await fs.fsync(fh)
  await fs.release(fh)
  return ino
}

/** Fills a new volume; nothing is closed or checkpointed in the end. */
export async function populate(device: Device): Promise<Populated> {
  await v.makeTestVolume(device)
  const { fs } = await v.openTestFilesystem(device)
  const random = new Random(7)
  const contents = new Map<string, Uint8Array>()
  const inos = new Map<string, Ino>()
  const put = async (parent: Ino, name: string, offset: number, length: number) => {
    const data = random.bytes(length)
    inos.set(name, await addFile(fs, parent, name, offset, data))
    contents.set(name, Buffer.concat([Buffer.alloc(offset), data]))
  }
  const directory = (await fs.makeDirectory(v.ROOT, 'directory', 0o755, v.CALLER)).ino
  const below = (await fs.makeDirectory(directory, 'below', 0o755, v.CALLER)).ino
  inos.set('directory', directory).set('below', below)
  await put(v.ROOT, 'small', 0, 100)
  await put(v.ROOT, 'pages', 0, 50_001)
  await put(directory, 'large', 0, 3 * MIB + 5)
  await put(below, 'sparse', 5 * MIB, 9000)
  await put(below, ODD_NAME, 0, 4096)
  await put(below, 'empty', 0, 0)
  await put(v.ROOT, 'linked', 0, 8192)
  await fs.link(inos.get('linked') ?? 0, directory, 'other name')
  inos.set('link', (await fs.makeSymlink(v.ROOT, 'link', Buffer.from('small'), v.CALLER)).ino)
  await fs.makeNode(below, 'pipe', 0o010644, 0, v.CALLER)
  await fs.setXattr(inos.get('small') ?? 0, 'user.note', Buffer.from('value'), 0)
  await fs.setXattr(inos.get('pages') ?? 0, 'user.atomic', Buffer.from('1'), 0)
  await addClone(fs, contents, inos)
  await addOrphan(fs)
  await addHidden(fs)
  await addReplacedMap(fs, contents, inos)
  return { fs, contents, inos }
}

/** A file that shares most of its blocks with another. */
async function addClone(
  fs: Filesystem,
  contents: Map<string, Uint8Array>,
  inos: Map<string, Ino>,
): Promise<void> {
  const content = Buffer.from(contents.get('large') ?? [])
  const { fh } = await fs.open(inos.get('large') ?? 0, 0, v.CALLER)
  const clone = await v.createFile(fs, v.ROOT, 'clone')
  const lengthBytes = content.length
  await fs.copyRange({ fh, offset: 0, targetFh: clone.fh, targetOffset: 0, lengthBytes })
  await fs.write(clone.fh, v.writeRequest(9000, Buffer.from('own')))
  content.write('own', 9000)
  await fs.fsync(clone.fh)
  await fs.release(clone.fh)
  await fs.release(fh)
  inos.set('clone', clone.ino)
  contents.set('clone', content)
}

/** A file without a name that is still open. */
async function addOrphan(fs: Filesystem): Promise<void> {
  const { fh } = await v.createFile(fs, v.ROOT, 'orphan')
  await fs.write(fh, v.writeRequest(0, Buffer.alloc(20_000, 1)))
  await fs.fsync(fh)
  await fs.unlink(v.ROOT, 'orphan')
}

/** A transaction on a folder that has not come to its end. */
async function addHidden(fs: Filesystem): Promise<void> {
  const folder = (await fs.makeDirectory(v.ROOT, 'project', 0o755, v.CALLER)).ino
  await addFile(fs, folder, 'kept', 0, Buffer.alloc(9000, 3))
  const { copy } = await begin(fs, folder)
  await addFile(fs, copy, 'new', 0, Buffer.alloc(9000, 4))
}

/** A file that was emptied at once, so that its old map waits to be freed. */
async function addReplacedMap(
  fs: Filesystem,
  contents: Map<string, Uint8Array>,
  inos: Map<string, Ino>,
): Promise<void> {
  const ino = await addFile(fs, v.ROOT, 'replaced', 0, Buffer.alloc(17 * MIB, 2))
  const { fh } = await fs.open(ino, v.O_RDWR | v.O_TRUNC, v.CALLER)
  const data = Buffer.from('what came instead')
  await fs.write(fh, v.writeRequest(0, data))
  await fs.fsync(fh)
  await fs.release(fh)
  contents.set('replaced', data)
  inos.set('replaced', ino)
}

export interface PopulatedImage extends Populated {
  readonly image: DeviceImage
}

let killed: Promise<PopulatedImage> | undefined
let closed: Promise<PopulatedImage> | undefined

/** A volume whose daemon was killed. */
export function killedVolume(): Promise<PopulatedImage> {
  killed ??= populateImage(false)
  return killed
}

/** A volume that was closed in order, so that all of it is in the index. */
export function closedVolume(): Promise<PopulatedImage> {
  closed ??= populateImage(true)
  return closed
}

async function populateImage(finish: boolean): Promise<PopulatedImage> {
  const device = new MemoryDevice(emptyImage(2048))
  const populated = await populate(device)
  if (finish) await populated.fs.finish()
  return { ...populated, image: device.image() }
}

/** Files whose content is not what was stored, or cannot be read. */
export async function wrongFiles(device: Device, { contents, inos }: Populated): Promise<string[]> {
  const { fs } = await v.openTestFilesystem(device, { readOnly: true })
  const wrong: string[] = []
  for (const [name, data] of contents) {
    try {
      const found = await v.contentOf(fs, inos.get(name) ?? 0)
      if (!found.equals(data)) wrong.push(name)
    } catch {
      wrong.push(name)
    }
  }
  return wrong
}
