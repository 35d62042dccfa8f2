/**
 * What a filesystem is, in the simplest way: a tree in memory in which each regular file has its
 * published content and, perhaps, staged content. Operations answer 'ok' or an errno's name.
 */
import type { ErrnoCode } from '../../src/errors.ts'

export type Answer = 'ok' | ErrnoCode
export type OnClose = 'publish' | 'discard' | 'keep'
export type RenameMode = 'plain' | 'noReplace' | 'exchange'

export class ReferenceNode {
  readonly kind: 'file' | 'directory' | 'symlink'
  /** As the filesystem numbers it. */
  ino = 0
  mode: number
  nlink: number
  parent: ReferenceNode | undefined
  published: Buffer = Buffer.alloc(0)
  staged: Buffer | undefined
  isAtomic = false
  onClose: OnClose = 'publish'
  writerCount = 0
  /** The handle that has begun a transaction, and what was staged at each of its STARTs. */
  owner: number | undefined
  savepoints: (Buffer | undefined)[] = []
  target = ''
  readonly entries = new Map<string, ReferenceNode>()
  readonly xattrs = new Map<string, Buffer>()

  constructor(kind: ReferenceNode['kind'], mode: number) {
    this.kind = kind
    this.mode = mode
    this.nlink = kind === 'directory' ? 2 : 1
  }

  get content(): Buffer {
    return this.staged ?? this.published
  }

  /** What fsync and all that is not COMMIT do. */
  publish(): void {
    if (this.owner === undefined) this.publishAll()
  }

  private publishAll(): void {
    this.published = this.content
    this.staged = undefined
  }

  start(owner: number): Answer {
    if (this.owner !== undefined && this.owner !== owner) return 'EBUSY'
    if (!this.isAtomic) this.publish()
    this.owner = owner
    this.savepoints.push(this.staged)
    return 'ok'
  }

  commit(handle: number): Answer {
    if (this.owner !== undefined && this.owner !== handle) return 'EBUSY'
    this.endTransaction()
    this.publishAll()
    return 'ok'
  }

  abort(handle: number): Answer {
    if (this.owner === undefined) return 'ok'
    if (this.owner !== handle) return 'EBUSY'
    this.staged = this.savepoints.pop()
    if (this.savepoints.length === 0) this.owner = undefined
    return 'ok'
  }

  rollback(): void {
    this.staged = undefined
    this.endTransaction()
  }

  /** Its handle is closed. */
  abandon(handle: number): void {
    if (this.owner !== handle) return
    this.staged = this.savepoints[0]
    this.endTransaction()
  }

  private endTransaction(): void {
    this.owner = undefined
    this.savepoints = []
  }

  write(offset: number, data: Uint8Array): void {
    const old = this.content
    const content = Buffer.alloc(Math.max(old.length, offset + data.length))
    content.set(old)
    content.set(data, offset)
    this.staged = content
  }

  resize(size: number): void {
    const content = Buffer.alloc(size)
    content.set(this.content.subarray(0, size))
    this.staged = content
  }

  /** What a clean close by the last writer does, or a truncation by name without any. */
  close(): void {
    if (!this.isAtomic || this.onClose === 'publish') this.publish()
    else if (this.onClose === 'discard') this.staged = undefined
  }

  isInside(directory: ReferenceNode): boolean {
    return this === directory || (this.parent?.isInside(directory) ?? false)
  }
}

export class Reference {
  readonly root = new ReferenceNode('directory', 0o755)

  make(parent: ReferenceNode, name: string, node: ReferenceNode): Answer {
    if (parent.entries.has(name)) return 'EEXIST'
    if (node.kind !== 'symlink') {
      node.isAtomic = parent.isAtomic
      node.onClose = parent.onClose
    }
    enter(parent, name, node)
    return 'ok'
  }

  link(node: ReferenceNode, parent: ReferenceNode, name: string): Answer {
    if (node.kind === 'directory') return 'EPERM'
    if (node.nlink === 0) return 'ENOENT'
    if (parent.entries.has(name)) return 'EEXIST'
    node.nlink++
    parent.entries.set(name, node)
    return 'ok'
  }

  remove(parent: ReferenceNode, name: string, kind: 'unlink' | 'rmdir'): Answer {
    const node = parent.entries.get(name)
    if (node === undefined) return 'ENOENT'
    if (kind === 'unlink' && node.kind === 'directory') return 'EISDIR'
    if (kind === 'rmdir' && node.kind !== 'directory') return 'ENOTDIR'
    if (node.entries.size > 0) return 'ENOTEMPTY'
    leave(parent, name, node)
    dropLink(node)
    return 'ok'
  }

  rename(
    parent: ReferenceNode,
    name: string,
    newParent: ReferenceNode,
    newName: string,
    mode: RenameMode,
  ): Answer {
    const source = parent.entries.get(name)
    const target = newParent.entries.get(newName)
    if (source === undefined) return 'ENOENT'
    if (mode === 'exchange') return exchange(parent, name, newParent, newName)
    if (target !== undefined && mode === 'noReplace') return 'EEXIST'
    if (target !== source) {
      if (source.kind === 'directory' && newParent.isInside(source)) return 'EINVAL'
      if (target !== undefined) {
        const refusal = refuseReplace(source, target)
        if (refusal !== 'ok') return refusal
        leave(newParent, newName, target)
        dropLink(target)
      }
      leave(parent, name, source)
      enter(newParent, newName, source)
    }
    if (target !== undefined && !source.isAtomic) source.publish()
    return 'ok'
  }

  /** Everything that has a name, by path. */
  tree(): Map<string, ReferenceNode> {
    const tree = new Map<string, ReferenceNode>()
    const walk = (directory: ReferenceNode, path: string): void => {
      for (const [name, node] of directory.entries) {
        tree.set(`${path}/${name}`, node)
        walk(node, `${path}/${name}`)
      }
    }
    walk(this.root, '')
    return tree
  }

  /** The end of the daemon: what is staged is published for ordinary files, if it ends in order. */
  restart(isClean: boolean): void {
    for (const node of this.tree().values()) {
      if (node.owner !== undefined) node.abandon(node.owner)
      if (isClean && !node.isAtomic) node.publish()
      node.staged = undefined
      node.writerCount = 0
    }
  }
}

function enter(parent: ReferenceNode, name: string, node: ReferenceNode): void {
  parent.entries.set(name, node)
  if (node.kind === 'directory') parent.nlink++
  node.parent = parent
}

function leave(parent: ReferenceNode, name: string, node: ReferenceNode): void {
  parent.entries.delete(name)
  if (node.kind === 'directory') parent.nlink--
}

function dropLink(node: ReferenceNode): void {
  node.nlink = node.kind === 'directory' ? 0 : node.nlink - 1
}

function refuseReplace(source: ReferenceNode, target: ReferenceNode): Answer {
  if (source.kind === 'directory' && target.kind !== 'directory') return 'ENOTDIR'
  if (source.kind !== 'directory' && target.kind === 'directory') return 'EISDIR'
  return target.entries.size > 0 ? 'ENOTEMPTY' : 'ok'
}

function exchange(
  parent: ReferenceNode,
  name: string,
  newParent: ReferenceNode,
  newName: string,
): Answer {
  const first = parent.entries.get(name)
  const second = newParent.entries.get(newName)
  if (first === undefined || second === undefined) return 'ENOENT'
  if (first === second) return 'ok'
  if (first.kind === 'directory' && newParent.isInside(first)) return 'EINVAL'
  if (second.kind === 'directory' && parent.isInside(second)) return 'EINVAL'
  leave(parent, name, first)
  leave(newParent, newName, second)
  enter(parent, name, second)
  enter(newParent, newName, first)
  return 'ok'
}
