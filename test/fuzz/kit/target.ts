/** What is fuzzed, as data. */
import { FsError } from '../../../src/errors.ts'
import type { Random } from '../../support/random.ts'

/** Byte strings in order: one for a decoder, several for a sequence of requests or of edits. */
export type Input = readonly Uint8Array[]

export interface Target {
  readonly name: string
  /** Share of a campaign's time, against those of the others. */
  readonly weight: number
  /** A valid input, made by the project's own encoders. */
  generate(random: Random): Input
  /** Makes checksums and lengths right again, so that the code behind them is reached. */
  seal?(input: Input, random: Random): Input
  /** Throws, or rejects, when something happened that must not. */
  run(input: Input): void | Promise<void>
}

/** Runs what may refuse its input: with an FsError, and with nothing else. */
export function refusable<Value>(work: () => Value): Value | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof FsError) return undefined
    throw error
  }
}

/** The same for what may have to wait. */
export async function refusableLater<Value>(
  work: () => Value | Promise<Value>,
): Promise<Value | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof FsError) return undefined
    throw error
  }
}
