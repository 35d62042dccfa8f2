/**
 * Goal: the campaign's sequences leave allowed states, a slice of them here; and the campaign would
 * notice if they did not: a fault is found and made small.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeviceEvent, DeviceLog } from '../../support/devices/device-log.ts'
import { Random, testSeed } from '../../support/random.ts'
import { Jury } from '../jury.ts'
import { Campaign, type Violation } from './campaign.ts'
import { type ExamineOptions, examine } from './examine.ts'
import { OPERATIONS, type Workload } from './operations.ts'
import { randomSequence } from './random-sequence.ts'
import { showViolation } from './report.ts'
import { withoutImpossible } from './edits.ts'
import { shrink } from './shrink.ts'
import { parseWorkload, printWorkload } from './text.ts'
import { NO_TOTALS, type Totals, sumOf } from './totals.ts'

const TIMEOUT = { timeout: 240_000 }
const STATE_COUNT = 3300
const STATE_COUNT_MIN = 3000

test('a slice of the campaign finds no state that is not allowed', TIMEOUT, async (t) => {
  const seed = testSeed()
  let totals: Totals = NO_TOTALS
  const violations: Violation[] = []
  const campaign = new Campaign({
    share: { seed, job: 0, jobCount: 1, all: false },
    stateCount: STATE_COUNT,
    levelPart: 0.1,
    isStopped: () => false,
    onTotals: (now) => {
      totals = now
    },
    onViolation: (violation) => violations.push(violation),
  })
  await campaign.run()
  assert.deepEqual(violations.flatMap(showViolation), [])
  const judgedCount = sumOf(totals.judged)
  assert.ok(judgedCount >= STATE_COUNT_MIN)
  const workloads = sumOf(totals.workloads) + totals.levelWorkloads
  t.diagnostic(`${judgedCount} states of ${workloads} workloads, OATOMIC_SEED=${seed}`)
})

test('a fault of the device is found and made small', TIMEOUT, async () => {
  const workload = withSync(randomSequence(new Random(testSeed()), { length: 12 }))
  const lying = { ...optionsFor(), logOf: flushesDoNothing }
  const { finding } = await examine(workload, lying)
  assert.ok(finding !== undefined, `found in ${printWorkload(workload)}`)
  const small = await shrink(
    { workload, finding },
    {
      examine: async (other) => (await examine(other, { ...lying, jury: new Jury() })).finding,
      isOver: () => false,
    },
  )
  const text = printWorkload(small.workload)
  const { setup, operations } = small.workload
  assert.ok(setup.length + operations.length <= 3, text)
  assert.ok(text.length < 100, text)
  assert.equal((await examine(parseWorkload(text), lying)).finding?.where, small.finding.where)
  assert.equal((await examine(parseWorkload(text), optionsFor())).finding, undefined, text)
})

test('parseWorkload() reads what printWorkload() writes, for every operation', () => {
  const random = new Random(testSeed())
  const seen = new Set<string>()
  for (let i = 0; i < 200; i++) {
    const workload = randomSequence(random)
    assert.deepEqual(parseWorkload(printWorkload(workload)), workload)
    assert.deepEqual(withoutImpossible(workload), workload, 'every operation is possible')
    for (const { type } of workload.operations) seen.add(type)
  }
  const level = { type: 'fill', path: '/d', size: 100 } as const
  const text = printWorkload({ ...randomSequence(random), operations: [level] })
  assert.deepEqual(parseWorkload(text).operations, [level])
  assert.deepEqual([...seen, level.type].toSorted(), Object.keys(OPERATIONS).toSorted())
})

test('parseWorkload() refuses what is no workload', () => {
  for (const text of [
    '',
    'ring=256 space=0 timing=1: create /a a 1',
    'ring=256 space=0 timing=1: >> create /a a',
    'ring=256 space=0 timing=1: >> create a a 1',
    'ring=256 space=0 timing=1: >> destroy /a',
    'ring=256 space=0 timing=1: >> write a x 1 1',
    'ring=256 space=0 timing=1: >> atomic /a maybe',
    'ring=256 space=0 timing=1: >> onclose /a perhaps',
  ]) {
    assert.throws(() => parseWorkload(text), SyntaxError, text)
  }
})

function optionsFor(): ExamineOptions {
  return { jury: new Jury(), randomCount: 1, omittedCount: 0, recoveryOneIn: 0, salt: 1 }
}

/** Ends with something that an fsync has promised. */
function withSync(workload: Workload): Workload {
  const promised = parseWorkload(
    'ring=256 space=0 timing=0: >> create /z z 1; write z 0 100 1; fsync z',
  )
  return { ...workload, operations: [...workload.operations, ...promised.operations] }
}

/** A disk that acknowledges flushes and durable writes and keeps all in its cache. */
function flushesDoNothing(log: DeviceLog): DeviceLog {
  return { start: log.start, events: log.events.map(lie) }
}

function lie(event: DeviceEvent): DeviceEvent {
  if (event.type !== 'start' && event.type !== 'end') return event
  const { call } = event
  if (call.type === 'durable') return { ...event, call: { ...call, type: 'direct' } }
  if (call.type === 'flush') return { ...event, call: { ...call, part: 'superblock' } }
  return event
}
