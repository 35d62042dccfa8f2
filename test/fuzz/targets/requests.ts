/** Sequences of requests, as a kernel would send them and as none would. */
import { OPCODE } from '../../../src/fuse/kernel/protocol.ts'
import type { Random } from '../../support/random.ts'
import { fieldValue } from '../kit/mutate.ts'
import type { Input } from '../kit/target.ts'
import { type BaseVolume } from './base-volume.ts'
import { BODIES, Fields, OPCODES, type World } from './fuse-bodies.ts'
import * as values from './values.ts'

/** Byte of the header's padding that says whether to go on only when a request is answered. */
export const WAIT_AT = 36

const XATTRS = [
  'user.atomic',
  'user.atomic.onclose',
  'user.atomic.state',
  'user.atomic.limits',
  'user.atomic.commit',
  'user.atomic.rollback',
  'user.atomic.unknown',
  'user.atomic.',
  'user.atomicity',
  'user.note',
  'user.',
  'security.capability',
  'trusted.x',
  'system.acl',
]

const XATTR_VALUES = ['', '0', '1', 'shared', 'isolated', 'publish', 'discard', 'keep', '1\n', '\0']

/** What happens often, so that sequences get somewhere. */
const COMMON = [
  OPCODE.LOOKUP,
  OPCODE.OPEN,
  OPCODE.OPEN,
  OPCODE.CREATE,
  OPCODE.WRITE,
  OPCODE.WRITE,
  OPCODE.READ,
  OPCODE.RELEASE,
  OPCODE.FLUSH,
  OPCODE.FSYNC,
  OPCODE.SETATTR,
  OPCODE.SETXATTR,
  OPCODE.RENAME2,
  OPCODE.UNLINK,
  OPCODE.LINK,
  OPCODE.MKDIR,
  OPCODE.RMDIR,
  OPCODE.FORGET,
]

export class RequestMaker {
  private readonly random: Random
  private readonly inos: readonly number[]
  private readonly names: readonly string[]

  /** Inodes under `quiet` are left alone. */
  constructor(random: Random, base: BaseVolume) {
    this.random = random
    const paths = [...base.inos].filter(([path]) => !path.startsWith('quiet'))
    this.inos = [1, 1, ...paths.map(([, ino]) => ino)]
    this.names = paths.map(([path]) => path.split('/').at(-1) ?? '')
  }

  sequence(): Input {
    return Array.from({ length: 1 + this.random.int(24) }, () => this.request())
  }

  request(): Buffer {
    const { random } = this
    const opcode = random.oneIn(3) ? random.pick(OPCODES) : random.pick(COMMON)
    const body = BODIES.get(opcode)?.(random, this.world()) ?? Buffer.alloc(0)
    const pid = random.oneIn(4) ? random.next() : 1
    return new Fields()
      .u32(40 + body.length, random.oneIn(60) ? random.int(5000) : opcode)
      .u64(0, this.ino())
      .u32(random.int(2000), random.int(2000), pid, random.int(4))
      .bytes(body)
      .done()
  }

  private ino(): number | bigint {
    const { random } = this
    if (random.oneIn(20)) return fieldValue(random)
    // New inodes get the numbers that follow.
    return random.oneIn(3) ? Math.max(...this.inos) + random.int(8) : random.pick(this.inos)
  }

  private world(): World {
    const { random } = this
    return {
      ino: () => this.ino(),
      name: () => {
        if (random.oneIn(8)) return values.name(random)
        return random.oneIn(2) ? random.pick(this.names) : random.pick(['x', 'y', 'z'])
      },
      handle: () => (random.oneIn(20) ? fieldValue(random) : 1 + random.int(6)),
      offset: () => {
        if (random.oneIn(6)) return fieldValue(random)
        return random.oneIn(2) ? random.int(30_000) : 4096 * random.int(100)
      },
      content: () => {
        if (random.oneIn(30)) return Buffer.alloc(65_536 * (1 + random.int(3)), random.int(256))
        return random.bytes(random.int(random.oneIn(3) ? 9000 : 50))
      },
      xattr: () => {
        const name = random.oneIn(10) ? `user.${values.name(random)}` : random.pick(XATTRS)
        const value = Buffer.from(random.pick(XATTR_VALUES), 'latin1')
        return [name, random.oneIn(4) ? random.bytes(random.int(300)) : value]
      },
    }
  }
}

/** The length in the header is the length again. */
export function sealRequest(request: Uint8Array): Uint8Array {
  if (request.length < 4) return request
  const sealed = Buffer.from(request)
  sealed.writeUInt32LE(sealed.length)
  return sealed
}
