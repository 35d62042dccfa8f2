/** The random operations: each chooses its arguments, asks the reference, and asks the filesystem. */
import * as v from '../support/volume.ts'
import type { OpenHandle, Player } from './player.ts'
import { type Answer, ReferenceNode } from './reference.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'ü\xff'.slice(1), 'long'.repeat(30)]
const SIZE_MAX = 700_000

type Step = (player: Player) => Promise<void>

function anyDirectory({ reference, random }: Player): ReferenceNode {
  const directories = [...reference.tree().values()].filter((node) => node.kind === 'directory')
  return random.pick([reference.root, ...directories])
}

function anyNode({ reference, random }: Player, kind?: string): ReferenceNode | undefined {
  const nodes = [...reference.tree().values()]
  const found = kind === undefined ? nodes : nodes.filter((node) => node.kind === kind)
  return found.length === 0 ? undefined : random.pick(found)
}

/** Mostly small and around block edges, at times large. */
function anySize({ random }: Player): number {
  if (random.oneIn(3)) return random.int(SIZE_MAX)
  const edge = random.int(12) * 4096
  return Math.max(0, edge + random.int(5) - 2)
}

async function make(player: Player, kind: ReferenceNode['kind']): Promise<void> {
  const { random, reference } = player
  const parent = anyDirectory(player)
  const name = random.pick(NAMES)
  const node = new ReferenceNode(kind, kind === 'symlink' ? 0o777 : 0o640)
  node.target = kind === 'symlink' ? `to/${random.int(99)}` : ''
  const expected = reference.make(parent, name, node)
  await player.expect(`make ${kind} ${name} in ${parent.ino}`, expected, async () => {
    const target = Buffer.from(node.target)
    const attributes = await (kind === 'file'
      ? player.fs.makeNode(parent.ino, name, 0o100640, 0, v.CALLER)
      : kind === 'directory'
        ? player.fs.makeDirectory(parent.ino, name, 0o640, v.CALLER)
        : player.fs.makeSymlink(parent.ino, name, target, v.CALLER))
    node.ino = attributes.ino
    player.fs.forget(node.ino, 1)
  })
}

const link: Step = async (player) => {
  const node = anyNode(player)
  if (node === undefined) return
  const parent = anyDirectory(player)
  const name = player.random.pick(NAMES)
  const expected = player.reference.link(node, parent, name)
  await player.expect(`link ${node.ino} as ${name} in ${parent.ino}`, expected, async () => {
    const { ino } = await player.fs.link(node.ino, parent.ino, name)
    player.fs.forget(ino, 1)
  })
}

const remove: Step = async (player) => {
  const parent = anyDirectory(player)
  const name = player.random.pick(NAMES)
  const kind = player.random.pick(['unlink', 'unlink', 'rmdir'] as const)
  const expected = player.reference.remove(parent, name, kind)
  await player.expect(`${kind} ${name} in ${parent.ino}`, expected, () =>
    kind === 'unlink'
      ? player.fs.unlink(parent.ino, name)
      : player.fs.removeDirectory(parent.ino, name),
  )
}

const rename: Step = async (player) => {
  const { random } = player
  const [parent, newParent] = [anyDirectory(player), anyDirectory(player)]
  const [name, newName] = [random.pick(NAMES), random.pick(NAMES)]
  const mode = random.pick(['plain', 'plain', 'noReplace', 'exchange'] as const)
  const expected = player.reference.rename(parent, name, newParent, newName, mode)
  const what = `rename ${name} in ${parent.ino} to ${newName} in ${newParent.ino} ${mode}`
  await player.expect(what, expected, () =>
    player.fs.rename({
      parent: parent.ino,
      name,
      newParent: newParent.ino,
      newName,
      noReplace: mode === 'noReplace',
      exchange: mode === 'exchange',
    }),
  )
}

const open: Step = async (player) => {
  const node = anyNode(player, 'file')
  if (node === undefined || player.handles.length > 8) return
  const flags = v.O_RDWR | (player.random.oneIn(4) ? v.O_TRUNC : 0)
  await player.expect(`open ${node.ino} ${flags}`, 'ok', async () => {
    player.fs.remember(node.ino)
    const { fh } = await player.fs.open(node.ino, flags, v.CALLER)
    player.handles.push({ fh, node, isCanceled: false })
  })
  node.writerCount++
  if (flags !== v.O_RDWR && node.content.length > 0) node.resize(0)
}

const close: Step = async (player) => {
  if (player.handles.length === 0) return
  const at = player.random.int(player.handles.length)
  for (const { fh, node } of player.handles.splice(at, 1)) {
    await player.expect(`close ${node.ino}`, 'ok', () => player.closeHandle(fh, node.ino))
    node.writerCount--
    node.abandon(fh)
    if (node.staged === undefined) continue
    if (!node.isAtomic) node.publish()
    else if (node.writerCount === 0) node.close()
  }
}

const write: Step = async (player) => {
  if (player.handles.length === 0) return
  const { random } = player
  const { fh, node } = random.pick(player.handles)
  const offset = random.oneIn(3) ? random.int(12) * 4096 : anySize(player)
  const isLarge = random.oneIn(5)
  const length = isLarge ? (1 + random.int(64)) * 4096 : 1 + random.int(3 * 4096)
  const data = random.bytes(Math.min(length, SIZE_MAX))
  await player.expect(`write ${data.length} at ${offset} of ${node.ino}`, 'ok', () =>
    player.fs.write(fh, v.writeRequest(offset, data)),
  )
  node.write(offset, data)
}

const truncate: Step = async (player) => {
  const handle = player.handles.length > 0 ? player.random.pick(player.handles) : undefined
  const byName = handle === undefined || player.random.oneIn(3)
  const node = byName ? anyNode(player, 'file') : handle.node
  if (node === undefined) return
  const size = player.random.oneIn(3) ? 0 : anySize(player)
  await player.expect(`truncate ${node.ino} to ${size} ${byName ? 'by name' : ''}`, 'ok', () =>
    player.fs.setAttributes(node.ino, byName ? { size } : { size, fh: handle.fh }),
  )
  node.resize(size)
  if (byName && node.writerCount === 0) node.close()
}

const fsync: Step = async (player) => {
  if (player.handles.length === 0) return
  const { fh, node } = player.random.pick(player.handles)
  await player.expect(`fsync ${node.ino}`, 'ok', () => player.fs.fsync(fh))
  node.publish()
}

const control: Step = async (player) => {
  const node = anyNode(player)
  if (node === undefined || node.kind === 'symlink') return
  const isFile = node.kind === 'file'
  const set = (name: string, value: string, expected: Answer = 'ok'): Promise<void> =>
    player.expect(`set ${name}=${value} of ${node.ino}`, expected, () =>
      player.fs.setXattr(node.ino, name, Buffer.from(value), 0),
    )
  const choice = player.random.int(isFile ? 5 : 3)
  const { owner } = node
  if (choice < 2) {
    const isAtomic = choice === 0
    await set('user.atomic', isAtomic ? '1' : '0')
    if (isFile && isAtomic !== node.isAtomic) node.publish()
    node.isAtomic = isAtomic
  } else if (choice === 2) {
    node.onClose = player.random.pick(['publish', 'discard', 'keep'] as const)
    await set('user.atomic.onclose', node.onClose)
  } else if (choice === 3) {
    const expected = owner === undefined ? 'ok' : 'EBUSY'
    await set('user.atomic.commit', '1', expected)
    node.publish()
  } else {
    await set('user.atomic.rollback', '1')
    for (const handle of player.handles) if (handle.fh === owner) handle.isCanceled = true
    node.rollback()
  }
}

const IOCTLS = { START: 0xf501, COMMIT: 0xf502, ABORT: 0xf505, REPLACE: 0xf519 } as const

const transaction: Step = async (player) => {
  if (player.handles.length === 0) return
  const handle = player.random.pick(player.handles)
  const { fh, node } = handle
  const name = player.random.pick(['START', 'START', 'REPLACE', 'COMMIT', 'ABORT'] as const)
  const expected = afterIoctl(handle, name)
  await player.expect(`${name} ${node.ino} by ${fh}`, expected, async () => {
    const request = { ino: node.ino, fh, isDirectory: false, input: new Uint8Array(0) }
    await player.fs.ioctl({ ...request, command: IOCTLS[name] }, v.CALLER)
  })
}

/** Does it to the reference, too. */
function afterIoctl(handle: OpenHandle, name: keyof typeof IOCTLS): Answer {
  const { fh, node } = handle
  if (name === 'ABORT' || name === 'COMMIT') {
    const isCanceled = handle.isCanceled && (node.owner === undefined || node.owner === fh)
    if (isCanceled) handle.isCanceled = false
    if (name === 'ABORT') return node.abort(fh)
    return isCanceled ? 'ECANCELED' : node.commit(fh)
  }
  const answer = node.start(fh)
  if (answer !== 'ok') return answer
  handle.isCanceled = false
  if (name === 'REPLACE') node.resize(0)
  return answer
}

const attribute: Step = async (player) => {
  const node = anyNode(player)
  if (node === undefined) return
  const name = `user.${player.random.pick(NAMES)}`
  if (player.random.oneIn(3)) {
    const expected = node.xattrs.delete(name) ? 'ok' : 'ENODATA'
    await player.expect(`remove ${name} of ${node.ino}`, expected, () =>
      player.fs.removeXattr(node.ino, name),
    )
    return
  }
  const value = Buffer.from(player.random.bytes(player.random.int(20_000)))
  await player.expect(`set ${name} of ${node.ino}`, 'ok', () =>
    player.fs.setXattr(node.ino, name, value, 0),
  )
  node.xattrs.set(name, value)
}

const chmod: Step = async (player) => {
  const node = anyNode(player)
  if (node === undefined) return
  const mode = player.random.int(0o1000)
  await player.expect(`chmod ${node.ino}`, 'ok', () => player.fs.setAttributes(node.ino, { mode }))
  node.mode = mode
}

const writeBack: Step = async (player) => {
  await player.expect('writeBack', 'ok', () => player.fs.writeBack())
  const opened = player.handles.map(({ node }) => node)
  for (const node of [...player.reference.tree().values(), ...opened]) {
    if (!node.isAtomic) node.publish()
  }
}

/** Waits for the checkpoint, or lets it run beside what follows. */
const checkpoint: Step = async (player) => {
  const { engine, reaper } = player.fs.context
  const { checkpointer } = engine
  player.played.push('checkpoint')
  if (player.random.oneIn(2)) checkpointer.start()
  else await checkpointer.run()
  if (player.random.oneIn(2)) await reaper.drain()
}

const compare: Step = async (player) => {
  const handle = player.handles.length > 0 ? player.random.pick(player.handles) : undefined
  const node = player.random.oneIn(2) ? handle?.node : anyNode(player, 'file')
  if (node !== undefined) await player.compareFile(node)
}

const WEIGHTS: readonly (readonly [times: number, step: Step])[] = [
  [6, (player) => make(player, 'file')],
  [2, (player) => make(player, 'directory')],
  [1, (player) => make(player, 'symlink')],
  [3, link],
  [4, remove],
  [5, rename],
  [8, open],
  [5, close],
  [24, write],
  [6, truncate],
  [5, fsync],
  [5, control],
  [6, transaction],
  [3, attribute],
  [2, chmod],
  [1, writeBack],
  [2, checkpoint],
  [12, compare],
]

const STEPS = WEIGHTS.flatMap(([times, step]) => Array.from({ length: times }, () => step))

export async function playStep(player: Player): Promise<void> {
  if (player.random.oneIn(120)) await player.restart(player.random.oneIn(2))
  else await player.random.pick(STEPS)(player)
}
