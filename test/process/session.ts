/**
 * A workload on a real mount, and the oracle that watches over it. The recording of what reaches the
 * disk has marks: one before each step and one after, each behind all that was recorded by then. So
 * of a crash it is known which steps had begun and which had been answered.
 */
import { type State, emptyState } from '../crash/model.ts'
import { type Action, Oracle } from '../crash/oracle.ts'
import type { Worker } from './worker.ts'

export interface OpenedFile {
  readonly ino: number
  readonly isAtomic: boolean
}

export class Session {
  readonly worker: Worker
  readonly oracle: Oracle
  readonly opened = new Map<string, OpenedFile>()
  /** Content that is written and not published, by inode. Never changed, only replaced. */
  readonly staged = new Map<number, Uint8Array>()
  readonly #mark: () => Promise<void>
  #markCount = 0

  /** `mark` puts a mark into the recording; it resolves when it is there. */
  constructor(worker: Worker, mark: () => Promise<void>, start: State = emptyState()) {
    this.worker = worker
    this.#mark = mark
    this.oracle = new Oracle(start, () => this.#markCount)
  }

  async step({ apply, isDurable = false, run }: Action): Promise<void> {
    await this.mark()
    await this.oracle.step({
      apply,
      isDurable,
      run: async () => {
        await run()
        await this.mark()
      },
    })
  }

  async mark(): Promise<void> {
    await this.#mark()
    this.#markCount++
  }
}
