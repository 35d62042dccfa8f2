import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runSlice } from './kit/supervise.ts'

const script = join(import.meta.dirname, 'support', 'dying-worker.js')

const HOW = { exit: /ended with 3/, abort: /ended with SIGABRT/, hang: /does not end/ } as const

for (const [target, expected] of Object.entries(HOW)) {
  test(`runSlice() reports the input at which a worker has ended: ${target}`, async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'oatomic-fuzz-test-'))
    context.after(() => {
      rmSync(folder, { recursive: true })
    })
    const limits = { seed: 1, inputCountMax: 1, timeMsMax: 1, withCoverage: false }
    const tracePath = join(folder, 'trace')
    const { findings } = await runSlice(
      { target, tracePath, ...limits },
      { script, silenceMsMax: target === 'hang' ? 1500 : 60_000 },
    )
    assert.match(findings[0]?.message ?? '', expected)
    assert.equal(Buffer.from(findings[0]?.input[0] ?? []).toString(), 'culprit')
  })
}
