/** Runs cases in a worker, one behind the other, for a time or a number of them. */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Random } from '../support/random.ts'
import { DAMAGE_KINDS } from './damages.ts'
import type { Case, Verdict } from './judge.ts'
import type { Answer } from './worker.ts'

const WORKER = fileURLToPath(new URL('worker.js', import.meta.url))
const CASE_TIMEOUT_MS = 60_000

export interface CampaignOptions {
  readonly random: Random
  /** Ends after the case in which this much time is over. */
  readonly milliseconds: number
  readonly onCase?: (wanted: Case, verdict: Verdict) => void
}

/** Every kind in turn, in both states. Throws at the first violation, with what repeats it. */
export async function runCampaign(options: CampaignOptions): Promise<number> {
  const { random, milliseconds, onCase } = options
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-corruption-'))
  const worker = fork(WORKER, [folder, String(random.seed)], { stdio: 'inherit' })
  try {
    await answerOf(worker)
    const end = performance.now() + milliseconds
    let caseCount = 0
    while (performance.now() < end) {
      const kind = DAMAGE_KINDS[caseCount % DAMAGE_KINDS.length] ?? 'block: a bit'
      const wanted: Case = { state: random.pick(['late', 'killed']), kind, seed: random.next() }
      worker.send(wanted)
      const { verdict, failure } = await answerOf(worker)
      const repeat = `with seed ${random.seed}, case ${caseCount}: ${JSON.stringify(wanted)}`
      if (verdict === undefined) throw new Error(`${failure ?? 'no verdict'}\n${repeat}`)
      onCase?.(wanted, verdict)
      caseCount++
    }
    return caseCount
  } finally {
    worker.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

function answerOf(worker: ChildProcess): Promise<Answer> {
  return new Promise((resolve) => {
    const settle = (answer: Answer): void => {
      clearTimeout(timer)
      worker.off('message', settle)
      worker.off('exit', onExit)
      resolve(answer)
    }
    const onExit = (status: number | null, signal: string | null): void => {
      settle({ failure: `The process has ended with ${signal ?? String(status)}` })
    }
    const timer = setTimeout(() => {
      settle({ failure: 'The process hangs' })
    }, CASE_TIMEOUT_MS)
    worker.on('message', settle)
    worker.on('exit', onExit)
  })
}
