import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { IdlePoll, type IdlePollPlace } from '../../src/fuse/kernel/idle-poll.ts'

const TIMEOUT = { timeout: 20_000 }

const GAP_NS = 300_000n
const NOTHING = 2_000_000_000

/** A machine whose limit is a file that keeps all that was asked for. */
async function machine(
  context: TestContext,
  driver = 'haltpoll',
): Promise<Required<IdlePollPlace>> {
  const folder = await mkdtemp(join(tmpdir(), 'oatomic-idle-'))
  context.after(() => rm(folder, { recursive: true, force: true }))
  const place = { device: join(folder, 'device'), driver: join(folder, 'driver') }
  writeFileSync(place.device, '')
  writeFileSync(place.driver, `${driver}\n`)
  return { ...place, processorCount: 2 }
}

function asked({ device }: Required<IdlePollPlace>): number[] {
  const content = readFileSync(device)
  return Array.from({ length: content.length / 4 }, (_, i) => content.readInt32LE(4 * i))
}

function serve(idlePoll: IdlePoll, count: number, gapNs: bigint): void {
  const start = process.hrtime.bigint()
  for (let i = 0; i < count; i++) idlePoll.served(start + BigInt(i) * gapNs)
}

test('processors poll while turns follow each other, and halt after', TIMEOUT, async (context) => {
  const place = await machine(context)
  const idlePoll = IdlePoll.open(place)
  assert.ok(idlePoll)
  serve(idlePoll, 100, GAP_NS / 2n)
  assert.deepEqual(asked(place), [0])
  while (asked(place).length < 2) await sleep(1)
  assert.deepEqual(asked(place), [0, NOTHING])
  serve(idlePoll, 100, GAP_NS / 2n)
  assert.deepEqual(asked(place).slice(2), [0])
  idlePoll.close()
  idlePoll.close()
  serve(idlePoll, 100, GAP_NS / 2n)
  assert.deepEqual(asked(place).slice(2), [0])
})

test('turns that come now and then, or a few, change nothing', TIMEOUT, async (context) => {
  const place = await machine(context)
  const idlePoll = IdlePoll.open(place)
  assert.ok(idlePoll)
  serve(idlePoll, 100, 2n * GAP_NS)
  for (let i = 0; i < 10; i++) {
    serve(idlePoll, 5, GAP_NS / 2n)
    await sleep(2)
  }
  assert.deepEqual(asked(place), [])
  idlePoll.close()
})

test(
  'it is not done where it costs much, helps little, or is not allowed',
  TIMEOUT,
  async (context) => {
    const place = await machine(context)
    assert.equal(IdlePoll.open({ ...place, processorCount: 64 }), undefined)
    assert.equal(IdlePoll.open({ ...place, device: '/nonexistent/device' }), undefined)
    assert.equal(IdlePoll.open({ ...place, driver: '/nonexistent/driver' }), undefined)
    assert.deepEqual(asked(place), [])
    assert.equal(IdlePoll.open(await machine(context, 'intel_idle')), undefined)
  },
)
