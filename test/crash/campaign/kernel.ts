/** What the kernel and the processes above it keep in mind: descriptors, process ids, dirty pages. */
import { current, handle, write } from '../file-steps.ts'
import type { Session } from '../session.ts'
import type { End } from './closing.ts'
import { World } from './world.ts'

const PAGE = 4096

/** Bytes that a program has stored through a mapping and the kernel has not passed on. */
export interface DirtyRange {
  readonly offset: number
  readonly data: Uint8Array
}

export class Kernel {
  readonly session: Session
  readonly world: World
  /** Dirty pages, by the handle that they will come through. */
  readonly dirty = new Map<string, DirtyRange[]>()
  /** How each handle's last descriptor, or the mapping behind it, went; the last one that did is last. */
  readonly ends = new Map<string, End>()
  /** What was staged when a handle was closed in order. */
  readonly closedWith = new Map<string, Buffer>()
  /** How that handle of a node has ended, of those that are released, that was closed last. */
  readonly released = new Map<number, { readonly order: number; readonly end: End }>()
  private readonly orders = new Map<string, number>()
  private endCount = 0
  /** Inodes that the kernel keeps a reference to, from when it made them. */
  readonly known = new Set<number>()
  private readonly deaths = new Map<number, number>()

  constructor(session: Session, isTight: boolean) {
    this.session = session
    this.world = new World(isTight)
    session.processes.isWritten = (ino) =>
      [...session.handles].some(
        ([name, own]) => own.ino === ino && this.world.handles.get(name)?.holders.size !== 0,
      )
  }

  noteEnd(name: string, end: End): void {
    this.ends.set(name, end)
    this.orders.set(name, ++this.endCount)
  }

  /** Forgets a handle; returns the end that decides, as far as handles are released. */
  noteRelease(name: string, node: number): End {
    const own = { order: this.orders.get(name) ?? 0, end: this.ends.get(name) ?? 'running' }
    const before = this.released.get(node)
    const last = before !== undefined && before.order > own.order ? before : own
    this.released.set(node, last)
    this.ends.delete(name)
    this.orders.delete(name)
    this.closedWith.delete(name)
    return last.end
  }

  pid(process: number): number {
    return process * 1000 + (this.deaths.get(process) ?? 0)
  }

  /** The next process of this number is another one. */
  bury(process: number): void {
    this.deaths.set(process, (this.deaths.get(process) ?? 0) + 1)
  }

  /** Forgets inodes without a name that nobody has open, as the kernel does. */
  forgetGone(): void {
    const { fs, oracle, handles } = this.session
    const open = new Set([...handles.values()].map(({ ino }) => ino))
    for (const ino of this.known) {
      if (oracle.live.nodes.has(ino) || open.has(ino)) continue
      this.known.delete(ino)
      fs.forget(ino, 1)
    }
  }
}

/** Writes back what is dirty of a file, in whole pages up to its end; returns how many writes. */
export async function deliverNode(kernel: Kernel, ino: number): Promise<number> {
  const { session, dirty } = kernel
  let count = 0
  for (const [name, ranges] of dirty) {
    if (session.handles.get(name)?.ino !== ino) continue
    dirty.delete(name)
    for (const { offset, data } of ranges) {
      const content = current(session, handle(session, name).ino)
      const start = offset - (offset % PAGE)
      const end = Math.min(content.length, Math.ceil((offset + data.length) / PAGE) * PAGE)
      if (offset >= content.length) continue
      const pages = Buffer.from(content.subarray(start, end))
      pages.set(data.subarray(0, end - offset), offset - start)
      await write(session, name, start, pages, true)
      count++
    }
  }
  return count
}
