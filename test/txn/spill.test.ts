/** Goal: what is on its way to the disk takes memory in proportion, and writers wait when it is too much. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTick } from 'node:timers/promises'
import * as v from '../support/volume.ts'

const BLOCK = 4096
const MIB = 1024 * 1024

const nothing = (): void => undefined

/** A filesystem whose disk has stopped, until it goes on. */
async function stopped() {
  const opened = await v.freshFilesystem()
  const { blocks } = opened.device
  const writeDirect = blocks.writeDirect.bind(blocks)
  const calls = { bytesUnderWay: 0, count: 0 }
  let goOn = nothing
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  blocks.writeDirect = async (block, data) => {
    calls.count++
    calls.bytesUnderWay += data.length
    await gate
    await writeDirect(block, data)
    calls.bytesUnderWay -= data.length
  }
  return { ...opened, calls, goOn }
}

test('scattered pages share buffers and calls on their way to the disk', async (context) => {
  const { fs, calls, goOn } = await stopped()
  const memories = context.mock.method(WebAssembly, 'Memory')
  const content = Buffer.alloc(BLOCK, 'page')
  const files = await Promise.all(
    ['a', 'b', 'c', 'd', 'e'].map(async (name) => v.createFile(fs, v.ROOT, name)),
  )
  for (const { fh } of files) {
    for (let i = 0; i < 600; i++) await fs.write(fh, v.writeRequest(2 * i * BLOCK, content))
  }
  assert.ok(calls.bytesUnderWay > 5 * MIB, `${calls.bytesUnderWay} bytes`)
  assert.ok(calls.count < 50, `${calls.count} writes`)
  assert.ok(memories.mock.callCount() < 50, `${memories.mock.callCount()} buffers`)
  goOn()
  for (const { fh, ino } of files) {
    await fs.fsync(fh)
    const found = await v.contentOf(fs, ino)
    for (let i = 0; i < 600; i++) {
      assert.ok(content.equals(found.subarray(2 * i * BLOCK, (2 * i + 1) * BLOCK)), `page ${i}`)
    }
  }
})

test('who begins to write a file waits for what others have under way', async () => {
  const { fs, calls, goOn } = await stopped()
  const content = Buffer.alloc(MIB, 'content')
  const names = Array.from({ length: 80 }, (_, i) => `file ${i}`)
  const files = await Promise.all(names.map(async (name) => v.createFile(fs, v.ROOT, name)))
  const writes = files.map(async ({ fh }) => fs.write(fh, v.writeRequest(0, content)))
  for (let i = 0; i < 10; i++) await nextTick()
  assert.ok(calls.bytesUnderWay >= 32 * MIB, `${calls.bytesUnderWay} bytes`)
  assert.ok(calls.bytesUnderWay < 36 * MIB, `${calls.bytesUnderWay} bytes`)
  goOn()
  await Promise.all(writes)
  for (const { ino } of files) assert.ok(content.equals(await v.contentOf(fs, ino)))
})
