/** Runs one slice of a campaign in a worker, and survives whatever becomes of it. */
import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CampaignResult } from './campaign.ts'
import type { Finding } from './finding.ts'
import { decodeInput } from './input-codec.ts'
import type { Input } from './target.ts'
import type { WorkerOrder, WorkerReport } from './worker-link.ts'

const HEAP_MIB_MAX = 1024

/** A worker says something each second, and is silent while it makes a failure smaller. */
const DEFAULTS = { script: join(import.meta.dirname, '..', 'worker.js'), silenceMsMax: 90_000 }

export interface SliceResult extends CampaignResult {
  readonly coveredCount: number
}

/** Resolves also when the worker dies or hangs: with the input that it was running as a finding. */
export function runSlice(
  order: WorkerOrder,
  { script, silenceMsMax } = DEFAULTS,
): Promise<SliceResult> {
  const started = performance.now()
  const worker = fork(script, [JSON.stringify(order)], {
    execArgv: ['--enable-source-maps', `--max-old-space-size=${HEAP_MIB_MAX}`],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  return new Promise((resolve) => {
    watch(worker, silenceMsMax, (end) => {
      if (typeof end === 'object') {
        resolve(end)
        return
      }
      const { target, seed } = order
      const timeMs = performance.now() - started
      const findings = [deathOf(order, end)]
      resolve({
        target,
        seed,
        inputCount: 0,
        timeMs,
        newCoverageCount: 0,
        coveredCount: 0,
        findings,
      })
    })
  })
}

/** Calls back once, with a worker's result or with what became of it. */
function watch(
  worker: ChildProcess,
  silenceMsMax: number,
  onEnd: (end: SliceResult | string) => void,
): void {
  let result: SliceResult | undefined
  let isSilent = false
  let errors = ''
  const startTimer = (): NodeJS.Timeout =>
    setTimeout(() => {
      isSilent = true
      worker.kill('SIGKILL')
    }, silenceMsMax)
  let timer = startTimer()
  worker.stderr?.on('data', (text: Buffer) => {
    errors = (errors + text.toString()).slice(-4000)
  })
  worker.on('message', (message: WorkerReport) => {
    clearTimeout(timer)
    timer = startTimer()
    if (message.type === 'done') {
      result = { ...message.result, coveredCount: message.coveredCount }
    }
  })
  worker.on('close', (code, signal) => {
    clearTimeout(timer)
    const why = isSilent ? 'the input does not end' : `the process ended with ${code ?? signal}`
    onEnd(result ?? `${why}\n${errors}`.trim())
  })
}

function deathOf({ target, seed, tracePath }: WorkerOrder, why: string): Finding {
  const signature = why.split('\n')[0] ?? ''
  return { target, signature, message: why, seed, input: traced(tracePath) }
}

function traced(path: string): Input {
  try {
    return decodeInput(readFileSync(path))
  } catch {
    return []
  }
}
