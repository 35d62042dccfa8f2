/** What an answer must look like for the kernel to take it: its size, and what it says of inodes. */
import { OPCODE } from '../../../src/fuse/kernel/protocol.ts'
import type { Answer } from './dispatch-bench.ts'

const HEADER = 40
const ATTRIBUTES_AT = { entry: 40, attributes: 16 } as const
const NODE_TYPES = [0o040000, 0o100000, 0o120000, 0o010000, 0o020000, 0o060000, 0o140000]
/** The kernel takes no errno from here on. */
const ERRNO_END = 512

const SILENT: ReadonlySet<number> = new Set([OPCODE.FORGET, OPCODE.BATCH_FORGET, OPCODE.INTERRUPT])

export const opcodeOf = (request: Uint8Array): number => Buffer.from(request).readUInt32LE(4)

/** Whether the kernel waits for an answer to these bytes. */
export function isAnswered(request: Uint8Array): boolean {
  return request.length >= HEADER && !SILENT.has(opcodeOf(request))
}

const EXACT: ReadonlyMap<number, number> = new Map([
  ...([OPCODE.LOOKUP, OPCODE.MKNOD, OPCODE.MKDIR, OPCODE.SYMLINK, OPCODE.LINK] as const).map(
    (opcode) => [opcode, 128] as const,
  ),
  ...([OPCODE.GETATTR, OPCODE.SETATTR] as const).map((opcode) => [opcode, 104] as const),
  ...([OPCODE.OPEN, OPCODE.OPENDIR] as const).map((opcode) => [opcode, 16] as const),
  ...([OPCODE.CREATE, OPCODE.TMPFILE] as const).map((opcode) => [opcode, 144] as const),
  ...([OPCODE.WRITE, OPCODE.COPY_FILE_RANGE, OPCODE.LSEEK] as const).map(
    (opcode) => [opcode, 8] as const,
  ),
  [OPCODE.STATFS, 80],
  [OPCODE.STATX, 288],
  [OPCODE.INIT, 64],
])

const SIZED_AT: ReadonlyMap<number, number> = new Map<number, number>([
  [OPCODE.READ, HEADER + 16],
  [OPCODE.READDIR, HEADER + 16],
  [OPCODE.READDIRPLUS, HEADER + 16],
  [OPCODE.GETXATTR, HEADER],
  [OPCODE.LISTXATTR, HEADER],
])

/** What is wrong with the answer to a request, if anything is. */
export function answerFault(request: Uint8Array, answer: Answer): string | undefined {
  const opcode = opcodeOf(request)
  const { errno, payload } = answer
  if (errno < 0 || errno >= ERRNO_END || !Number.isInteger(errno)) return `errno ${errno}`
  if (errno !== 0) return payload.length === 0 ? undefined : 'an error with a payload'
  const sizeFault = wrongSize(request, opcode, payload.length)
  if (sizeFault !== undefined) return sizeFault
  if (EXACT.get(opcode) === 128 || EXACT.get(opcode) === 144) {
    const isMissing = payload.readBigUInt64LE(0) === 0n
    return isMissing ? undefined : attributesFault(payload, ATTRIBUTES_AT.entry)
  }
  if (EXACT.get(opcode) === 104) return attributesFault(payload, ATTRIBUTES_AT.attributes)
  return undefined
}

function wrongSize(request: Uint8Array, opcode: number, size: number): string | undefined {
  const sizedAt = SIZED_AT.get(opcode)
  if (sizedAt === undefined) {
    const isOfAnySize = opcode === OPCODE.READLINK || opcode === OPCODE.IOCTL
    const expected = isOfAnySize ? size : (EXACT.get(opcode) ?? 0)
    return size === expected ? undefined : `${size} bytes for opcode ${opcode}, not ${expected}`
  }
  const asked = Buffer.from(request).readUInt32LE(sizedAt)
  const isQuestion = asked === 0 && sizedAt === HEADER
  return size <= (isQuestion ? 8 : asked) ? undefined : `${size} bytes, and room for ${asked}`
}

/** The kernel makes an inode bad whose attributes it does not believe. */
function attributesFault(payload: Buffer, at: number): string | undefined {
  const mode = payload.readUInt32LE(at + 60)
  if (mode > 0xffff || !NODE_TYPES.includes(mode & 0o170000)) return `mode ${mode.toString(8)}`
  if (payload.readBigUInt64LE(at + 8) >= 2n ** 63n) return 'a size that is negative'
  for (const nanosecondsAt of [48, 52, 56]) {
    if (payload.readUInt32LE(at + nanosecondsAt) >= 10 ** 9) return 'a time out of range'
  }
  return undefined
}
