/** Opens what a crash has left and compares it with what the oracle allows. */
import assert from 'node:assert/strict'
import type { MemoryDevice } from '../../src/device/memory-device.ts'
import type { Engine } from '../../src/txn/engine.ts'
import { type TestFilesystem, openTestFilesystem } from '../support/volume.ts'
import { type State, differences } from './model.ts'
import { observe } from './observe.ts'
import { structureFaults } from './structure.ts'

/** Requires of an image that it is one of the allowed states and in good order; returns the state. */
export async function judge(
  name: string,
  device: MemoryDevice,
  allowed: Iterable<State>,
): Promise<State> {
  try {
    const opened = await openTestFilesystem(device)
    assert.equal(opened.volume.report.damage, undefined)
    const state = await observe(opened.fs)
    assertAllowed(state, allowed)
    await assertStructure(opened, device)
    return state
  } catch (error) {
    throw new Error(`After a crash at ${name}: ${String(error)}`, { cause: error })
  }
}

export function assertAllowed(state: State, allowed: Iterable<State>): void {
  let closest: string[] | undefined
  for (const candidate of allowed) {
    const lines = differences(candidate, state)
    if (lines.length === 0) return
    if (closest === undefined || lines.length < closest.length) closest = lines
  }
  assert.fail(`no allowed state; the closest one differs by\n  ${closest?.join('\n  ')}`)
}

/** Requires what must hold of every volume that is in use, and closes it. */
async function assertStructure(
  { fs, volume }: TestFilesystem,
  device: MemoryDevice,
): Promise<void> {
  await fs.finish()
  assert.deepEqual(structureFaults(device.image()), [])
  assertNoBlockLost(volume.engine)
}

/** Requires: nothing is staged, and a checkpoint has freed what was removed. */
export function assertNoBlockLost({ store: { allocator } }: Engine): void {
  const freeCount = allocator.blockCount - 1 - allocator.mappedCount
  assert.equal(allocator.availableCount, freeCount, 'no block is lost until the next mount')
}
