import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { encodeInode, newInode } from '../../src/store/inode.ts'
import { inodeKey } from '../../src/store/keys.ts'
import { Metadata } from '../../src/store/metadata.ts'
import { Inodes } from '../../src/txn/inodes.ts'

const HALF = 4
const COUNT = 100

/** Inodes 1 to COUNT, each with its number as its size. */
function storedInodes(): Inodes {
  const metadata = new Metadata(new MemoryDevice(emptyImage(64)).index)
  for (let ino = 1; ino <= COUNT; ino++) {
    metadata.put(inodeKey(ino), encodeInode({ ...newInode(ino, 0o100644, 0n), size: ino }))
  }
  return new Inodes(metadata, HALF)
}

function lookAtAll(inodes: Inodes): void {
  for (let ino = 1; ino <= COUNT; ino++) assert.equal(inodes.get(ino).size, ino)
}

test('get() gives the same object for as long as others are few', () => {
  const inodes = storedInodes()
  const first = inodes.get(1)
  for (let ino = 2; ino <= HALF; ino++) inodes.get(ino)
  assert.equal(inodes.get(1), first)
  // In use all the time, it stays, however many come and go.
  for (let ino = 2; ino <= COUNT; ino++) {
    inodes.get(ino)
    assert.equal(inodes.get(1), first)
  }
})

test('get() reads what was dropped for others again', () => {
  const inodes = storedInodes()
  const first = inodes.get(1)
  lookAtAll(inodes)
  lookAtAll(inodes)
  assert.notEqual(inodes.get(1), first)
  assert.deepEqual(inodes.get(1), first)
})

test('keep() has an inode stay with what no commit has, until unkeep()', () => {
  const inodes = storedInodes()
  for (const ino of [1, 50]) {
    inodes.get(ino).atimeNs = 7n
    inodes.keep(ino)
  }
  for (let round = 0; round < 3; round++) lookAtAll(inodes)
  for (const ino of [1, 50]) assert.equal(inodes.get(ino).atimeNs, 7n)
  for (const ino of [1, 50]) inodes.unkeep(ino)
  lookAtAll(inodes)
  assert.equal(inodes.get(1).atimeNs, 0n)
})

test('update() reaches an inode wherever it is', () => {
  const inodes = storedInodes()
  const first = inodes.get(1)
  for (let ino = 2; ino <= HALF + 2; ino++) inodes.get(ino)
  inodes.update({ ...first, uid: 5 })
  assert.equal(inodes.get(1).uid, 5)
  assert.equal(inodes.get(1), first)
})
