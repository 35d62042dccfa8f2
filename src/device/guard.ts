import { FsError } from '../errors.ts'
import type { CallsUnderWay } from './calls-under-way.ts'

const never = (_error: unknown): boolean => false

/** Whether the device may still be changed, and its calls that are under way. */
export class Guard {
  readonly #calls: CallsUnderWay
  #failure: { readonly error: unknown } | undefined
  #listener: (error: unknown) => void = () => undefined

  constructor(calls: CallsUnderWay) {
    this.#calls = calls
  }

  onFailure(listener: (error: unknown) => void): void {
    this.#listener = listener
    if (this.#failure !== undefined) listener(this.#failure.error)
  }

  async change(what: string, work: () => Promise<void>): Promise<void> {
    this.#assertIntact(what)
    try {
      await this.#calls.run(what, work, true)
    } catch (error) {
      this.#fail(error)
      throw error
    }
    // Another change has failed meanwhile: what this one made durable may build on that.
    this.#assertIntact(what)
  }

  /** The same for a call that is over when it returns; `isHarmless` errors have changed nothing. */
  changeNow(what: string, work: () => void, isHarmless = never): void {
    this.#assertIntact(what)
    try {
      work()
    } catch (error) {
      if (!isHarmless(error)) this.#fail(error)
      throw error
    }
  }

  read<Value>(what: string, work: () => Promise<Value>): Promise<Value> {
    return this.#calls.run(what, work)
  }

  async *readEach<Item>(what: string, items: AsyncIterable<Item>): AsyncGenerator<Item, void> {
    const iterator = items[Symbol.asyncIterator]()
    let isWaiting = true
    try {
      for (;;) {
        isWaiting = true
        const step = await this.#calls.run(what, () => iterator.next())
        isWaiting = false
        if (step.done === true) return
        yield step.value
      }
    } finally {
      // Of one that was given up, this too would have to be waited for.
      if (!isWaiting) await iterator.return?.()
    }
  }

  async close(work: () => Promise<void>): Promise<void> {
    if (this.#calls.hasLost) {
      throw new FsError('EIO', 'Cannot close the volume: the disk does not answer')
    }
    await this.#calls.run('close the volume', work)
  }

  #assertIntact(what: string): void {
    if (this.#failure === undefined) return
    const message = `Cannot ${what}: an earlier change of the volume has failed`
    throw new FsError('EIO', message, { cause: this.#failure.error })
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error }
    this.#listener(error)
  }
}
