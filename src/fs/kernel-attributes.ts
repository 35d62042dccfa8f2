/**
 * What the kernel shows of isolated files while it caches writes: it owns sizes and times then, and
 * goes by what passes through it, whatever it is told. Past its cache it does not see that a write
 * changes a time, one handle's private size becomes everybody's, and a publish can make it any. So this
 * keeps account of what the kernel has come to believe, and has it take what is right before a stat(2) is
 * answered. Between the answers to two processes that see different sizes, one may see the other's.
 */
import type { Ino, Inode } from '../store/inode.ts'
import type { Attributes, KernelCache } from './operations.ts'

interface Belief {
  readonly size: number
  /** Undefined for the moment at which something happened, as the kernel saw it. */
  readonly mtimeNs: bigint | undefined
}

export class KernelAttributes {
  private readonly kernel: KernelCache
  private readonly beliefs = new Map<Ino, Belief>()
  private readonly underWay = new Map<Ino, Promise<void>>()
  /** Files of which the kernel has cached published content, for mappings and splices. */
  private readonly cached = new Set<Ino>()

  constructor(kernel: KernelCache) {
    this.kernel = kernel
  }

  /** The kernel knows a file as it is published. */
  begin({ ino, size, mtimeNs }: Pick<Inode, 'ino' | 'size' | 'mtimeNs'>): void {
    if (this.kernel.ownsAttributes !== true || this.beliefs.has(ino)) return
    this.beliefs.set(ino, { size, mtimeNs })
  }

  /** Something through the kernel has written up to an offset. */
  wrote(ino: Ino, end: number): void {
    const belief = this.beliefs.get(ino)
    if (belief !== undefined && belief.size < end) this.beliefs.set(ino, { ...belief, size: end })
  }

  /** The kernel itself has changed what it knows. */
  changed(ino: Ino, { size, mtimeNs }: { size?: number; mtimeNs?: bigint }): void {
    const belief = this.beliefs.get(ino)
    if (belief !== undefined) this.beliefs.set(ino, { size: size ?? belief.size, mtimeNs })
  }

  forget(ino: Ino): void {
    this.beliefs.delete(ino)
    this.cached.delete(ino)
  }

  sizeOf(ino: Ino): number {
    return this.beliefs.get(ino)?.size ?? 0
  }

  /**
   * Attributes as the kernel has them, to be told with a name: whether it takes them depends on whether
   * it has just forgotten the file, and so it knows the same in both cases.
   */
  asBelieved(attributes: Attributes): Attributes {
    const belief = this.beliefs.get(attributes.ino)
    if (belief === undefined) return attributes
    return { ...attributes, size: belief.size, mtimeNs: belief.mtimeNs ?? attributes.mtimeNs }
  }

  /**
   * Has the kernel take attributes that it would not by itself; resolves when it shows them. Rejects if it
   * cannot be made to, and then the next one who asks tries again.
   */
  async adopt(wanted: Attributes): Promise<void> {
    const { ino, size, mtimeNs } = wanted
    while (this.underWay.has(ino)) await this.underWay.get(ino)
    const before = this.beliefs.get(ino)
    if (before === undefined || this.shows(wanted)) return
    // Set now rather than later: what the kernel sees meanwhile is newer.
    this.beliefs.set(ino, { size, mtimeNs })
    const adopting = Promise.resolve(this.kernel.adopt?.(wanted, before.size !== size))
    const ended = adopting.then(
      () => undefined,
      () => {
        this.beliefs.set(ino, before)
      },
    )
    this.underWay.set(ino, ended)
    await ended
    this.underWay.delete(ino)
    await adopting
  }

  shows({ ino, size, mtimeNs }: Attributes): boolean {
    const belief = this.beliefs.get(ino)
    return belief === undefined || (belief.size === size && belief.mtimeNs === mtimeNs)
  }

  /** The kernel caches content of a file. */
  caches(ino: Ino): void {
    this.cached.add(ino)
  }

  /** Something was published; returns whether the kernel may have cached what was there before. */
  published(before: Pick<Inode, 'ino' | 'size' | 'mtimeNs'>): boolean {
    this.begin(before)
    return this.cached.delete(before.ino)
  }
}
