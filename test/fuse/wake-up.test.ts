import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { test } from 'node:test'
import { socketpair } from '../../src/fuse/kernel/libc.ts'
import { type WakeUp, watchByThread, watchReadable } from '../../src/fuse/kernel/wake-up.ts'

const AF_UNIX = 1
const SOCK_STREAM = 1

for (const watch of [watchReadable, watchByThread]) {
  test(`${watch.name}() tells that there is something to read`, async () => {
    const pair = Buffer.alloc(8)
    assert.equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0)
    let wakeUp: WakeUp | undefined
    const told = new Promise<void>((resolve) => {
      wakeUp = watch(pair.readInt32LE(0), () => {
        wakeUp?.close()
        resolve()
      })
    })
    writeSync(pair.readInt32LE(4), 'x')
    await told
  })
}
