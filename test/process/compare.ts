/**
 * Whether what a crash has left is allowed. As in test/crash, the state must be that of some prefix of
 * the steps. One thing is looser here: the kernel and the daemon may publish what is written to an
 * ordinary file at any time, in parts. Such a file may hold, byte for byte, what it held before or
 * what was written since, and nothing else. Atomic files have no such freedom.
 */
import assert from 'node:assert/strict'
import { type Node, type State, differences } from '../crash/model.ts'

/** An ordinary file with writes that no fsync or close has come after. */
export interface LooseNode extends Node {
  /** Contents that it would have after each of these writes. */
  readonly later?: readonly Uint8Array[]
}

export function laterContents(node: LooseNode): readonly Uint8Array[] {
  return node.later ?? []
}

/** Requires that a state is one of those. */
export function assertAllowed(state: State, allowed: Iterable<State>): void {
  let closest: string[] | undefined
  for (const candidate of allowed) {
    const lines = differences(settled(candidate, state), state)
    if (lines.length === 0) return
    if (closest === undefined || lines.length < closest.length) closest = lines
  }
  const shown = closest?.slice(0, 10).map((line) => line.slice(0, 200))
  assert.fail(`no allowed state; the closest one differs by\n  ${shown?.join('\n  ')}`)
}

/** The candidate with what a loose file may hold replaced by what it holds, where that is allowed. */
function settled(candidate: State, state: State): State {
  const nodes = new Map(candidate.nodes)
  for (const [ino, node] of candidate.nodes) {
    const contents = [node.content, ...laterContents(node)]
    const found = state.nodes.get(ino)?.content
    if (contents.length === 1 || found === undefined) continue
    if (isMixture(found, contents)) nodes.set(ino, { ...node, content: found })
  }
  return { names: candidate.names, nodes }
}

function isMixture(found: Uint8Array, contents: readonly Uint8Array[]): boolean {
  const sizes = contents.map(({ length }) => length)
  if (found.length < Math.min(...sizes) || found.length > Math.max(...sizes)) return false
  // A file may have its new size before it has all of its new bytes.
  return found.every(
    (byte, i) =>
      contents.some((content) => content[i] === byte) ||
      (byte === 0 && contents.some((content) => i >= content.length)),
  )
}
