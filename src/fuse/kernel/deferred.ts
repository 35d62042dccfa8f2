/** A promise that somebody else settles; only the first settling counts. */
export class Deferred<Value> {
  readonly promise: Promise<Value>
  #resolve: ((value: Value) => void) | undefined
  #reject: ((error: unknown) => void) | undefined

  constructor() {
    this.promise = new Promise<Value>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever waits hears of a failure; that nobody waits is no failure.
    this.promise.catch(() => undefined)
  }

  resolve(value: Value): void {
    this.#resolve?.(value)
  }

  reject(error: unknown): void {
    this.#reject?.(error)
  }
}
