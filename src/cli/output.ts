import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Prints lines as fast as the reader takes them; a reader that has enough of them is no error. */
export async function printLines(lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
  async function* withEnds() {
    for await (const line of lines) yield `${line}\n`
  }
  try {
    await pipeline(Readable.from(withEnds()), process.stdout, { end: false })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) throw error
  }
}
