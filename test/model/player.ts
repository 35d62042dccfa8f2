/**
 * Plays random operations on a filesystem and on the reference, and compares their answers. What it
 * did is kept as text, so that a failure shows the way to it.
 */
import assert from 'node:assert/strict'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import type { Ino } from '../../src/fs/operations.ts'
import { answerOf } from '../support/answer.ts'
import type { Random } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { type Answer, Reference, ReferenceNode } from './reference.ts'

export interface OpenHandle {
  readonly fh: number
  /** Whether its transaction was rolled back by somebody else, which its next COMMIT is told. */
  isCanceled: boolean
  readonly node: ReferenceNode
}

export class Player {
  readonly random: Random
  readonly reference = new Reference()
  readonly handles: OpenHandle[] = []
  readonly played: string[] = []
  device: MemoryDevice
  opened!: v.TestFilesystem

  private constructor(random: Random, device: MemoryDevice) {
    this.random = random
    this.device = device
    this.reference.root.ino = v.ROOT
  }

  static async start(random: Random, ringBlocks: number): Promise<Player> {
    const player = new Player(random, new MemoryDevice(emptyImage(ringBlocks)))
    await v.makeTestVolume(player.device)
    player.opened = await v.openTestFilesystem(player.device)
    return player
  }

  get fs(): v.TestFilesystem['fs'] {
    return this.opened.fs
  }

  async expect(what: string, expected: Answer, work: () => unknown): Promise<void> {
    this.played.push(`${what} -> ${expected}`)
    assert.equal(await answerOf(work), expected, what)
  }

  async restart(isClean: boolean): Promise<void> {
    this.played.push(isClean ? 'finish' : 'kill')
    if (isClean) await this.fs.finish()
    this.device = new MemoryDevice(this.device.image())
    this.opened = await v.openTestFilesystem(this.device)
    this.handles.length = 0
    this.reference.restart(isClean)
    await this.compareAll()
  }

  async compareAll(): Promise<void> {
    this.played.push('compare')
    const expected = this.reference.tree()
    const actual = await v.listTree(this.fs)
    assert.deepEqual([...actual.keys()].toSorted(), [...expected.keys()].toSorted())
    for (const [path, node] of expected) {
      const attributes = actual.get(path)
      assert.equal(attributes?.ino, node.ino, path)
      assert.equal(attributes.nlink, node.nlink, `links of ${path}`)
      assert.equal(attributes.mode & 0o7777, node.mode, `mode of ${path}`)
      await this.compareXattrs(node)
      if (node.kind === 'file') await this.compareFile(node)
      if (node.kind === 'symlink') {
        assert.equal(Buffer.from(this.fs.readLink(node.ino)).toString('latin1'), node.target)
      }
    }
  }

  async compareFile(node: ReferenceNode): Promise<void> {
    const { ino, content } = node
    assert.equal((await this.fs.getAttributes(ino)).size, content.length, `size of ${ino}`)
    const actual = await v.contentOf(this.fs, ino)
    if (actual.equals(content)) return
    const at = actual.findIndex((byte, i) => byte !== content[i])
    assert.fail(`inode ${ino} differs from byte ${at} on`)
  }

  /** Removes everything, and checks that all space comes back. */
  async removeAll(): Promise<void> {
    for (const { fh, node } of this.handles.splice(0)) await this.closeHandle(fh, node.ino)
    const paths = [...this.reference.tree()].toReversed()
    for (const [path, node] of paths) {
      const name = path.slice(path.lastIndexOf('/') + 1)
      const parent = this.parentOf(path).ino
      if (node.kind === 'directory') await this.fs.removeDirectory(parent, name)
      else await this.fs.unlink(parent, name)
    }
    await this.fs.context.reaper.drain()
    const { checkpointer, store } = this.fs.context.engine
    await checkpointer.run()
    assert.equal(store.allocator.mappedCount, 0, 'no block is mapped')
    assert.equal(store.allocator.availableCount, store.allocator.blockCount - 1, 'all are free')
    const left = [...this.device.image().index.keys()].map((key) => key.charAt(0))
    assert.deepEqual(left.filter((prefix) => prefix !== 'G').toSorted(), ['I', 'M', 'S'])
  }

  async closeHandle(fh: number, ino: Ino): Promise<void> {
    await this.fs.flush(fh, v.CALLER)
    await this.fs.release(fh)
    this.fs.forget(ino, 1)
  }

  private parentOf(path: string): ReferenceNode {
    const parent = path.slice(0, path.lastIndexOf('/'))
    return this.reference.tree().get(parent) ?? this.reference.root
  }

  private async compareXattrs(node: ReferenceNode): Promise<void> {
    const names = await this.fs.listXattr(node.ino)
    const stored = names.filter((name) => !name.startsWith('user.atomic'))
    assert.deepEqual(stored.toSorted(), [...node.xattrs.keys()].toSorted())
    assert.equal(names.includes('user.atomic'), node.isAtomic)
    for (const [name, value] of node.xattrs) {
      assert.deepEqual(Buffer.from(await this.fs.getXattr(node.ino, name)), value)
    }
  }
}
