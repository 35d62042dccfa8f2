/**
 * Replacing content behind the kernel's back. Reads have to wait while what is dirty in its cache is
 * collected and what is clean is dropped, and until the new content is there: so nothing old gets into
 * the cache again, and a write of a part of a page, which reads the rest first, gets the new one. Then
 * the files' locks keep writes from being staged.
 *
 * A read that waits holds pages locked, and dropping waits for those that it comes to. That is tried
 * again, with the reads let go on first. What remains for a file that is read in new places all the time
 * is that its cache shows old pages for a moment longer, until they are dropped behind the change.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { lockAll } from '../txn/lock.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import type { FsContext } from './context.ts'

const TRIES = 8

/** Longer than dropping takes when no read is in its way; so much more with each try. */
const DROP_WAIT_MS = 20

export interface Stillness {
  /** Lets writes go on. */
  unlock(): void
  /** Lets reads go on. */
  release(): void
}

/**
 * Requires: the kernel does not hold the inodes' locks. The locks of `others` are taken too, with what
 * the kernel has cached of them collected.
 */
export async function holdStill(
  context: FsContext,
  files: readonly FileState[],
  others: readonly FileState[],
): Promise<Stillness> {
  await Promise.all(others.map(async ({ ino }) => context.kernel.invalidate(ino)))
  for (let tried = 1; ; tried++) {
    const release = haveReadsWait(files)
    let dropping: Promise<unknown> | undefined
    try {
      dropping = Promise.all(files.map(async ({ ino }) => context.kernel.invalidate(ino)))
      const waitMs = tried * DROP_WAIT_MS
      const isDropped = await Promise.race([
        dropping.then(() => true),
        sleep(waitMs, false, { ref: false }),
      ])
      if (isDropped) return { unlock: await lockAll([...files, ...others]), release }
    } catch (error) {
      release()
      throw error
    }
    release()
    await dropping
    if (tried < TRIES) {
      // Reads that were in the way are answered, and not on their way again at once.
      await sleep(tried)
      continue
    }
    const unlock = await lockAll([...files, ...others])
    return { unlock, release: haveReadsWait(files) }
  }
}

const nothing = (): void => undefined

function haveReadsWait(files: readonly FileState[]): () => void {
  let release = nothing
  const replacing = new Promise<void>((resolve) => {
    release = resolve
  })
  for (const file of files) file.replacing = replacing
  return () => {
    for (const file of files) if (file.replacing === replacing) file.replacing = undefined
    release()
  }
}
