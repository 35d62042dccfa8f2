import type { IndexPage } from './device.ts'

/** The entries of an index one by one; slower than page by page, where there are very many. */
export async function* eachEntry(
  pages: AsyncIterable<IndexPage>,
): AsyncGenerator<IndexPage[number], void> {
  for await (const page of pages) yield* page
}
