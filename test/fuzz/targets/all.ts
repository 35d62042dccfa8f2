import type { Target } from '../kit/target.ts'
import { dispatching } from './dispatching.ts'
import { requestCodecs } from './request-codecs.ts'
import { ringRecords } from './ring-records.ts'
import { storeCodecs } from './store-codecs.ts'
import { textParsers } from './text-parsers.ts'
import { volumes } from './volumes.ts'

/** Everything that is fuzzed. */
export const TARGETS: readonly Target[] = [
  ...dispatching,
  ...volumes,
  ...ringRecords,
  ...storeCodecs,
  ...requestCodecs,
  ...textParsers,
]
