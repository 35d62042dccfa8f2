/** What the parent of a campaign and its workers say to each other. */
import type { CampaignResult } from './campaign.ts'

/** The parent's word, as JSON in the worker's only parameter. */
export interface WorkerOrder {
  readonly target: string
  readonly seed: number
  readonly inputCountMax: number
  readonly timeMsMax: number
  readonly withCoverage: boolean
  /** Where the worker leaves each input before it runs. */
  readonly tracePath: string
}

/** The worker's word. */
export type WorkerReport =
  | { readonly type: 'progress'; readonly inputCount: number }
  | { readonly type: 'done'; readonly result: CampaignResult; readonly coveredCount: number }
