import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { isInStatOrWrite, lengthOfWrite } from '../../src/fs/system-call.ts'
import { TIMEOUT } from './fixture.ts'

const LENGTH = 2 ** 20

test(
  'of a thread that runs it is waited for the call that it sleeps in',
  TIMEOUT,
  async (context) => {
    // Busy at first, then in a write that nobody takes.
    const program = `i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec head -c ${LENGTH} /dev/zero`
    const busy = spawn('sh', ['-c', program], { stdio: ['ignore', 'pipe', 'ignore'] })
    context.after(() => busy.kill('SIGKILL'))
    const sleeping = spawn('sleep', ['20'], { stdio: 'ignore' })
    context.after(() => sleeping.kill('SIGKILL'))
    assert.equal(await isInStatOrWrite(busy.pid ?? 0), true)
    assert.ok(((await lengthOfWrite(busy.pid ?? 0)) ?? 0) > 0)
    assert.equal(await isInStatOrWrite(sleeping.pid ?? 0), false)
    assert.equal(await isInStatOrWrite(0), false)
  },
)
