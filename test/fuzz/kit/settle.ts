/** Waits for asynchronous work that may never end: a device in memory is done in some turns. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

const TURNS_MAX = 20_000
/** The product waits for a moment where it gives the kernel time. */
const SLEEPS_MAX = 400

/** Resolves with whether `isDone` came true. */
export async function waitUntil(isDone: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    if (isDone()) return true
    await nextTurn()
  }
  for (let turn = 0; turn < SLEEPS_MAX; turn++) {
    if (isDone()) return true
    await sleep(5)
  }
  return false
}

/** What a promise gives, or an error when it gives nothing. */
export async function inTurns<Value>(what: string, work: Promise<Value>): Promise<Value> {
  let isDone = false
  const watched = work.finally(() => {
    isDone = true
  })
  // Whoever reads the result sees the rejection; nobody may, when it comes too late.
  watched.catch(() => undefined)
  if (!(await waitUntil(() => isDone))) throw new Error(`${what} does not end`)
  return watched
}
