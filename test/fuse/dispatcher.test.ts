import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { pino } from 'pino'
import { ERRNO, FsError } from '../../src/errors.ts'
import { Failures } from '../../src/fuse/failures.ts'
import { Dispatcher } from '../../src/fuse/kernel/dispatcher.ts'
import { OPCODE } from '../../src/fuse/kernel/protocol.ts'
import { LONG_TIMEOUTS } from '../../src/fuse/timeouts.ts'
import { MemoryFilesystem } from './support/memory-filesystem.ts'

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

class Bench {
  readonly filesystem = new MemoryFilesystem()
  readonly bugs: unknown[] = []
  /** One for each answer: 0 or a negative errno. */
  readonly answers: number[] = []
  /** Numbers of the requests that were answered. */
  readonly answered: number[] = []
  readonly #dispatcher: Dispatcher

  constructor() {
    const log = pino({ level: 'silent' })
    this.#dispatcher = new Dispatcher({
      edge: {
        filesystem: this.filesystem,
        timeouts: LONG_TIMEOUTS,
        resizes: {
          isAny: false,
          findTarget: () => undefined,
          isOwnQuestion: () => Promise.resolve(false),
          isOurs: () => false,
          adopted: () => undefined,
        },
        ownFiles: { findTarget: () => undefined, isOwnOpen: () => false },
        features: () => 0,
        initialise: () => Buffer.alloc(16),
      },
      replies: {
        send: ({ low }) => this.note(low, 0),
        sendError: ({ low }, errno) => this.note(low, -errno),
      },
      failures: new Failures(log, (error) => this.bugs.push(error)),
      log,
    })
  }

  request(opcode: number, ino: bigint, body: Uint8Array, unique = 0): void {
    const bytes = Buffer.alloc(40 + body.length)
    bytes.writeUInt32LE(bytes.length, 0)
    bytes.writeUInt32LE(opcode, 4)
    bytes.writeUInt32LE(unique, 8)
    bytes.writeBigUInt64LE(ino, 16)
    bytes.set(body, 40)
    this.raw(bytes)
  }

  raw(bytes: Buffer): void {
    this.#dispatcher.dispatch({ bytes, hold: () => () => undefined }, 0, bytes.length)
  }

  endBurst(): void {
    this.#dispatcher.endBurst()
  }

  private note(unique: number, answer: number): void {
    this.answers.push(answer)
    this.answered.push(unique)
  }
}

test('dispatch() answers a success and an expected error at once', () => {
  const bench = new Bench()
  bench.request(OPCODE.GETATTR, 1n, Buffer.alloc(16))
  bench.request(OPCODE.UNLINK, 1n, Buffer.from('missing\0'))
  assert.deepEqual(bench.answers, [0, -ERRNO.ENOENT])
  assert.deepEqual(bench.bugs, [])
})

test('small writes are answered at the end of their burst, the last one first', () => {
  const bench = new Bench()
  bench.filesystem.write = (_, { data }) => data.length
  const write = (unique: number, lengthBytes: number): void => {
    const body = Buffer.alloc(40 + lengthBytes)
    body.writeUInt32LE(lengthBytes, 16)
    bench.request(OPCODE.WRITE, 1n, body, unique)
  }
  write(1, 4096)
  write(2, 4096)
  bench.request(OPCODE.GETATTR, 1n, Buffer.alloc(16), 3)
  write(4, 1024 * 1024)
  assert.deepEqual(bench.answered, [3, 4])
  bench.endBurst()
  bench.endBurst()
  assert.deepEqual(bench.answered, [3, 4, 2, 1])
  assert.deepEqual(bench.answers, [0, 0, 0, 0])
})

test('what a read has taken is lent again when it is answered, and when it has failed', async () => {
  const bench = new Bench()
  const taken = new Set<ArrayBufferLike>()
  let isBroken = false
  bench.filesystem.read = async (_fh, _offset, lengthBytes, how) => {
    const piece = how?.memory?.take(lengthBytes) ?? Buffer.alloc(0)
    taken.add(piece.buffer)
    await Promise.resolve()
    if (isBroken) throw new FsError('EIO', 'Broken')
    return [piece]
  }
  const read = Buffer.alloc(40)
  read.writeUInt32LE(1024 * 1024, 16)
  for (const breaks of [false, true, false]) {
    isBroken = breaks
    bench.request(OPCODE.READ, 1n, read)
    await new Promise(setImmediate)
  }
  assert.deepEqual(bench.answers, [0, -ERRNO.EIO, 0])
  assert.equal(taken.size, 1)
})

test('dispatch() answers EIO for a bug and reports it', () => {
  const bench = new Bench()
  bench.request(OPCODE.GETATTR, 99n, Buffer.alloc(16))
  assert.deepEqual(bench.answers, [-ERRNO.EIO])
  assert.equal(bench.bugs.length, 1)
})

test('dispatch() settles promises once each', async () => {
  const bench = new Bench()
  bench.filesystem.fsync = async () => Promise.reject(new FsError('ENOSPC', 'Full'))
  bench.request(OPCODE.FSYNC, 1n, Buffer.alloc(16))
  assert.deepEqual(bench.answers, [])
  await new Promise(setImmediate)
  assert.deepEqual(bench.answers, [-ERRNO.ENOSPC])
})

test('dispatch() answers what is not offered so that the kernel goes on without it', () => {
  const bench = new Bench()
  for (const opcode of [OPCODE.POLL, OPCODE.FALLOCATE, OPCODE.IOCTL, 4000]) {
    bench.request(opcode, 1n, Buffer.alloc(64))
  }
  const { ENOSYS, EOPNOTSUPP, ENOTTY } = ERRNO
  assert.deepEqual(bench.answers, [-ENOSYS, -EOPNOTSUPP, -ENOTTY, -ENOSYS])
  assert.deepEqual(bench.bugs, [])
})

test('dispatch() never answers what the kernel wants no answer to', () => {
  const bench = new Bench()
  bench.request(OPCODE.INTERRUPT, 0n, Buffer.alloc(8))
  bench.request(OPCODE.FORGET, 99n, Buffer.alloc(8))
  bench.request(OPCODE.BATCH_FORGET, 0n, Buffer.alloc(3))
  assert.deepEqual(bench.answers, [])
})

test(`dispatch() settles any request once and never throws (SEED=${String(seed)})`, async () => {
  const opcode = fc.oneof(fc.constantFrom(...Object.values(OPCODE)), fc.nat())
  const body = fc.uint8Array({ maxLength: 80 })
  const silent: number[] = [OPCODE.FORGET, OPCODE.BATCH_FORGET, OPCODE.INTERRUPT]
  await fc.assert(
    fc.asyncProperty(opcode, fc.bigInt(0n, 2n ** 64n - 1n), body, async (code, ino, bytes) => {
      const bench = new Bench()
      bench.request(code, ino % 3n === 0n ? 1n : ino, bytes)
      await new Promise(setImmediate)
      assert.equal(bench.answers.length, silent.includes(code) ? 0 : 1)
    }),
    { seed, numRuns: 3_000 },
  )
})

test('dispatch() answers a request whose header lies about its length', () => {
  const bench = new Bench()
  const bytes = Buffer.alloc(56)
  bytes.writeUInt32LE(1_000, 0)
  bytes.writeUInt32LE(OPCODE.GETATTR, 4)
  bench.raw(bytes)
  bench.raw(Buffer.alloc(7))
  assert.deepEqual(bench.answers, [-ERRNO.EPROTO])
})
