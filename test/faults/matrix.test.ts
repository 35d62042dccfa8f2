/**
 * Goal: whichever call of the device fails, the caller is told, nothing is reported as durable any
 * more, what is published can be read, and the next mount finds everything that was acknowledged.
 * Method: run each phase of a volume's life once to list its calls; then, for each n and each way to
 * fail, run it with the n-th call failing, look at the live volume, and open what the death of the
 * process or a power cut leaves of it.
 *
 * Of phases with very many calls, reads are sampled, and each other call fails in one way;
 * OATOMIC_FAULTS=all tries everything there too.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { CallKind } from '../support/devices/faulty-device.ts'
import { Random, testSeed } from '../support/random.ts'
import { PHASES, type Phase } from './support/phases.ts'
import { isRead, prepare, resultsOf, runCase, traceOf } from './support/run-case.ts'
import { Tally } from './support/tally.ts'

const TEST = { timeout: 600_000 }
const isThorough = process.env['OATOMIC_FAULTS'] === 'all'

for (const phase of PHASES) {
  test(`${phase.name}: every call fails in every way`, TEST, async (context) => {
    const random = new Random(testSeed())
    context.diagnostic(`seed ${random.seed}`)
    await runPhase(context, phase, random)
  })
}

async function runPhase(context: TestContext, phase: Phase, random: Random): Promise<void> {
  const start = await prepare(phase)
  const trace = await traceOf(phase, start)
  const tally = new Tally()
  const isSampled = phase.readCount !== undefined && !isThorough
  for (const [n, kind] of trace.entries()) tally.call(phase.name, kind, n)
  for (const n of chosen(phase, trace, random)) {
    const kind = trace[n]
    if (kind === undefined) continue
    const results = resultsOf(kind)
    for (const result of isSampled ? [random.pick(results)] : results) {
      try {
        await runCase(phase, start, { call: n, result }, random)
      } catch (error) {
        throw new Error(`Call ${n} (${kind}) with ${result}: ${String(error)}`, { cause: error })
      }
      tally.struck(phase.name, kind, n)
    }
  }
  tally.print(context)
  assert.deepEqual(
    tally.missed((kind) => !isSampled || !isRead(kind)),
    [],
  )
}

/** All calls, or some of each kind of read and all others. */
function chosen(phase: Phase, trace: readonly CallKind[], random: Random): number[] {
  const all = [...trace.keys()]
  if (phase.readCount === undefined || isThorough) return all
  const kinds = [...new Set(trace)].filter(isRead)
  const each = Math.ceil(phase.readCount / kinds.length)
  const reads = kinds.flatMap((kind) =>
    random.shuffle(all.filter((n) => trace[n] === kind)).slice(0, each),
  )
  return [...all.filter((n) => !isRead(trace[n] ?? 'index.get')), ...reads]
}
