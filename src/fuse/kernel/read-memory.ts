/** Memory that the answers to large reads lie in, for one read after the other. */
import { AlignedPool } from '../../device/aligned-memory.ts'
import type { ReadMemory } from '../../fs/operations.ts'
import type { Reply } from './edge.ts'

const pool = new AlignedPool()

/** What one read has taken. */
export class LentMemory implements ReadMemory {
  readonly #taken: Buffer[] = []

  take(sizeBytes: number): Buffer {
    const buffer = pool.acquire(sizeBytes)
    this.#taken.push(buffer)
    return buffer
  }

  giveBack(): void {
    for (const buffer of this.#taken.splice(0)) pool.release(buffer)
  }

  /** An answer that is given back when it is sent. */
  reply(pieces: readonly Uint8Array[]): Reply {
    if (this.#taken.length === 0) return pieces
    return {
      pieces,
      giveBack: () => {
        this.giveBack()
      },
    }
  }
}
