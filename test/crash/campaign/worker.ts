/** A process that works on one share of a campaign. */
import process from 'node:process'
import { Campaign } from './campaign.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { NO_TOTALS, type Totals } from './totals.ts'

/** How often the campaign is told how far this is. */
const TOTALS_MS = 500

let isStopped = false
let totals = NO_TOTALS
let toldAt = 0

// The terminal sends Ctrl-C to every process; the campaign decides what it means.
process.on('SIGINT', () => undefined)
process.on('disconnect', () => {
  process.exit(1)
})
process.on('message', (message: ToWorker) => {
  if (message.type === 'stop') isStopped = true
  else void work(message)
})

async function work({ share, stateCount, levelPart }: ToWorker & { type: 'begin' }): Promise<void> {
  const campaign = new Campaign({
    share,
    stateCount,
    levelPart,
    isStopped: () => isStopped,
    onTotals: note,
    onViolation: (violation) => {
      tell({ type: 'violation', violation })
    },
  })
  await campaign.run()
  process.removeAllListeners('disconnect')
  tell({ type: 'totals', totals }, () => {
    process.exit(0)
  })
}

function note(now: Totals): void {
  totals = now
  if (performance.now() - toldAt < TOTALS_MS) return
  toldAt = performance.now()
  tell({ type: 'totals', totals })
}

function tell(message: FromWorker, done: () => void = () => undefined): void {
  process.send?.(message, done)
}
