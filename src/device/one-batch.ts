import { FsError, invariant } from '../errors.ts'

/**
 * The rule of every index: one batch at a time, and none after one that failed. What a failed batch
 * left is unknown, and LevelDB has been seen to lose acknowledged batches that came after it.
 */
export class OneBatch {
  #isUnderWay = false
  #failure: unknown

  /** Runs a batch; its rejection is the last thing that happens here. */
  async run(batch: () => Promise<void>): Promise<void> {
    invariant(!this.#isUnderWay, 'one index batch is under way at a time')
    if (this.#failure !== undefined) {
      throw new FsError('EIO', 'Cannot change the index: an earlier batch failed', {
        cause: this.#failure,
      })
    }
    this.#isUnderWay = true
    try {
      await batch()
    } catch (error) {
      this.#failure = error
      throw error
    } finally {
      this.#isUnderWay = false
    }
  }
}
