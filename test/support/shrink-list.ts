/** Makes a list that fails as short as it can be while it still does. */
import type { Awaitable } from '../../src/fs/operations.ts'

/**
 * Leaves out halves, quarters, and so on down to single items, the last ones first, until nothing can be
 * left out or the time is over.
 */
export async function shrinkList<Item>(
  items: readonly Item[],
  fails: (items: readonly Item[]) => Awaitable<boolean>,
  timeMsMax: number,
): Promise<readonly Item[]> {
  const deadline = performance.now() + timeMsMax
  let best = items
  for (let before = Infinity; best.length < before && performance.now() < deadline;) {
    before = best.length
    for (let size = Math.ceil(best.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let end = best.length; end > 0 && performance.now() < deadline; end -= size) {
        const rest = best.toSpliced(Math.max(0, end - size), Math.min(size, end))
        if (rest.length > 0 && (await fails(rest))) best = rest
      }
    }
  }
  return best
}
