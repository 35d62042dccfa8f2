/**
 * One slice of a campaign in a process of its own, so that its death or hanging is seen. Each input
 * is written to a file before it runs; the parent reads it there when this process cannot tell.
 */
import { openSync, writeSync } from 'node:fs'
import { runCampaign } from './kit/campaign.ts'
import { Coverage } from './kit/coverage.ts'
import { encodeInput } from './kit/input-codec.ts'
import type { WorkerOrder, WorkerReport } from './kit/worker-link.ts'

function report(message: WorkerReport): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, undefined, undefined, () => {
      resolve()
    })
  })
}

// eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by kit/supervise.ts
const order = JSON.parse(process.argv[2] ?? '') as WorkerOrder
// Before the product is loaded: only code that is compiled later is counted block by block.
const coverage = order.withCoverage ? new Coverage() : undefined
const { TARGETS } = await import('./targets/all.ts')
coverage?.takeNew()
const target = TARGETS.find(({ name }) => name === order.target)
if (target === undefined) throw new Error(`Cannot fuzz "${order.target}": there is no such target`)

const trace = openSync(order.tracePath, 'w')
const result = await runCampaign(target, {
  ...order,
  ...(coverage !== undefined && { coverage }),
  onInput: (input) => {
    const bytes = encodeInput(input)
    writeSync(trace, bytes, 0, bytes.length, 0)
  },
  onProgress: (inputCount) => {
    void report({ type: 'progress', inputCount })
  },
})
await report({ type: 'done', result, coveredCount: coverage?.blockCount ?? 0 })
process.exit(0)
