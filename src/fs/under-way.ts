import type { Ino } from '../store/inode.ts'

/** Work that something is done about an inode, one after the other; nothing of it rejects. */
export class UnderWay {
  private readonly works = new Map<Ino, Promise<void>>()

  /** Begins something, behind what is under way for the inode. A failure only ends it. */
  begin(ino: Ino, work: () => Promise<void>): void {
    const before = this.works.get(ino)
    const ended = (before === undefined ? work() : before.then(work))
      .catch(() => undefined)
      .then(() => {
        if (this.works.get(ino) === ended) this.works.delete(ino)
      })
    this.works.set(ino, ended)
  }

  /** Resolves when what is under way for an inode is over. */
  find(ino: Ino): Promise<void> | undefined {
    return this.works.get(ino)
  }
}
