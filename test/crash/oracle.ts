/**
 * Which states a crash may leave.
 *
 * A workload is a list of steps in the order in which they were begun; a step has one effect, or
 * several that ran at the same time. Whatever the moment of the crash, the state must be that of
 * some prefix of the list, with any of the effects of the step at its end:
 *
 *   - not shorter than what was acknowledged: a power cut may take only what no fsync (or
 *     checkpoint) that has returned came after; the death of the process nothing that was answered;
 *   - not longer than what had been begun.
 *
 * Ordinary files are judged as strictly as atomic ones: nothing publishes them behind the back of a
 * workload, so their publish points are known too. That a block holds what was never written to its
 * file, or a mix, cannot match any state.
 */
import { type State, cloneState } from './model.ts'

export interface Effect {
  readonly apply: (state: State) => void
  /** Whether the step acknowledges itself and everything before it as durable. */
  readonly isDurable: boolean
  /** Events of the device's log when the call was answered. */
  answeredAt: number
}

interface Step {
  readonly begunAt: number
  readonly effects: readonly Effect[]
}

/** A crash: after how many events, and whether it was only the process that died. */
export interface Crash {
  readonly eventCount: number
  readonly isKill: boolean
}

/** One call and what it does to the model. */
export interface Action {
  readonly apply: (state: State) => void
  readonly isDurable?: boolean
  readonly run: () => unknown
}

export class Oracle {
  /** Everything that was answered. */
  readonly live: State
  /** The moment that it is now, as the crashes count them. */
  readonly now: () => number
  private readonly steps: Step[] = []
  /** `before[k]` is the state before step k. */
  private readonly before: State[]
  private readonly marks: { readonly at: number; readonly stepCount: number }[] = []

  constructor(start: State, now: () => number) {
    this.now = now
    this.live = cloneState(start)
    this.before = [cloneState(start)]
  }

  get stepCount(): number {
    return this.steps.length
  }

  /** Runs calls at the same time, as one step. Of one that throws nobody knows whether it happened. */
  async step(...actions: readonly Action[]): Promise<void> {
    const effects = actions.map(({ apply, isDurable = false }): Effect => ({
      apply,
      isDurable,
      answeredAt: Infinity,
    }))
    this.steps.push({ begunAt: this.now(), effects })
    await Promise.all(
      actions.map(async ({ apply, run }, i) => {
        await run()
        const effect = effects[i]
        if (effect !== undefined) effect.answeredAt = this.now()
        apply(this.live)
      }),
    )
  }

  /** Runs one call that does several things one after the other, some of them at the same time. */
  async series(
    parts: readonly (readonly ((state: State) => void)[])[],
    run: () => unknown,
  ): Promise<void> {
    const begunAt = this.now()
    const begun = parts
      .filter((part) => part.length > 0)
      .map((part): Step => {
        const effects = part.map((apply) => ({ apply, isDurable: false, answeredAt: Infinity }))
        return { begunAt, effects }
      })
    this.steps.push(...begun)
    await run()
    for (const effect of begun.flatMap(({ effects }) => effects)) {
      effect.answeredAt = this.now()
      effect.apply(this.live)
    }
  }

  /** Forgets the last step: its call failed in a way that changes nothing. */
  retract(): void {
    this.steps.pop()
  }

  /** The first steps are durable from now on, whatever follows. */
  acknowledge(stepCount: number): void {
    this.marks.push({ at: this.now(), stepCount })
  }

  /** The same for two crashes exactly if `allowed` is. */
  windowOf(crash: Crash): string {
    const first = this.firstAllowed(crash)
    const begun = this.begunCount(crash)
    const needed = this.steps
      .slice(first, begun)
      .map(({ effects }) => effects.map((effect) => Number(isAnswered(effect, crash))).join(''))
    return `${first} ${begun} ${needed.join(' ')}`
  }

  /** All states that a crash may leave, the longest prefix first. */
  *allowed(crash: Crash): Generator<State> {
    const begun = this.begunCount(crash)
    const first = this.firstAllowed(crash)
    yield this.stateBefore(begun)
    for (let k = begun - 1; k >= first; k--) {
      const effects = this.steps[k]?.effects ?? []
      const isNeeded = effects.map((effect) => isAnswered(effect, crash))
      for (let subset = 2 ** effects.length - 2; subset >= 0; subset--) {
        const isThere = effects.map((_, i) => (subset & (1 << i)) !== 0)
        if (isNeeded.some((needed, i) => needed && isThere[i] !== true)) continue
        const state = cloneState(this.stateBefore(k))
        for (const [i, effect] of effects.entries()) if (isThere[i] === true) effect.apply(state)
        yield state
      }
    }
  }

  private begunCount({ eventCount }: Crash): number {
    return this.steps.filter(({ begunAt }) => begunAt <= eventCount).length
  }

  private firstAllowed(crash: Crash): number {
    let first = 0
    for (const { at, stepCount } of this.marks) {
      if (at <= crash.eventCount) first = Math.max(first, stepCount)
    }
    for (const [k, { effects }] of this.steps.entries()) {
      if (effects.some((effect) => isAnswered(effect, crash))) first = Math.max(first, k)
    }
    return first
  }

  private stateBefore(k: number): State {
    for (let i = this.before.length; i <= k; i++) {
      const state = cloneState(this.before[i - 1] ?? this.live)
      for (const effect of this.steps[i - 1]?.effects ?? []) effect.apply(state)
      this.before.push(state)
    }
    return this.before[k] ?? this.live
  }
}

/** Whether a crash at this moment must not take an effect away. */
function isAnswered(effect: Effect, { eventCount, isKill }: Crash): boolean {
  return effect.answeredAt <= eventCount && (isKill || effect.isDurable)
}
