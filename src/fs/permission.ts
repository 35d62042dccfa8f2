/**
 * What a caller may do to an inode. The kernel checks by itself whatever it can see the sense of
 * (`default_permissions`); this is for the rest: files that a request names in its payload, and ioctls,
 * which the kernel passes on from everybody who could open the file. The rules are those of
 * path_resolution(7), acl(5) and capabilities(7).
 */
import { FsError } from '../errors.ts'
import { type Inode, isDirectory } from '../store/inode.ts'
import { findAcl } from './acl-xattrs.ts'
import { ACCESS_ACL, aclAllows } from './acl.ts'
import type { FsContext } from './context.ts'
import { Identity } from './identity.ts'
import type { Caller } from './operations.ts'

/** What is wanted of an inode; several are added. Executing a directory is searching it. */
export const MAY = { EXECUTE: 1, WRITE: 2, READ: 4 } as const

const EXECUTE_BITS = 0o111
const GROUP_BITS = 0o070

/**
 * Throws FsError EACCES unless the caller may do all that is wanted. Without a caller, as when the
 * program itself asks, everything is allowed. That an inode is protected (chattr(1)) or the volume
 * read-only is no matter of who asks, and checked elsewhere.
 */
export function assertMay(
  context: FsContext,
  inode: Inode,
  caller: Caller | undefined,
  wanted: number,
): void {
  if (caller === undefined || may(context, inode, caller, wanted)) return
  throw new FsError('EACCES', `No permission for inode ${inode.ino}`)
}

/** Throws FsError EPERM unless the inode is the caller's own, or he has CAP_FOWNER. */
export function assertOwns(context: FsContext, inode: Inode, caller: Caller | undefined): void {
  if (caller === undefined || owns(context, inode, caller)) return
  throw new FsError('EPERM', `Inode ${inode.ino} belongs to another user`)
}

export function owns(context: FsContext, inode: Inode, caller: Caller): boolean {
  const who = new Identity(context.processes, caller)
  return who.uid === inode.uid || who.has('FOWNER', inode)
}

export function may(context: FsContext, inode: Inode, caller: Caller, wanted: number): boolean {
  const who = new Identity(context.processes, caller)
  return byModeAllowed(context, inode, who, wanted) || byCapabilityAllowed(inode, who, wanted)
}

function byModeAllowed(context: FsContext, inode: Inode, who: Identity, wanted: number): boolean {
  const allows = (shift: number): boolean => ((inode.mode >>> shift) & wanted) === wanted
  if (who.uid === inode.uid) return allows(6)
  // Without any bit of the group's, which is then the mask's, an ACL gives nobody anything.
  const acl = (inode.mode & GROUP_BITS) === 0 ? undefined : findAcl(context, inode, ACCESS_ACL)
  if (acl !== undefined) return aclAllows(acl, inode, who, wanted)
  // Members have the group's permissions, also where others have more.
  const isSameForAll = allows(3) === allows(0)
  return allows(isSameForAll || !who.isMember(inode.gid) ? 0 : 3)
}

function byCapabilityAllowed(inode: Inode, who: Identity, wanted: number): boolean {
  const isFolder = isDirectory(inode)
  const onlyReads = isFolder ? (wanted & MAY.WRITE) === 0 : wanted === MAY.READ
  if (onlyReads && who.has('DAC_READ_SEARCH', inode)) return true
  const isProgram = isFolder || (inode.mode & EXECUTE_BITS) !== 0
  return ((wanted & MAY.EXECUTE) === 0 || isProgram) && who.has('DAC_OVERRIDE', inode)
}
