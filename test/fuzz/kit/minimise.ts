/** Makes a failing input smaller while it fails in the same way: items, then spans, then bytes. */
import type { Input } from './target.ts'

export interface MinimiseOptions {
  /** How often the target is run at most. */
  readonly runsMax: number
  readonly timeMsMax: number
}

/** Requires: `fails(input)`. */
export async function minimise(
  input: Input,
  fails: (input: Input) => Promise<boolean>,
  { runsMax, timeMsMax }: MinimiseOptions,
): Promise<Input> {
  const deadline = performance.now() + timeMsMax
  let runs = 0
  let best = input
  const attempt = async (candidate: Input): Promise<boolean> => {
    if (++runs > runsMax || performance.now() > deadline) return false
    if (!(await fails(candidate))) return false
    best = candidate
    return true
  }
  for (let size = Math.ceil(best.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length && best.length > 1;) {
      if (!(await attempt(best.toSpliced(at, size)))) at += size
    }
  }
  for (let index = 0; index < best.length; index++) {
    await shrinkItem(() => best, index, attempt)
  }
  return best
}

async function shrinkItem(
  current: () => Input,
  index: number,
  attempt: (candidate: Input) => Promise<boolean>,
): Promise<void> {
  const item = (): Uint8Array => current()[index] ?? new Uint8Array(0)
  const replaced = (bytes: Uint8Array): Input => current().with(index, bytes)
  for (let size = Math.ceil(item().length / 2); size >= 1; size = Math.floor(size / 2)) {
    // From the end, so that what stands before keeps its place.
    for (let end = item().length; end > 0; end -= size) {
      const from = Math.max(0, end - size)
      const bytes = item()
      if (end > bytes.length) continue
      if (await attempt(replaced(without(bytes, from, end)))) continue
      if (bytes.subarray(from, end).some((byte) => byte !== 0)) {
        await attempt(replaced(Uint8Array.from(bytes).fill(0, from, end)))
      }
    }
  }
}

function without(bytes: Uint8Array, from: number, end: number): Uint8Array {
  return Uint8Array.from(Buffer.concat([bytes.subarray(0, from), bytes.subarray(end)]))
}
