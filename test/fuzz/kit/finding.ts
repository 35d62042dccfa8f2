/** What a campaign reports: an input and what it did. */
import { inspect } from 'node:util'
import type { Input } from './target.ts'

export interface Finding {
  readonly target: string
  /** The same for inputs that fail in the same way. */
  readonly signature: string
  readonly message: string
  readonly seed: number
  readonly input: Input
}

/** Tells failures apart: what was thrown, without its numbers, and where in the product. */
export function signatureOf(error: unknown): string {
  if (!(error instanceof Error)) return inspect(error)
  const frames = (error.stack ?? '').split('\n').filter((line) => line.includes('/src/'))
  const [, where = ''] = /\/src\/([^):]+:\d+)/.exec(frames[0] ?? '') ?? []
  const text = error.message.split('\n')[0] ?? ''
  return `${error.name}: ${text.replaceAll(/\d+/g, 'N').slice(0, 160)} ${where}`.trim()
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return inspect(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${messageOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
