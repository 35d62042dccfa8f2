import type { Logger } from 'pino'
import { FsError, toErrno } from '../errors.ts'

/** What is done about thrown values at the edge of any transport: log once, report bugs, give an errno. */
export class Failures {
  readonly #log: Logger
  readonly #onBug: (error: unknown) => void

  /** `onBug` is told of everything thrown that is not an `FsError`. */
  constructor(log: Logger, onBug: (error: unknown) => void) {
    this.#log = log
    this.#onBug = onBug
  }

  /** The errno (positive) that answers what `operation` has thrown. */
  errnoOf(operation: string, error: unknown): number {
    if (error instanceof FsError) {
      if (this.#log.isLevelEnabled('debug')) {
        this.#log.debug({ operation, code: error.code, reason: error.message }, 'request refused')
      }
    } else {
      this.#log.error({ operation, err: error }, 'request failed by a bug')
      this.#report(error)
    }
    return toErrno(error)
  }

  #report(error: unknown): void {
    try {
      this.#onBug(error)
    } catch (second) {
      // The request must still be answered.
      this.#log.error({ err: second }, 'reporting a bug failed')
    }
  }
}
