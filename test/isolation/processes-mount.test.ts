/**
 * Goal: what many processes do to one isolated file at the same time is as if one had done it after
 * another, and readers see one version from begin to end.
 * Method: transfers between accounts, acknowledged ones noted outside of the mount; writers are killed,
 * the daemon is killed; at the end an order is looked for that has all of them.
 *
 * OATOMIC_ISOLATION_SECONDS says for how long, OATOMIC_SEED repeats what each process does.
 */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { mounted } from '../mount/support/mount.ts'
import type { Running } from '../mount/support/run.ts'
import { Random, testSeed } from '../support/random.ts'
import { judge, makeBank, startProgram } from './support/transfers.ts'

const SECONDS = Number(process.env['OATOMIC_ISOLATION_SECONDS'] ?? 8)
const WRITER_COUNT = 4
const READER_COUNT = 2

test(
  'transfers of many processes have an order, and no reader sees half of one',
  { timeout: (SECONDS + 60) * 1000 },
  async (context) => {
    const seed = testSeed()
    context.diagnostic(`OATOMIC_SEED=${seed}`)
    const random = new Random(seed)
    const mount = await mounted(context)
    const notes = join(mount.folder, 'notes')
    await mkdir(notes)
    const bank = { file: mount.at('bank'), notes, seed }
    await makeBank(bank)
    let endedCount = 0
    let started = 0
    const begin = (kind: 'write' | 'read' | 'die'): Running =>
      startProgram(bank, kind, `${kind}${started++}`)
    const running = [
      ...Array.from({ length: WRITER_COUNT }, () => begin('write')),
      ...Array.from({ length: READER_COUNT }, () => begin('read')),
    ]
    const end = Date.now() + SECONDS * 1000
    while (Date.now() < end) {
      await Promise.all(running.map(async (program) => program.said('ready')))
      await sleep(200 + random.int(800))
      assertRunning(running)
      const dying = begin('die')
      await dying.ended
      const index = random.int(WRITER_COUNT)
      await killed(running[index])
      endedCount++
      running[index] = begin('write')
    }
    await Promise.all(running.map(async (program) => program.said('ready')))
    assertRunning(running)
    await mount.kill()
    await Promise.all(running.map(killed))
    endedCount += WRITER_COUNT
    await mount.remount()
    const count = await judge(bank, endedCount)
    context.diagnostic(`${count} transfers, ${endedCount} writers killed`)
    assert.ok(count > 0)
    await mount.unmount()
  },
)

function assertRunning(running: readonly Running[]): void {
  for (const { process } of running) {
    assert.equal(process.exitCode, null, 'a program has ended by itself')
  }
}

/** Kills a program, which must have found nothing wrong. */
async function killed(program: Running | undefined): Promise<void> {
  const ended = await program?.killed()
  assert.doesNotMatch(ended?.stderr ?? '', /AssertionError|SyntaxError|NameError/)
}
