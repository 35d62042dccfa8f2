/** What is kept of `/proc/PID/status` must never hide an end, nor keep descriptors without limit. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { ThreadStatus } from '../../src/fs/thread-status.ts'
import { TIMEOUT } from './fixture.ts'

const fdCount = (): number => readdirSync('/proc/self/fd').length

test('read() says what is so now, and throws when the thread is gone', TIMEOUT, async () => {
  const status = new ThreadStatus()
  const child = spawn('sleep', ['60'])
  const pid = child.pid ?? 0
  for (let i = 0; i < 3; i++) assert.match(status.read(pid), /^Name:[^]*\nVmSize:/)
  process.kill(pid, 'SIGSTOP')
  while (!/^State:\tT/m.test(status.read(pid))) await new Promise(setImmediate)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.throws(() => status.read(pid))
  assert.throws(() => status.read(pid))
})

test('read() keeps a few descriptors, however many threads have asked', TIMEOUT, async () => {
  const status = new ThreadStatus()
  const children = Array.from({ length: 40 }, () => spawn('sleep', ['60'], { stdio: 'ignore' }))
  try {
    const before = fdCount()
    for (let round = 0; round < 2; round++) {
      for (const { pid = 0 } of children)
        assert.match(status.read(pid), new RegExp(`\nPid:\t${pid}\n`))
    }
    assert.ok(fdCount() - before <= 16, `${fdCount() - before} descriptors are kept`)
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(children.map((child) => once(child, 'exit')))
  }
})
