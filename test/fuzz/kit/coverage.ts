/**
 * Which blocks of the product's code have run, as V8 counts them. Counting costs nothing that can be
 * measured here; asking what is new takes 0.2 ms and more, so it is asked once for many inputs.
 */
import { type Profiler, Session } from 'node:inspector'

const IS_PRODUCT = /\/dist\/src\//

export class Coverage {
  /** Blocks seen so far. */
  blockCount = 0
  private readonly session = new Session()
  /** Bytes of each function that have not run. */
  private readonly missing = new Map<string, number>()

  constructor() {
    this.session.connect()
    this.session.post('Profiler.enable')
    this.session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })
  }

  /** Whether anything ran that had not since the last call. */
  takeNew(): boolean {
    let found = false
    for (const { url, functions } of this.take()) {
      if (!IS_PRODUCT.test(url)) continue
      for (const each of functions) found = this.note(url, each) || found
    }
    return found
  }

  close(): void {
    this.session.disconnect()
  }

  private take(): readonly Profiler.ScriptCoverage[] {
    let taken: readonly Profiler.ScriptCoverage[] = []
    // The session is in this very process: the answer is there when the call returns.
    this.session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error === null) taken = result
    })
    return taken
  }

  private note(url: string, { functionName, ranges }: Profiler.FunctionCoverage): boolean {
    const [whole, ...parts] = ranges
    if (whole === undefined || whole.count === 0) return false
    const key = `${url} ${functionName} ${whole.startOffset}`
    const missing = parts
      .filter(({ count }) => count === 0)
      .reduce((sum, { startOffset, endOffset }) => sum + endOffset - startOffset, 0)
    const before = this.missing.get(key)
    if (before !== undefined && before <= missing) return false
    this.missing.set(key, missing)
    this.blockCount++
    return true
  }
}
