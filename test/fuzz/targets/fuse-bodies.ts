/** A writer for the fields of a FUSE message, and the shapes of all requests. */
import { OPCODE } from '../../../src/fuse/kernel/protocol.ts'
import {
  COMMIT_RANGE,
  EXCHANGE_RANGE,
  START_COMMIT,
  encodeExchange,
} from '../../support/exchange.ts'
import type { Random } from '../../support/random.ts'
import { fieldValue } from '../kit/mutate.ts'

export class Fields {
  private readonly parts: Buffer[] = []

  u32(...numbers: number[]): this {
    for (const number of numbers) {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32LE(number >>> 0)
      this.parts.push(bytes)
    }
    return this
  }

  u64(...numbers: (number | bigint)[]): this {
    for (const number of numbers) {
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(number)))
      this.parts.push(bytes)
    }
    return this
  }

  text(...texts: string[]): this {
    for (const text of texts) this.parts.push(Buffer.from(`${text}\0`, 'latin1'))
    return this
  }

  bytes(content: Uint8Array): this {
    this.parts.push(Buffer.from(content))
    return this
  }

  done(): Buffer {
    return Buffer.concat(this.parts)
  }
}

/** What requests refer to; each call chooses. */
export interface World {
  ino(): number | bigint
  name(): string
  handle(): number | bigint
  offset(): number | bigint
  content(): Uint8Array
  xattr(): readonly [name: string, value: Uint8Array]
}

/** Numbers of open files that the bench knows. */
export const DESCRIPTOR_COUNT = 40

/** Seconds that tests of a clock forget: before 1970, behind 2038, behind what 64 bits hold as ns. */
const SECONDS = [0n, 1n, -1n, 2n ** 31n, 2n ** 34n, -(2n ** 40n), 2n ** 63n - 1n, -(2n ** 63n)]

function setAttributes(random: Random, world: World): Buffer {
  const valid = random.oneIn(3) ? random.int(0x1000) : 1 << random.int(12)
  const seconds = Array.from({ length: 3 }, () => random.pick(SECONDS))
  const nanoseconds = Array.from({ length: 3 }, () => (random.oneIn(9) ? -1 : random.int(10 ** 9)))
  const mode = random.oneIn(3) ? random.next() : random.int(0o10000)
  return new Fields()
    .u32(valid, 0)
    .u64(world.handle(), world.offset(), 0, ...seconds)
    .u32(...nanoseconds, mode, 0, random.int(3000), random.int(3000), 0)
    .done()
}

function forgets(random: Random, world: World): Buffer {
  const count = random.int(5)
  const fields = new Fields().u32(random.oneIn(4) ? random.next() : count, 0)
  for (let i = 0; i < count; i++) fields.u64(world.ino(), random.int(3))
  return fields.done()
}

const mode = (random: Random): number =>
  random.oneIn(4)
    ? random.next()
    : random.pick([0, 0o100000, 0o040000, 0o010000]) | random.int(0o7777)

const OPEN_FLAGS = [0, 1, 2, 2, 2, 0o1001, 0o1002, 0o1000, 0o2002, 0o4_010_002]

const openFlags = (random: Random): number =>
  random.oneIn(8) ? random.next() : random.pick(OPEN_FLAGS)

const length = (random: Random): number =>
  random.oneIn(4) ? Number(fieldValue(random) & 0xffff_ffffn) : random.int(20_000)

type Body = (random: Random, world: World) => Buffer

const reading: Body = (random, world) =>
  new Fields().u64(world.handle(), world.offset()).u32(length(random), 0).u64(0).u32(0, 0).done()

const closing: Body = (_, world) => new Fields().u64(world.handle()).u32(0, 0).u64(0).done()

const syncing: Body = (random, world) =>
  new Fields().u64(world.handle()).u32(random.int(2), 0).done()

const named: Body = (_, world) => new Fields().text(world.name()).done()

const nothing: Body = () => Buffer.alloc(0)

const sixteen: Body = () => Buffer.alloc(16)

function flags(random: Random, world: World): Buffer {
  const command = random.pick(IOCTLS)
  return new Fields()
    .u64(world.handle())
    .u32(random.pick([0, 16]), command)
    .u64(0)
    .u32(28, 28)
    .bytes(Buffer.alloc(28, random.int(256)))
    .done()
}

/** Descriptors are those that the bench has: each is that of the inode with its number. */
function exchange(random: Random, world: World): Buffer {
  const command = random.pick([EXCHANGE_RANGE, EXCHANGE_RANGE, START_COMMIT, COMMIT_RANGE])
  const place = (): number | bigint =>
    random.oneIn(5) ? BigInt(world.offset()) : random.int(5) * 4096
  const range = encodeExchange({
    descriptor: random.int(DESCRIPTOR_COUNT),
    firstOffset: place(),
    secondOffset: place(),
    length: place(),
    flags: random.int(random.oneIn(9) ? 64 : 16),
  })
  const argument = Buffer.concat([range, random.bytes(48)])
  const input = command === START_COMMIT ? Buffer.alloc(0) : argument
  return new Fields()
    .u64(world.handle())
    .u32(random.oneIn(20) ? 16 : 0, command)
    .u64(0)
    .u32(input.length, command === START_COMMIT ? 88 : 0)
    .bytes(input)
    .done()
}

/** Bodies that a kernel could send, by opcode. */
export const BODIES: ReadonlyMap<number, Body> = new Map<number, Body>([
  [OPCODE.LOOKUP, named],
  [OPCODE.FORGET, (random) => new Fields().u64(random.int(3)).done()],
  [OPCODE.BATCH_FORGET, forgets],
  [OPCODE.GETATTR, (_, world) => new Fields().u32(0, 0).u64(world.handle()).done()],
  [OPCODE.STATX, () => Buffer.alloc(24)],
  [OPCODE.SETATTR, setAttributes],
  [OPCODE.READLINK, nothing],
  [OPCODE.SYMLINK, (_, world) => new Fields().text(world.name(), world.name()).done()],
  [
    OPCODE.MKNOD,
    (random, world) =>
      new Fields().u32(mode(random), random.next(), 0, 0).text(world.name()).done(),
  ],
  [OPCODE.MKDIR, (random, world) => new Fields().u32(mode(random), 0).text(world.name()).done()],
  [OPCODE.UNLINK, named],
  [OPCODE.RMDIR, named],
  [
    OPCODE.RENAME,
    (_, world) => new Fields().u64(world.ino()).text(world.name(), world.name()).done(),
  ],
  [
    OPCODE.RENAME2,
    (random, world) =>
      new Fields().u64(world.ino()).u32(random.int(8), 0).text(world.name(), world.name()).done(),
  ],
  [OPCODE.LINK, (_, world) => new Fields().u64(world.ino()).text(world.name()).done()],
  [OPCODE.STATFS, nothing],
  [OPCODE.OPEN, (random) => new Fields().u32(openFlags(random), random.int(2)).done()],
  [
    OPCODE.CREATE,
    (random, world) =>
      new Fields().u32(openFlags(random), mode(random), 0, 0).text(world.name()).done(),
  ],
  [OPCODE.READ, reading],
  [
    OPCODE.WRITE,
    (random, world) => {
      const content = world.content()
      return new Fields()
        .u64(world.handle(), world.offset())
        .u32(content.length, random.pick([0, 0, 1, 1, 4, 5]))
        .u64(0)
        .u32(0, 0)
        .bytes(content)
        .done()
    },
  ],
  [OPCODE.FLUSH, closing],
  [OPCODE.RELEASE, closing],
  [OPCODE.FSYNC, syncing],
  [OPCODE.OPENDIR, () => Buffer.alloc(8)],
  [OPCODE.READDIR, reading],
  [OPCODE.READDIRPLUS, reading],
  [OPCODE.RELEASEDIR, closing],
  [OPCODE.FSYNCDIR, syncing],
  [
    OPCODE.GETXATTR,
    (random, world) => new Fields().u32(length(random), 0).text(world.xattr()[0]).done(),
  ],
  [OPCODE.LISTXATTR, (random) => new Fields().u32(length(random), 0).done()],
  [
    OPCODE.SETXATTR,
    (random, world) => {
      const [name, value] = world.xattr()
      const lie = random.oneIn(8) ? random.int(200_000) : value.length
      return new Fields().u32(lie, random.int(4)).text(name).bytes(value).done()
    },
  ],
  [OPCODE.REMOVEXATTR, (_, world) => new Fields().text(world.xattr()[0]).done()],
  [
    OPCODE.INIT,
    (random) => new Fields().u32(7, 31 + random.int(20), 0x2_0000, random.next()).done(),
  ],
  [OPCODE.DESTROY, nothing],
  [OPCODE.INTERRUPT, () => Buffer.alloc(8)],
  [OPCODE.ACCESS, sixteen],
  [
    OPCODE.LSEEK,
    (random, world) =>
      new Fields()
        .u64(world.handle(), world.offset())
        .u32(random.pick([3, 3, 4, 4, 0, 7]), 0)
        .done(),
  ],
  [
    OPCODE.COPY_FILE_RANGE,
    (random, world) =>
      new Fields()
        .u64(world.handle(), world.offset(), 0, world.handle(), world.offset(), world.offset())
        .u64(random.oneIn(8) ? 1 : 0)
        .done(),
  ],
  [
    OPCODE.FALLOCATE,
    (random, world) =>
      new Fields()
        .u64(world.handle(), world.offset(), world.offset())
        .u32(random.pick([0, 1, 2, 3, 3, 3, 0x10, 0x11, 0x40]), 0)
        .done(),
  ],
  [OPCODE.TMPFILE, (random) => new Fields().u32(2, random.int(0x1_0000), 0o22, 0).text('x').done()],
  [
    OPCODE.IOCTL,
    (random, world) => (random.oneIn(2) ? flags(random, world) : exchange(random, world)),
  ],
  [OPCODE.POLL, () => Buffer.alloc(24)],
  [OPCODE.BMAP, sixteen],
  [OPCODE.SYNCFS, () => Buffer.alloc(8)],
])

/** Of the ioctls that are known, those that come in sequences more often. */
const IOCTLS = [
  0x8008_6601, 0x4008_6602, 0x801c_581f, 0x401c_5820, 0x8004_f50c, 0xf501, 0xf501, 0xf501, 0xf502,
  0xf502, 0xf505, 0xf505, 0xf519,
]

export const OPCODES: readonly number[] = [...BODIES.keys()]
