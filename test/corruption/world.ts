/**
 * A volume with a known past: three states of its folder, and every content that each file has had.
 *
 *   early   closed in order
 *   late    some sessions of changes later, closed in order, and once more opened and closed, so that
 *           its index has tables
 *   killed  in the middle of a session more
 */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import { makeVolumeAt, openVolumeAt } from '../../src/volume/path.ts'
import { Random } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { filesystemOn } from './open.ts'

export const RING_BLOCKS = 512
export type StateName = 'late' | 'killed'

/** Contents by path, the newest last; undefined where there was no such file. */
export type History = ReadonlyMap<string, readonly (Buffer | undefined)[]>

export interface World {
  readonly folder: string
  /** What was true in each state. */
  readonly histories: Readonly<Record<StateName, History>>
}

/** The files of a state. */
export const folderOf = ({ folder }: World, state: StateName | 'early'): string =>
  join(folder, state)

class Builder {
  readonly random: Random
  readonly versions = new Map<string, (Buffer | undefined)[]>()

  constructor(random: Random) {
    this.random = random
  }

  history(): History {
    return new Map([...this.versions].map(([path, contents]) => [path, [...contents]]))
  }

  /** Writes a part of a file, which is made if it is not there, and publishes it. */
  async write(fs: Filesystem, path: string, offset: number, length: number): Promise<void> {
    const [folder = '', name = ''] = path.split('/')
    const parent = folder === '' ? v.ROOT : await this.folder(fs, folder)
    const found = fs.lookup(parent, name)
    const ino = found?.ino ?? (await v.createFile(fs, parent, name)).ino
    const data = Buffer.from(this.random.bytes(length))
    const { fh } = await fs.open(ino, v.O_RDWR, v.CALLER)
    await fs.write(fh, v.writeRequest(offset, data))
    await fs.fsync(fh)
    const known = this.versions.get(path) ?? [undefined, Buffer.alloc(0)]
    const before = known.at(-1) ?? Buffer.alloc(0)
    const content = Buffer.alloc(Math.max(before.length, offset + length))
    before.copy(content)
    data.copy(content, offset)
    this.versions.set(path, [...known, content])
    await fs.release(fh)
  }

  async remove(fs: Filesystem, path: string): Promise<void> {
    const [folder = '', name = ''] = path.split('/')
    const parent = folder === '' ? v.ROOT : await this.folder(fs, folder)
    await fs.unlink(parent, name)
    this.versions.get(path)?.push(undefined)
  }

  /** Some changes of every kind. */
  async session(fs: Filesystem, round: number): Promise<void> {
    const { random } = this
    for (let i = 0; i < 12; i++) await this.write(fs, `/small ${i}`, 0, 1 + random.int(6000))
    for (let i = 0; i < 6; i++) await this.write(fs, '/pages', random.int(60_000), 9000)
    for (let i = 0; i < 3; i++) await this.write(fs, 'folder/large', random.int(900_000), 200_000)
    await this.write(fs, 'folder/sparse', 2_000_000 + random.int(50) * 4096, 9000)
    await this.write(fs, `folder/of round ${round}`, 0, 30_000)
    if (round > 0) await this.remove(fs, `folder/of round ${round - 1}`)
    await fs.fsyncDirectory()
  }

  private async folder(fs: Filesystem, name: string): Promise<number> {
    const found = fs.lookup(v.ROOT, name)
    return found?.ino ?? (await fs.makeDirectory(v.ROOT, name, 0o755, v.CALLER)).ino
  }
}

/** Makes all states below a folder that is there. */
export async function buildWorld(folder: string, random: Random): Promise<World> {
  const live = join(folder, 'live')
  const builder = new Builder(random)
  await makeVolumeAt(live, { ringBlocks: RING_BLOCKS, ballastBytes: 1024 * 1024 })
  let round = 0
  const session = async (): Promise<void> => {
    const volume = await openVolumeAt(live, false)
    const fs = filesystemOn(volume)
    await builder.session(fs, round++)
    await volume.engine.checkpointer.run()
    await builder.session(fs, round++)
    await fs.finish()
    await volume.device.close()
  }
  const keep = (state: string): void => {
    cpSync(live, join(folder, state), { recursive: true })
  }
  await session()
  keep('early')
  await session()
  await session()
  const reopened = await openVolumeAt(live, false)
  await filesystemOn(reopened).finish()
  await reopened.device.close()
  keep('late')
  const late = builder.history()
  const volume = await openVolumeAt(live, false)
  await builder.session(filesystemOn(volume), round++)
  keep('killed')
  const killed = builder.history()
  await volume.device.close()
  return { folder, histories: { late, killed } }
}
