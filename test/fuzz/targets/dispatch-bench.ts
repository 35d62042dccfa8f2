/** A dispatcher on a real filesystem in memory, and what it answers. */
import assert from 'node:assert/strict'
import { pino } from 'pino'
import { type DeviceImage, MemoryDevice } from '../../../src/device/memory-device.ts'
import { Dispatcher } from '../../../src/fuse/kernel/dispatcher.ts'
import { type Reply, isLent } from '../../../src/fuse/kernel/edge.ts'
import { Handshake } from '../../../src/fuse/kernel/handshake.ts'
import { KernelLink } from '../../../src/fuse/kernel/kernel-link.ts'
import { Failures } from '../../../src/fuse/failures.ts'
import { LONG_TIMEOUTS } from '../../../src/fuse/timeouts.ts'
import { O_RDWR, type TestFilesystem, openTestFilesystem } from '../../support/volume.ts'
import { DESCRIPTOR_COUNT } from './fuse-bodies.ts'

const GROW_BLOCKS_MAX = 2000
const UNIQUE_HIGH = 7

export interface Answer {
  readonly unique: number
  /** 0, or a positive errno. */
  readonly errno: number
  /** Behind the header. */
  readonly payload: Buffer
}

const log = pino({ enabled: false })

export class DispatchBench {
  readonly device: MemoryDevice
  readonly opened: TestFilesystem
  readonly answers = new Map<number, Answer>()
  readonly faults: string[] = []
  readonly bugs: unknown[] = []
  private readonly dispatcher: Dispatcher

  static async open(image: DeviceImage): Promise<DispatchBench> {
    const device = new MemoryDevice(image, { blockCountMax: image.blockCount + GROW_BLOCKS_MAX })
    return new DispatchBench(device, await openTestFilesystem(device))
  }

  private constructor(device: MemoryDevice, opened: TestFilesystem) {
    this.device = device
    this.opened = opened
    const link = new KernelLink()
    for (let ino = 0; ino < DESCRIPTOR_COUNT; ino++) {
      opened.processes.descriptors.set(ino, { ino, flags: O_RDWR })
    }
    opened.processes.memoryContent = Buffer.alloc(40)
    const handshake = new Handshake({ writebackCache: true, onAgreed: () => undefined })
    this.dispatcher = new Dispatcher({
      edge: {
        filesystem: opened.fs,
        timeouts: LONG_TIMEOUTS,
        resizes: link.resizes,
        ownFiles: link.ownFiles,
        initialise: (offer) => handshake.answer(offer),
        features: () => handshake.features,
      },
      replies: {
        send: (request, reply) => {
          this.note(request, 0, reply)
        },
        sendError: (request, errno) => {
          this.note(request, errno, Buffer.alloc(16))
        },
      },
      failures: new Failures(log, (error) => this.bugs.push(error)),
      log,
    })
  }

  /** Sends a request under a number of its own. */
  send(request: Uint8Array, unique: number): void {
    const bytes = Buffer.from(request)
    if (bytes.length >= 16) {
      bytes.writeUInt32LE(unique, 8)
      bytes.writeUInt32LE(UNIQUE_HIGH, 12)
    }
    this.dispatcher.dispatch({ bytes, hold: () => () => undefined }, 0, bytes.length)
    this.dispatcher.endBurst()
  }

  private note({ low, high }: { low: number; high: number }, errno: number, reply: Reply): void {
    if (high !== UNIQUE_HIGH) this.faults.push(`an answer has number ${high}:${low}`)
    if (this.answers.has(low)) this.faults.push(`request ${low} has two answers`)
    const pieces = Buffer.isBuffer(reply) || !isLent(reply) ? reply : reply.pieces
    const whole = Buffer.isBuffer(pieces) ? pieces : Buffer.concat([Buffer.alloc(16), ...pieces])
    assert.ok(whole.length >= 16, 'an answer has room for its header')
    this.answers.set(low, { unique: low, errno, payload: whole.subarray(16) })
  }
}
