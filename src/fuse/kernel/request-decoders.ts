/** One decoder for each layout of a request's body. All of them throw FsError EINVAL, nothing else. */
import { FsError } from '../../errors.ts'
import type {
  AttributeChanges,
  Caller,
  CopyRequest,
  Ino,
  RenameRequest,
} from '../../fs/operations.ts'
import {
  ATTRIBUTES_OF_HANDLE,
  FEATURE,
  IOCTL_DIRECTORY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  NODE_TYPES,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  SETATTR_VALID,
  WRITE_SIZE_MAX,
} from './protocol.ts'
import type { RequestBody } from './request-body.ts'

const NANOSECONDS_PER_SECOND = 1_000_000_000n
/** Times that a volume can hold, in nanoseconds: the years 1677 to 2262. */
const TIME_MIN = -(2n ** 63n)
const TIME_MAX = 2n ** 63n - 1n
const MODE_MAX = 0xffff

export interface InitRequest {
  readonly major: number
  readonly minor: number
  readonly readaheadMax: number
  readonly features: number
  /** Those of INIT_EXT; older kernels have none. */
  readonly moreFeatures?: number
}

export function decodeInit(body: RequestBody): InitRequest {
  const offer = {
    major: body.u32(),
    minor: body.u32(),
    readaheadMax: body.u32(),
    features: body.u32(),
  }
  const isExtended = (offer.features & FEATURE.INIT_EXT) !== 0
  return isExtended ? { ...offer, moreFeatures: body.u32() } : offer
}

export interface Forgotten {
  readonly ino: Ino
  readonly count: number
}

export function decodeBatchForget(body: RequestBody): readonly Forgotten[] {
  const count = body.u32()
  body.skip(4)
  const list: Forgotten[] = []
  for (let index = 0; index < count; index++) list.push({ ino: body.u64(), count: body.u64() })
  return list
}

export function decodeSetAttributes(body: RequestBody): AttributeChanges {
  const valid = body.u32()
  body.skip(4)
  const has = (bit: number): boolean => (valid & bit) !== 0
  // A field that does not count may hold anything.
  const number = (bit: number, read: () => number): number | undefined => {
    if (has(bit)) return read()
    body.skip(8)
    return undefined
  }
  const fh = number(SETATTR_VALID.FH, () => body.u64())
  const size = number(SETATTR_VALID.SIZE, () => body.offset())
  body.skip(8)
  const seconds = [body.seconds(), body.seconds(), body.seconds()] as const
  const time = (bit: number, whole: bigint): bigint | undefined => {
    if (has(bit)) return clampTime(whole * NANOSECONDS_PER_SECOND + BigInt(body.nanoseconds()))
    body.skip(4)
    return undefined
  }
  const atime = time(SETATTR_VALID.ATIME, seconds[0])
  const mtime = time(SETATTR_VALID.MTIME, seconds[1])
  const ctime = time(SETATTR_VALID.CTIME, seconds[2])
  const mode = optionalMode(body, has(SETATTR_VALID.MODE))
  body.skip(4)
  const uid = body.u32()
  const gid = body.u32()
  body.skip(4)
  return {
    ...(mode !== undefined && { mode }),
    ...(has(SETATTR_VALID.UID) && { uid }),
    ...(has(SETATTR_VALID.GID) && { gid }),
    ...(size !== undefined && { size }),
    ...(atime !== undefined && { atime: has(SETATTR_VALID.ATIME_NOW) ? 'now' : atime }),
    ...(mtime !== undefined && { mtime: has(SETATTR_VALID.MTIME_NOW) ? 'now' : mtime }),
    ...(ctime !== undefined && { ctime }),
    ...(fh !== undefined && { fh }),
    ...(has(SETATTR_VALID.KILL_SUIDGID) && { killPrivileges: true }),
  }
}

/** As the kernel does where it knows what a filesystem can hold. */
function clampTime(timeNs: bigint): bigint {
  if (timeNs < TIME_MIN) return TIME_MIN
  return timeNs > TIME_MAX ? TIME_MAX : timeNs
}

function modeOf(body: RequestBody): number {
  const mode = body.u32()
  if (mode > MODE_MAX) throw new FsError('EINVAL', `There is no mode 0${mode.toString(8)}`)
  return mode
}

function optionalMode(body: RequestBody, counts: boolean): number | undefined {
  if (counts) return modeOf(body)
  body.skip(4)
  return undefined
}

export interface MakeRequest {
  readonly name: string
  /** Type and permissions. */
  readonly mode: number
  readonly umask: number
  readonly rdev: number
}

export function decodeMakeNode(body: RequestBody): MakeRequest {
  const mode = withType(modeOf(body), NODE_TYPES)
  const rdev = body.u32()
  const umask = body.u32()
  body.skip(4)
  return { name: body.name(), mode, umask, rdev }
}

export function decodeMakeDirectory(body: RequestBody): MakeRequest {
  const mode = withType(modeOf(body), [S_IFDIR])
  const umask = body.u32()
  return { name: body.name(), mode, umask, rdev: 0 }
}

/** Adds the first type where the kernel leaves it out. Throws FsError EINVAL for another type. */
function withType(mode: number, types: readonly [number, ...number[]]): number {
  const type = mode & S_IFMT
  if (type === 0) return mode | types[0]
  if (types.includes(type)) return mode
  throw new FsError('EINVAL', `Cannot make a file of type 0${type.toString(8)} in this way`)
}

export interface SymlinkRequest {
  readonly name: string
  /** Copied out of the request. */
  readonly target: Uint8Array
}

export function decodeSymlink(body: RequestBody): SymlinkRequest {
  return { name: body.name(), target: Buffer.from(body.name(), 'latin1') }
}

export interface LinkRequest {
  readonly ino: Ino
  readonly newName: string
}

export function decodeLink(body: RequestBody): LinkRequest {
  return { ino: body.u64(), newName: body.name() }
}

/** RENAME, which has no flags. */
export function decodeRename(body: RequestBody, parent: Ino): RenameRequest {
  const newParent = body.u64()
  return {
    parent,
    name: body.name(),
    newParent,
    newName: body.name(),
    noReplace: false,
    exchange: false,
  }
}

/** RENAME2. */
export function decodeRenameWithFlags(
  body: RequestBody,
  parent: Ino,
  caller: Caller,
): RenameRequest {
  const newParent = body.u64()
  const flags = body.u32()
  body.skip(4)
  const known = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT
  const exchanges = (flags & RENAME_EXCHANGE) !== 0
  if ((flags & ~known) !== 0 || (exchanges && flags !== RENAME_EXCHANGE)) {
    throw new FsError('EINVAL', `Cannot rename with flags ${String(flags)}`)
  }
  return {
    parent,
    name: body.name(),
    newParent,
    newName: body.name(),
    noReplace: (flags & RENAME_NOREPLACE) !== 0,
    exchange: exchanges,
    ...((flags & RENAME_WHITEOUT) !== 0 && { whiteoutFor: caller }),
  }
}

export interface OpenRequest {
  readonly flags: number
  readonly kernelFlags: number
}

export function decodeOpen(body: RequestBody): OpenRequest {
  return { flags: body.u32(), kernelFlags: body.u32() }
}

export interface CreateRequest {
  readonly name: string
  readonly mode: number
  readonly umask: number
  readonly flags: number
}

export function decodeCreate(body: RequestBody): CreateRequest {
  const flags = body.u32()
  const mode = withType(modeOf(body), [S_IFREG])
  const umask = body.u32()
  body.skip(4)
  return { name: body.name(), mode, umask, flags }
}

/** GETATTR and STATX: the handle through which is asked, if any. */
export function decodeGetAttributes(body: RequestBody): number | undefined {
  const isOfHandle = (body.u32() & ATTRIBUTES_OF_HANDLE) !== 0
  body.skip(4)
  return isOfHandle ? body.u64() : undefined
}

/** READ, READDIR and READDIRPLUS. */
export interface ReadRequest {
  readonly fh: number
  readonly offset: number
  readonly lengthBytes: number
  readonly flags: number
}

export function decodeRead(body: RequestBody): ReadRequest {
  const fh = body.u64()
  const offset = body.offset()
  const lengthBytes = body.u32()
  const flags = body.u32()
  if (lengthBytes > WRITE_SIZE_MAX) throw new FsError('EINVAL', 'The read is too long')
  return { fh, offset, lengthBytes, flags }
}

export interface DecodedWrite {
  readonly fh: number
  readonly offset: number
  readonly flags: number
  /** The status flags of the descriptor. */
  readonly openFlags: number
  /** In the request's memory. */
  readonly data: Uint8Array
}

export function decodeWrite(body: RequestBody): DecodedWrite {
  const fh = body.u64()
  const offset = body.offset()
  const lengthBytes = body.u32()
  const flags = body.u32()
  body.skip(8)
  const openFlags = body.u32()
  body.skip(4)
  return { fh, offset, flags, openFlags, data: body.bytes(lengthBytes) }
}

export interface SyncRequest {
  readonly fh: number
  readonly flags: number
}

export function decodeSync(body: RequestBody): SyncRequest {
  return { fh: body.u64(), flags: body.u32() }
}

export interface AllocateRequest {
  readonly fh: number
  readonly offset: number
  readonly lengthBytes: number
  readonly mode: number
}

export function decodeAllocate(body: RequestBody): AllocateRequest {
  return { fh: body.u64(), offset: body.offset(), lengthBytes: body.offset(), mode: body.u32() }
}

export function decodeCopyRange(body: RequestBody): CopyRequest {
  const fh = body.u64()
  const offset = body.offset()
  body.skip(8)
  const targetFh = body.u64()
  const targetOffset = body.offset()
  const lengthBytes = body.offset()
  if (body.u64() !== 0) throw new FsError('EINVAL', 'Cannot copy with flags')
  return { fh, offset, targetFh, targetOffset, lengthBytes }
}

export interface SeekRequest {
  readonly fh: number
  readonly offset: number
  readonly whence: number
}

export function decodeSeek(body: RequestBody): SeekRequest {
  return { fh: body.u64(), offset: body.offset(), whence: body.u32() }
}

export interface DecodedIoctl {
  readonly fh: number
  readonly isDirectory: boolean
  readonly command: number
  /** Where the argument lies in the caller's memory. */
  readonly address: bigint
  /** Copied out of the request. */
  readonly input: Uint8Array
}

export function decodeIoctl(body: RequestBody): DecodedIoctl {
  const fh = body.u64()
  const flags = body.u32()
  const command = body.u32()
  const address = body.address()
  const inputSize = body.u32()
  body.skip(4)
  const input = Uint8Array.from(body.bytes(inputSize))
  return { fh, isDirectory: (flags & IOCTL_DIRECTORY) !== 0, command, address, input }
}

/** FLUSH, RELEASE and RELEASEDIR begin with the handle, which is all that counts here. */
export function decodeHandle(body: RequestBody): number {
  const fh = body.u64()
  body.skip(16)
  return fh
}

export interface SetXattrRequest {
  readonly name: string
  /** Copied out of the request. */
  readonly value: Uint8Array
  readonly flags: number
  readonly kernelFlags: number
}

/** `isExtended`: the kernel sends the form with flags of its own. */
export function decodeSetXattr(body: RequestBody, isExtended: boolean): SetXattrRequest {
  const lengthBytes = body.u32()
  const flags = body.u32()
  const kernelFlags = isExtended ? body.u32() : 0
  if (isExtended) body.skip(4)
  const name = body.name()
  return { name, value: Uint8Array.from(body.bytes(lengthBytes)), flags, kernelFlags }
}

export interface GetXattrRequest {
  readonly name: string
  /** Room for the answer; 0 asks for its size. */
  readonly room: number
}

export function decodeGetXattr(body: RequestBody): GetXattrRequest {
  const room = body.u32()
  body.skip(4)
  return { name: body.name(), room }
}

export function decodeListXattr(body: RequestBody): number {
  return body.u32()
}
