/** The decoder of each request's body, and that of the header. */
import assert from 'node:assert/strict'
import { OPCODE, operationName } from '../../../src/fuse/kernel/protocol.ts'
import { RequestBody, decodeHeader } from '../../../src/fuse/kernel/request-body.ts'
import * as decoders from '../../../src/fuse/kernel/request-decoders.ts'
import { type Random } from '../../support/random.ts'
import { fieldValue } from '../kit/mutate.ts'
import { type Input, type Target, refusable } from '../kit/target.ts'
import { BODIES, Fields, type World } from './fuse-bodies.ts'
import * as values from './values.ts'

const MARGIN = 16
const TIME_MAX = 2n ** 63n

const DECODERS: ReadonlyMap<number, (body: RequestBody) => unknown> = new Map([
  [OPCODE.INIT, decoders.decodeInit],
  [OPCODE.BATCH_FORGET, decoders.decodeBatchForget],
  [OPCODE.SETATTR, checkAttributes],
  [OPCODE.MKNOD, (body) => checkMode(decoders.decodeMakeNode(body))],
  [OPCODE.MKDIR, (body) => checkMode(decoders.decodeMakeDirectory(body), 0o040000)],
  [OPCODE.SYMLINK, decoders.decodeSymlink],
  [OPCODE.LINK, decoders.decodeLink],
  [OPCODE.RENAME, (body) => decoders.decodeRename(body, 1)],
  [OPCODE.RENAME2, checkRename],
  [OPCODE.OPEN, decoders.decodeOpen],
  [OPCODE.CREATE, (body) => checkMode(decoders.decodeCreate(body), 0o100000)],
  [OPCODE.READ, decoders.decodeRead],
  [OPCODE.WRITE, decoders.decodeWrite],
  [OPCODE.FSYNC, decoders.decodeSync],
  [OPCODE.RELEASE, decoders.decodeHandle],
  [OPCODE.FALLOCATE, decoders.decodeAllocate],
  [OPCODE.SETXATTR, (body) => decoders.decodeSetXattr(body, true)],
  [OPCODE.LSEEK, decoders.decodeSeek],
  [OPCODE.IOCTL, decoders.decodeIoctl],
  [OPCODE.GETXATTR, decoders.decodeGetXattr],
  [OPCODE.LISTXATTR, decoders.decodeListXattr],
])

function checkAttributes(body: RequestBody): void {
  const { atime, mtime, ctime, mode = 0 } = decoders.decodeSetAttributes(body)
  for (const time of [atime, mtime, ctime]) {
    if (typeof time !== 'bigint') continue
    assert.ok(time >= -TIME_MAX && time < TIME_MAX, 'a time fits its field on the disk')
  }
  assert.ok(mode <= 0xffff, 'a mode has 16 bits')
}

const NODE_TYPES = [0o100000, 0o010000, 0o020000, 0o060000, 0o140000]

function checkMode({ mode }: { readonly mode: number }, type?: number): void {
  assert.ok(mode <= 0xffff, 'a mode has 16 bits')
  const types = type === undefined ? NODE_TYPES : [type]
  assert.ok(types.includes(mode & 0o170000), `type ${(mode & 0o170000).toString(8)} is made`)
}

function checkRename(body: RequestBody): void {
  const caller = { uid: 0, gid: 0, pid: 0 }
  const request = decoders.decodeRenameWithFlags(body, 1, caller)
  const moves = request.noReplace || request.whiteoutFor !== undefined
  assert.ok(!moves || !request.exchange, 'nothing is replaced or left in an exchange')
}

function someWorld(random: Random): World {
  return {
    ino: () => fieldValue(random),
    name: () => values.name(random),
    handle: () => fieldValue(random),
    offset: () => fieldValue(random),
    content: () => random.bytes(random.int(60)),
    xattr: () => [values.name(random), random.bytes(random.int(60))],
  }
}

/** Every number that a decoder returns is one that JavaScript holds exactly. */
function checkNumbers(decoded: unknown): void {
  if (typeof decoded === 'number') assert.ok(Number.isSafeInteger(decoded) && decoded >= 0)
  else if (decoded instanceof Uint8Array) assert.ok(decoded.length < 1 << 21)
  else if (decoded instanceof Object) for (const part of Object.values(decoded)) checkNumbers(part)
}

/** The body lies in the middle of other memory, which it must not reach. */
function runBody(opcode: number, [bytes = Buffer.alloc(0)]: Input): void {
  const memory = Buffer.concat([Buffer.alloc(MARGIN, 1), bytes, Buffer.alloc(MARGIN)])
  refusable(() => {
    checkNumbers(DECODERS.get(opcode)?.(new RequestBody(memory, MARGIN, MARGIN + bytes.length)))
  })
}

const bodies = [...DECODERS.keys()].map((opcode): Target => ({
  name: `request-${operationName(opcode)}`,
  weight: 0.5,
  generate: (random) => [BODIES.get(opcode)?.(random, someWorld(random)) ?? Buffer.alloc(0)],
  run: (input) => {
    runBody(opcode, input)
  },
}))

const header: Target = {
  name: 'request-header',
  weight: 0.5,
  generate: (random) => [
    new Fields()
      .u32(40, random.int(60))
      .u64(random.int(100), fieldValue(random))
      .u32(random.next(), random.next(), random.next(), 0)
      .done(),
  ],
  run: ([bytes = Buffer.alloc(0)]) => {
    refusable(() => {
      checkNumbers(decodeHeader(Buffer.from(bytes), 0, bytes.length))
    })
  },
}

export const requestCodecs: readonly Target[] = [header, ...bodies]
