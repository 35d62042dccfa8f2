/** Where ACLs meet inodes: setting one, chmod, and what a new file inherits. */
import { FsError } from '../errors.ts'
import {
  INODE_HAS_XATTRS,
  type Ino,
  type Inode,
  TYPE_MASK,
  TYPE_SYMLINK,
  isDirectory,
} from '../store/inode.ts'
import { xattrKey } from '../store/keys.ts'
import type { Change } from '../txn/change.ts'
import {
  ACCESS_ACL,
  type Acl,
  DEFAULT_ACL,
  decodeAcl,
  encodeAcl,
  inherited,
  isMinimal,
  modeOfAcl,
  withMode,
} from './acl.ts'
import type { FsContext } from './context.ts'

const PERMISSION_BITS = 0o777
const SET_GROUP_ID = 0o2000

/** What is kept of an inode's ACLs; none if the mode says it all. Throws FsError EIO. */
export function findAcl(context: FsContext, inode: Inode, name: string): Acl | undefined {
  if ((inode.flags & INODE_HAS_XATTRS) === 0) return undefined
  const value = context.engine.store.metadata.get(xattrKey(inode.ino, name))
  return value === undefined ? undefined : decodeAcl(value)
}

/**
 * Sets an ACL, or with an empty one removes it. An access ACL is also the file's mode; one that says
 * no more than that is not kept. Throws FsError EINVAL, EACCES or EOPNOTSUPP.
 */
export function setAcl(
  change: Change,
  ino: Ino,
  name: string,
  value: Uint8Array,
  killsSetGroupId: boolean,
): void {
  const draft = change.inode(ino)
  if ((draft.mode & TYPE_MASK) === TYPE_SYMLINK) {
    throw new FsError('EOPNOTSUPP', 'A symbolic link has no ACL')
  }
  const acl = decodeAcl(value)
  if (name === DEFAULT_ACL && acl.length > 0 && !isDirectory(draft)) {
    throw new FsError('EACCES', 'Only a directory has a default ACL')
  }
  if (name === ACCESS_ACL && acl.length > 0) {
    draft.mode = (draft.mode & ~PERMISSION_BITS) | modeOfAcl(acl)
    if (killsSetGroupId) draft.mode &= ~SET_GROUP_ID
  }
  const isKept = acl.length > 0 && !(name === ACCESS_ACL && isMinimal(acl))
  if (isKept) change.putXattr(ino, name, encodeAcl(acl))
  else if ((draft.flags & INODE_HAS_XATTRS) !== 0) change.removeXattr(ino, name)
}

/** After chmod(2): the ACL says what the mode says. */
export function followMode(context: FsContext, change: Change, draft: Inode): void {
  const acl = findAcl(context, draft, ACCESS_ACL)
  if (acl !== undefined) {
    change.putXattr(draft.ino, ACCESS_ACL, encodeAcl(withMode(acl, draft.mode)))
  }
}

/** What a new inode gets of its directory's default ACL; the umask counts only where there is none. */
export function inheritAcl(
  context: FsContext,
  change: Change,
  draft: Inode,
  parent: Inode,
  umask: number,
): void {
  if ((draft.mode & TYPE_MASK) === TYPE_SYMLINK) return
  const acl = findAcl(context, parent, DEFAULT_ACL)
  if (acl === undefined) {
    draft.mode &= ~(umask & PERMISSION_BITS)
    return
  }
  const own = inherited(acl, draft.mode)
  draft.mode = (draft.mode & ~PERMISSION_BITS) | modeOfAcl(own)
  if (!isMinimal(own)) change.putXattr(draft.ino, ACCESS_ACL, encodeAcl(own))
  if (isDirectory(draft)) change.putXattr(draft.ino, DEFAULT_ACL, encodeAcl(acl))
}
