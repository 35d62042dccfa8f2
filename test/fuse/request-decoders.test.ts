import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { FsError } from '../../src/errors.ts'
import { decodeHeader, RequestBody } from '../../src/fuse/kernel/request-body.ts'
import * as decoders from '../../src/fuse/kernel/request-decoders.ts'

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

const CALLER = { uid: 1, gid: 2, pid: 3 }

const DECODERS: readonly ((body: RequestBody) => unknown)[] = [
  decoders.decodeInit,
  decoders.decodeBatchForget,
  decoders.decodeSetAttributes,
  decoders.decodeMakeNode,
  decoders.decodeMakeDirectory,
  decoders.decodeSymlink,
  decoders.decodeLink,
  (body) => decoders.decodeRename(body, 1),
  (body) => decoders.decodeRenameWithFlags(body, 1, CALLER),
  decoders.decodeOpen,
  decoders.decodeCreate,
  decoders.decodeRead,
  decoders.decodeWrite,
  decoders.decodeSync,
  decoders.decodeHandle,
  (body) => decoders.decodeSetXattr(body, false),
  (body) => decoders.decodeSetXattr(body, true),
  decoders.decodeSeek,
  decoders.decodeAllocate,
  decoders.decodeIoctl,
  decoders.decodeGetXattr,
  decoders.decodeListXattr,
]

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, index * 4)
  return bytes
}

function u64(...values: bigint[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8)
  for (const [index, value] of values.entries()) bytes.writeBigUInt64LE(value, index * 8)
  return bytes
}

function bodyOf(...parts: Buffer[]): RequestBody {
  const bytes = Buffer.concat(parts)
  return new RequestBody(bytes, 0, bytes.length)
}

/** Calls and lets nothing but an FsError pass for a refusal. */
function onlyFsErrors(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof FsError, String(error))
  }
}

test(`decoders throw nothing but FsError on any bytes (SEED=${String(seed)})`, () => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(new Uint8Array(200)))
  fc.assert(
    fc.property(bytes, fc.nat(DECODERS.length - 1), fc.nat(20), (content, which, before) => {
      const all = Buffer.concat([Buffer.alloc(before), content, Buffer.alloc(10)])
      const decode = DECODERS[which]
      onlyFsErrors(() => decode?.(new RequestBody(all, before, before + content.length)))
    }),
    { seed, numRuns: 20_000 },
  )
})

test(`decodeHeader() throws nothing but FsError on any bytes (SEED=${String(seed)})`, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (content) => {
      onlyFsErrors(() => decodeHeader(Buffer.from(content), 0, content.length))
    }),
    { seed, numRuns: 5_000 },
  )
})

test('decodeHeader() refuses a length that is not the length', () => {
  const bytes = Buffer.concat([u32(41, 1), u64(1n, 1n), u32(0, 0, 0, 0)])
  assert.throws(() => decodeHeader(bytes, 0, 40), { code: 'EPROTO' })
  assert.throws(() => decodeHeader(bytes, 0, 39), { code: 'EPROTO' })
})

test('decodeHeader() reads inode and caller', () => {
  const bytes = Buffer.concat([u32(40, 3), u64(9n, 0x1_0000_0002n), u32(5, 6, 7, 0)])
  assert.deepEqual(decodeHeader(bytes, 0, 40), {
    opcode: 3,
    ino: 0x1_0000_0002,
    caller: { uid: 5, gid: 6, pid: 7 },
  })
})

test('RequestBody.offset() counts what a number cannot hold as the farthest place', () => {
  assert.equal(bodyOf(u64(4096n)).offset(), 4096)
  assert.equal(bodyOf(u64(2n ** 63n - 1n)).offset(), Number.MAX_SAFE_INTEGER)
})

test('RequestBody.u64() refuses what a number cannot hold', () => {
  assert.equal(bodyOf(u64(2n ** 53n - 1n)).u64(), Number.MAX_SAFE_INTEGER)
  assert.throws(() => bodyOf(u64(2n ** 53n)).u64(), { code: 'EINVAL' })
})

test('RequestBody.name() keeps bytes and needs an end within the request', () => {
  const bytes = Buffer.from([0xff, 0x80, 0x41, 0, 0x42])
  assert.equal(new RequestBody(bytes, 0, 5).name(), 'ÿ\u0080A')
  assert.throws(() => new RequestBody(bytes, 0, 3).name(), { code: 'EINVAL' })
  assert.throws(() => new RequestBody(bytes, 3, 5).name(), { code: 'EINVAL' })
})

/** valid, padding, fh, size, lock owner, 3 times, 3 fractions, mode, unused, uid, gid, unused. */
function setAttributesBody(valid: number): RequestBody {
  return bodyOf(
    u32(valid, 0),
    u64(11n, 12n, 2n ** 64n - 1n, 1n, 2n ** 64n - 1n, 3n),
    u32(5, 6, 7, 0o644, 0, 21, 22, 0),
  )
}

test('decodeSetAttributes() takes only the fields that count', () => {
  assert.deepEqual(decoders.decodeSetAttributes(setAttributesBody(0)), {})
  assert.deepEqual(decoders.decodeSetAttributes(setAttributesBody(0b1_1111_1111)), {
    mode: 0o644,
    uid: 21,
    gid: 22,
    size: 12,
    fh: 11,
    atime: 'now',
    mtime: 'now',
  })
  assert.deepEqual(decoders.decodeSetAttributes(setAttributesBody(0b1100_0011_0000)), {
    atime: 1_000_000_005n,
    mtime: -999_999_994n,
    ctime: 3_000_000_007n,
    killPrivileges: true,
  })
})

function renameBody(flags: number): RequestBody {
  return bodyOf(u64(7n), u32(flags, 0), Buffer.from('a\0b\0'))
}

test('decodeRenameWithFlags() knows NOREPLACE, EXCHANGE and WHITEOUT only', () => {
  const decode = (flags: number): unknown =>
    decoders.decodeRenameWithFlags(renameBody(flags), 1, CALLER)
  const expected = { parent: 1, name: 'a', newParent: 7, newName: 'b' }
  assert.deepEqual(decode(1), { ...expected, noReplace: true, exchange: false })
  assert.deepEqual(decode(2), { ...expected, noReplace: false, exchange: true })
  const whiteout = { ...expected, exchange: false, whiteoutFor: CALLER }
  assert.deepEqual(decode(4), { ...whiteout, noReplace: false })
  assert.deepEqual(decode(5), { ...whiteout, noReplace: true })
  for (const flags of [3, 6, 8]) assert.throws(() => decode(flags), { code: 'EINVAL' })
})

test('decodeWrite() gives the payload in place', () => {
  const bytes = Buffer.concat([u64(1n, 4096n), u32(3, 1), u64(0n), u32(0, 0), Buffer.from('abc')])
  const { fh, offset, flags, data } = decoders.decodeWrite(new RequestBody(bytes, 0, bytes.length))
  assert.deepEqual([fh, offset, flags], [1, 4096, 1])
  assert.equal(Buffer.from(data).toString(), 'abc')
  assert.equal(data.buffer, bytes.buffer)
})

test('decodeBatchForget() refuses a count beyond the request', () => {
  assert.deepEqual(decoders.decodeBatchForget(bodyOf(u32(1, 0), u64(5n, 2n))), [
    { ino: 5, count: 2 },
  ])
  assert.throws(() => decoders.decodeBatchForget(bodyOf(u32(2, 0), u64(5n, 2n))), {
    code: 'EINVAL',
  })
})

const timesBody = (seconds: bigint): RequestBody =>
  bodyOf(
    u32(0b100_0011_0000, 0),
    u64(0n, 0n, 0n, ...[seconds, seconds, seconds].map((value) => BigInt.asUintN(64, value))),
    u32(5, 6, 7, 0, 0, 0, 0, 0),
  )

test('decodeSetAttributes() keeps times within what a volume can hold', () => {
  const years = 400n * 365n * 86_400n
  const late = decoders.decodeSetAttributes(timesBody(years))
  const early = decoders.decodeSetAttributes(timesBody(-years))
  for (const field of ['atime', 'mtime', 'ctime'] as const) {
    assert.equal(late[field], 2n ** 63n - 1n)
    assert.equal(early[field], -(2n ** 63n))
  }
})

const node = (mode: number): RequestBody => bodyOf(u32(mode, 0, 0, 0), Buffer.from('a\0'))
const folder = (mode: number): RequestBody => bodyOf(u32(mode, 0), Buffer.from('a\0'))
const file = (mode: number): RequestBody => bodyOf(u32(0, mode, 0, 0), Buffer.from('a\0'))

test('what is made is of a type that its operation makes', () => {
  assert.equal(decoders.decodeMakeNode(node(0o644)).mode, 0o100644)
  assert.equal(decoders.decodeMakeNode(node(0o010644)).mode, 0o010644)
  assert.equal(decoders.decodeMakeDirectory(folder(0o755)).mode, 0o040755)
  assert.equal(decoders.decodeCreate(file(0o100600)).mode, 0o100600)
  for (const mode of [0o040755, 0o120777, 0o150000, 0x1_0000, 0xffff_ffff]) {
    assert.throws(() => decoders.decodeMakeNode(node(mode)), { code: 'EINVAL' })
  }
  assert.throws(() => decoders.decodeMakeDirectory(folder(0o100755)), { code: 'EINVAL' })
  assert.throws(() => decoders.decodeCreate(file(0o040755)), { code: 'EINVAL' })
})
