import { FsError } from '../errors.ts'
import type { Engine } from './engine.ts'
import type { ShadowFork } from './shadow-fork.ts'

/** Waits until what was spilled of forks is durable. Throws FsError EIO when that cannot be. */
export async function settle(engine: Engine, forks: readonly ShadowFork[]): Promise<void> {
  await Promise.all(forks.flatMap((fork) => [...fork.writesUnderWay]))
  engine.health.assertDurable()
  try {
    await engine.store.device.blocks.flush()
  } catch (error) {
    engine.health.fail(error)
    throw new FsError('EIO', 'Cannot flush file data; the volume is now read-only', {
      cause: error,
    })
  }
}
