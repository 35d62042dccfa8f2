/**
 * POSIX access control lists, in the form in which Linux passes them as extended attributes: a
 * version, then entries of a tag, permissions and an id (acl(5), and include/uapi/linux/posix_acl.h).
 */
import { ByteReader, ByteWriter } from '../bytes.ts'
import { FsError } from '../errors.ts'

export const ACCESS_ACL = 'system.posix_acl_access'
export const DEFAULT_ACL = 'system.posix_acl_default'

const VERSION = 2
const ENTRY_SIZE = 8
const TAG = { USER_OBJ: 0x01, USER: 0x02, GROUP_OBJ: 0x04, GROUP: 0x08, MASK: 0x10, OTHER: 0x20 }
/** Each tag stands behind those of smaller value, and these once. */
const SINGLE = TAG.USER_OBJ | TAG.GROUP_OBJ | TAG.MASK | TAG.OTHER
const NEEDED = TAG.USER_OBJ | TAG.GROUP_OBJ | TAG.OTHER

interface Entry {
  readonly tag: number
  /** Read, write and execute, as in one digit of a mode. */
  readonly permissions: number
  readonly id: number
}

export type Acl = readonly Entry[]

export const isAclName = (name: string): boolean => name === ACCESS_ACL || name === DEFAULT_ACL

/** An empty list stands for none. Throws FsError EINVAL, or EOPNOTSUPP for another version. */
export function decodeAcl(value: Uint8Array): Acl {
  if (value.length === 0) return []
  if (value.length % ENTRY_SIZE !== 4) throw new FsError('EINVAL', 'An ACL has a broken length')
  const input = new ByteReader(value)
  const version = input.u32()
  if (version !== VERSION) throw new FsError('EOPNOTSUPP', `ACLs of version ${version} are unknown`)
  const entries = Array.from({ length: Math.floor(value.length / ENTRY_SIZE) }, () => ({
    tag: input.u16(),
    permissions: input.u16(),
    id: input.u32(),
  }))
  if (entries.length > 0) checkAcl(entries)
  return entries
}

function checkAcl(entries: Acl): void {
  let last = 0
  let seen = 0
  for (const { tag, permissions } of entries) {
    const isKnown = Object.values(TAG).includes(tag)
    const isInPlace = tag > last || (tag === last && (tag & SINGLE) === 0)
    if (!isKnown || !isInPlace || permissions > 7) {
      throw new FsError('EINVAL', 'An ACL has an entry that is unknown or out of place')
    }
    last = tag
    seen |= tag
  }
  const needed = (seen & (TAG.USER | TAG.GROUP)) === 0 ? NEEDED : NEEDED | TAG.MASK
  if ((seen & needed) !== needed) throw new FsError('EINVAL', 'An ACL lacks an entry that it needs')
}

export function encodeAcl(acl: Acl): Uint8Array {
  const out = new ByteWriter(Buffer.allocUnsafe(4 + ENTRY_SIZE * acl.length))
  out.u32(VERSION)
  for (const { tag, permissions, id } of acl) {
    out.u16(tag)
    out.u16(permissions)
    out.u32(id)
  }
  return out.buffer
}

/** Whether it says no more than a mode can. */
export const isMinimal = (acl: Acl): boolean => acl.every(({ tag }) => (tag & NEEDED) !== 0)

/** The nine permission bits that stat(2) shows for it. */
export function modeOfAcl(acl: Acl): number {
  const bitsAt = classBits(acl)
  return (
    acl.reduce((mode, { tag, permissions }) => mode | (permissions << (bitsAt(tag) ?? 9)), 0) &
    0o777
  )
}

/** What chmod(2) makes of it. */
export function withMode(acl: Acl, mode: number): Acl {
  const bitsAt = classBits(acl)
  return acl.map((entry) => {
    const at = bitsAt(entry.tag)
    return at === undefined ? entry : { ...entry, permissions: (mode >>> at) & 7 }
  })
}

/** What a new file gets of the default ACL of its directory, asked for with a mode. */
export function inherited(acl: Acl, mode: number): Acl {
  const bitsAt = classBits(acl)
  return acl.map((entry) => {
    const at = bitsAt(entry.tag)
    return at === undefined ? entry : { ...entry, permissions: entry.permissions & (mode >>> at) }
  })
}

interface Owners {
  readonly uid: number
  readonly gid: number
}

/** Somebody as an ACL sees him. */
export interface Member {
  readonly uid: number
  isMember(gid: number): boolean
}

/**
 * Whether it allows somebody all that is wanted, as a digit of a mode. The first entry that is about
 * him decides; of those about his groups any may allow, but then it is not the others' that counts.
 */
export function aclAllows(acl: Acl, owners: Owners, who: Member, wanted: number): boolean {
  const find = (tag: number): number => acl.find((entry) => entry.tag === tag)?.permissions ?? 0
  const allows = (permissions: number): boolean => (permissions & wanted) === wanted
  if (who.uid === owners.uid) return allows(find(TAG.USER_OBJ))
  const mask = acl.some(({ tag }) => tag === TAG.MASK) ? find(TAG.MASK) : 7
  const own = acl.find(({ tag, id }) => tag === TAG.USER && id === who.uid)
  if (own !== undefined) return allows(own.permissions & mask)
  const ofGroups = acl.filter(
    ({ tag, id }) =>
      (tag === TAG.GROUP_OBJ && who.isMember(owners.gid)) ||
      (tag === TAG.GROUP && who.isMember(id)),
  )
  if (ofGroups.length === 0) return allows(find(TAG.OTHER))
  return ofGroups.some(({ permissions }) => allows(permissions & mask))
}

/** Where the mode has the permissions of a tag. The mask, if there is one, takes the group's place. */
function classBits(acl: Acl): (tag: number) => number | undefined {
  const groupTag = acl.some(({ tag }) => tag === TAG.MASK) ? TAG.MASK : TAG.GROUP_OBJ
  const places = new Map([
    [TAG.USER_OBJ, 6],
    [groupTag, 3],
    [TAG.OTHER, 0],
  ])
  return (tag) => places.get(tag)
}
