/** Goal: the campaign's command does what it says: limits, reports, exit codes, an orderly end. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { atEnd } from '../../support/devices/at-end.ts'
import { Random, testSeed } from '../../support/random.ts'
import { randomSequence } from './random-sequence.ts'
import { readRegression, writeRegression } from './regression-file.ts'
import type { Report } from './report.ts'
import { sumOf } from './totals.ts'

const TIMEOUT = { timeout: 120_000 }
const STATE_COUNT = 200

interface Ended {
  readonly code: number | null
  readonly output: string
}

function start(parameters: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'run.js'), ...parameters])
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  child.stderr.on('data', (data: Buffer) => (output += data.toString()))
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => {
      resolve({ code, output })
    })
  })
  return { child, ended }
}

function temporary(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-campaign-'))
  atEnd(context, () => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

test('the campaign ends after so many states, and reports them', TIMEOUT, async (t) => {
  const folder = temporary(t)
  const [json, markdown] = [join(folder, 'report.json'), join(folder, 'report.md')]
  const seed = testSeed()
  const parameters = ['--seed', seed, '--states', STATE_COUNT, '--level', 0].map(String)
  const { code, output } = await start([...parameters, '--report', json, '--report', markdown])
    .ended
  assert.equal(code, 0, output)
  const report: Report = JSON.parse(readFileSync(json, 'utf8'))
  assert.equal(report.seed, seed)
  assert.equal(report.end, 'the number of states')
  assert.ok(sumOf(report.totals.judged) >= STATE_COUNT)
  assert.ok(sumOf(report.totals.built) >= sumOf(report.totals.judged))
  assert.deepEqual(report.violations, [])
  assert.match(readFileSync(markdown, 'utf8'), /^# Crash campaign\n[^]*## No violation\n$/)
  assert.ok(output.includes(`Seed ${seed}`))
})

test('Ctrl-C ends the campaign in order, with a report', TIMEOUT, async () => {
  const { child, ended } = start(['--level', '0', '--jobs', '1'])
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  child.kill('SIGINT')
  const { code, output } = await ended
  assert.equal(code, 130, output)
  assert.match(output, /ended by Ctrl-C/)
})

test('the campaign refuses a wrong command line', TIMEOUT, async () => {
  for (const parameters of [['--states', 'many'], ['--jobs', '0'], ['--what']]) {
    const { code, output } = await start(parameters).ended
    assert.equal(code, 2)
    assert.match(output, /usage: npm run crash/)
  }
})

test('a violation is kept as a file that is read back', (t) => {
  const folder = temporary(t)
  const workload = randomSequence(new Random(testSeed()))
  const finding = { eventCount: 3, where: 'after 3 events', difference: 'one\n  two' }
  const path = writeRegression(folder, { seed: 1, original: workload, workload, finding })
  assert.deepEqual(readRegression(path), workload)
})
