/** Extended attributes, stored and controlling. */
import { FsError } from '../errors.ts'
import { INODE_HAS_XATTRS, type Ino } from '../store/inode.ts'
import { xattrGroup, xattrKey } from '../store/keys.ts'
import { setAcl } from './acl-xattrs.ts'
import { isAclName } from './acl.ts'
import { assertAlive } from './alive.ts'
import { type FsContext, whenRoom } from './context.ts'
import {
  getControl,
  isControlName,
  listControls,
  removeControl,
  setControl,
} from './control-xattrs.ts'
import { Identity, ROOT } from './identity.ts'
import type { Awaitable, Caller, XattrSetter } from './operations.ts'
import { assertMutable } from './protection.ts'
import { assertSpaceForMetadata } from './space.ts'

const TRUSTED = 'trusted.'
const NAMESPACES = ['user.', 'security.', TRUSTED]
const NAME_LENGTH_MAX = 255
const VALUE_SIZE_MAX = 65_536
const CREATE = 1
const REPLACE = 2

/** Throws FsError EOPNOTSUPP for a namespace that is not kept, EINVAL or ERANGE. */
function checkName(name: string): void {
  if (isAclName(name)) return
  if (!NAMESPACES.some((namespace) => name.startsWith(namespace))) {
    throw new FsError('EOPNOTSUPP', `Extended attributes like "${name}" are not supported`)
  }
  if (NAMESPACES.includes(name)) throw new FsError('EINVAL', `"${name}" is only a namespace`)
  if (name.length > NAME_LENGTH_MAX) {
    throw new FsError('ERANGE', `The name of an attribute has ${NAME_LENGTH_MAX} bytes at most`)
  }
}

function find(context: FsContext, ino: Ino, name: string): Uint8Array | undefined {
  const { flags } = context.engine.inodes.get(ino)
  if ((flags & INODE_HAS_XATTRS) === 0) return undefined
  return context.engine.store.metadata.get(xattrKey(ino, name))
}

export function getXattr(
  context: FsContext,
  ino: Ino,
  name: string,
  caller?: Caller,
): Awaitable<Uint8Array> {
  if (isControlName(name)) {
    return getControl(context, ino, name, caller).then((value) => Buffer.from(value, 'latin1'))
  }
  checkName(name)
  const value = find(context, ino, name)
  if (value === undefined) throw new FsError('ENODATA', `Inode ${ino} has no "${name}"`)
  return value
}

export function setXattr(
  context: FsContext,
  ino: Ino,
  name: string,
  value: Uint8Array,
  flags: number,
  { caller, killsSetGroupId = false }: XattrSetter,
): Awaitable<void> {
  if (isControlName(name)) {
    return setControl(context, ino, name, Buffer.from(value).toString('latin1'), caller)
  }
  checkName(name)
  if (value.length > VALUE_SIZE_MAX) {
    throw new FsError('E2BIG', `An attribute has ${VALUE_SIZE_MAX} bytes at most`)
  }
  assertMutable(context.engine.inodes.get(ino))
  return whenRoom(context, () => {
    assertAlive(context, ino)
    context.transactions.assertNotReplaced(ino)
    const exists = find(context, ino, name) !== undefined
    if (flags === CREATE && exists) throw new FsError('EEXIST', `"${name}" is set`)
    if (flags === REPLACE && !exists) throw new FsError('ENODATA', `"${name}" is not set`)
    assertSpaceForMetadata(context.engine.store.device.index)
    const change = context.engine.begin()
    if (isAclName(name)) setAcl(change, ino, name, value, killsSetGroupId)
    else change.putXattr(ino, name, value)
    change.inode(ino).ctimeNs = context.engine.clock()
    context.engine.commit(change)
  })
}

const isTrusted = (name: string): boolean => name.startsWith(TRUSTED)

export function listXattr(
  context: FsContext,
  ino: Ino,
  caller?: Caller,
): Awaitable<readonly string[]> {
  const inode = context.engine.inodes.get(ino)
  const controls = listControls(inode)
  return (inode.flags & INODE_HAS_XATTRS) === 0
    ? controls
    : listStored(context, ino, controls, caller)
}

async function listStored(
  context: FsContext,
  ino: Ino,
  controls: readonly string[],
  caller?: Caller,
): Promise<readonly string[]> {
  const prefix = xattrGroup(ino)
  const stored = await context.engine.store.metadata.scan(prefix)
  const names = stored.map(([key]) => key.slice(prefix.length))
  const seesAll = !names.some(isTrusted) || seesTrusted(context, caller)
  const listed = names.filter((name) => !isControlName(name) && (seesAll || !isTrusted(name)))
  return [...listed, ...controls]
}

/** Linux reads and sets these for root alone, but leaves their listing to the filesystem. */
function seesTrusted({ processes }: FsContext, caller: Caller | undefined): boolean {
  return caller === undefined || new Identity(processes, caller).has('SYS_ADMIN', ROOT)
}

export function removeXattr(context: FsContext, ino: Ino, name: string): Awaitable<void> {
  if (isControlName(name)) return removeControl(context, ino, name)
  checkName(name)
  assertMutable(context.engine.inodes.get(ino))
  return whenRoom(context, () => {
    assertAlive(context, ino)
    context.transactions.assertNotReplaced(ino)
    if (find(context, ino, name) === undefined) {
      throw new FsError('ENODATA', `Inode ${ino} has no "${name}"`)
    }
    const change = context.engine.begin()
    change.removeXattr(ino, name)
    change.inode(ino).ctimeNs = context.engine.clock()
    context.engine.commit(change)
  })
}
