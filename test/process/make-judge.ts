/**
 * What a power cut may leave of a volume that is being made: nothing, something that the next make
 * recognises as unfinished and makes again, or a good volume. Once the command has returned: a good
 * one. Until it is good, opening it says that it must be made.
 */
import assert from 'node:assert/strict'
import { during } from '../support/devices/at-end.ts'
import { makeHostFolder } from '../support/loop-disk/host-filesystem.ts'
import { attemptOatomic, oatomic, recoverByBinary } from './binary.ts'
import { type Recoverer, stateOf } from './recoverer.ts'

/** What opening says of what is no volume yet. */
const UNFINISHED = /it was never finished; make it again|there is no volume/
const MAKE_IT =
  /it was never finished; make it again|make it with: oatomic make|oatomic make DIRECTORY/

export async function judgeMade(
  recoverer: Recoverer,
  volume: string,
  isAcknowledged: boolean,
): Promise<void> {
  try {
    assertEmpty(stateOf(await recoverer.recover(volume)))
  } catch (error) {
    assert.ok(!isAcknowledged, `a volume that was made cannot be opened: ${String(error)}`)
    assert.match(String(error), UNFINISHED)
    await recoverer.make(volume)
    assertEmpty(stateOf(await recoverer.recover(volume)))
  }
  await assert.rejects(recoverer.make(volume), /there is one already/)
}

/** The same by the program as users have it. */
export async function judgeMadeByBinary(volume: string, isAcknowledged: boolean): Promise<void> {
  await during(async (lifetime) => {
    const folder = await makeHostFolder(lifetime)
    const plain = await attemptOatomic('mount', volume, folder)
    if (plain.status !== 0) {
      assert.ok(!isAcknowledged, `a volume that was made cannot be mounted: ${plain.stderr}`)
      assert.match(plain.stderr, MAKE_IT)
      await oatomic('mount', '-o', 'create', volume, folder)
    }
    await oatomic('unmount', folder)
    assertEmpty(await recoverByBinary(lifetime, volume))
  })
}

function assertEmpty({ names }: { readonly names: ReadonlyMap<string, number> }): void {
  assert.deepEqual([...names.keys()], [])
}
