/** What a campaign and its workers tell each other. */
import type { Violation } from './campaign.ts'
import type { Share } from './schedule.ts'
import type { Totals } from './totals.ts'

/** From the campaign to a worker: begin once, and end after the workload that is under way. */
export type ToWorker =
  | {
      readonly type: 'begin'
      readonly share: Share
      readonly stateCount: number
      readonly levelPart: number
    }
  | { readonly type: 'stop' }

export type FromWorker =
  | { readonly type: 'totals'; readonly totals: Totals }
  | { readonly type: 'violation'; readonly violation: Violation }
