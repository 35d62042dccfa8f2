import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { isInStatOrWrite, lengthOfWrite } from '../../src/fs/system-call.ts'
import { TIMEOUT } from './fixture.ts'

const LENGTH = 2 ** 20

test(
  'of a thread that runs it is waited for the call that it sleeps in',
  TIMEOUT,
  async (context) => {
    // Busy at first, then in a write that nobody takes, with no call between that it could sleep in.
    const program = `import os
data = bytes(${LENGTH})
os.write(1, b'.')
for _ in range(3000000): pass
os.write(1, data)`
    const busy = spawn('python3', ['-c', program], { stdio: ['ignore', 'pipe', 'ignore'] })
    context.after(() => busy.kill('SIGKILL'))
    await once(busy.stdout, 'data')
    busy.stdout.pause()
    const sleeping = spawn('sleep', ['20'], { stdio: 'ignore' })
    context.after(() => sleeping.kill('SIGKILL'))
    assert.equal(await isInStatOrWrite(busy.pid ?? 0), true)
    assert.ok(((await lengthOfWrite(busy.pid ?? 0)) ?? 0) > 0)
    assert.equal(await isInStatOrWrite(sleeping.pid ?? 0), false)
    assert.equal(await isInStatOrWrite(0), false)
  },
)
