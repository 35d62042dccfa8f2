/** The kernel's request behind an operation of libfuse, read from where libfuse has put it. */
import { invariant } from '../../errors.ts'
import type { Caller } from '../../fs/operations.ts'
import { OPCODE, REQUEST_HEADER_SIZE } from '../kernel/protocol.ts'
import { RequestBody } from '../kernel/request-body.ts'
import { type Address, readMemory } from './memory.ts'

/** The largest that is read whole: a rename with two names. */
const SIZE_MAX = 1024

/** Requires: the thread that works on the request waits for an answer. */
export class KernelRequest {
  readonly opcode: number
  readonly caller: Caller
  readonly #address: Address
  readonly #lengthBytes: number

  constructor(address: Address) {
    const header = readMemory(address, REQUEST_HEADER_SIZE)
    this.#address = address
    this.#lengthBytes = header.readUInt32LE(0)
    invariant(this.#lengthBytes >= REQUEST_HEADER_SIZE, 'a request has a header')
    this.opcode = header.readUInt32LE(4)
    this.caller = {
      uid: header.readUInt32LE(24),
      gid: header.readUInt32LE(28),
      pid: header.readUInt32LE(32),
    }
  }

  is(name: keyof typeof OPCODE): boolean {
    return this.opcode === OPCODE[name]
  }

  /** What follows the header. Requires: it is a request of this kind. */
  body(name: keyof typeof OPCODE): RequestBody {
    invariant(this.is(name), `libfuse calls what request ${this.opcode} asks for`)
    const bytes = readMemory(this.#address, Math.min(this.#lengthBytes, SIZE_MAX))
    return new RequestBody(bytes, REQUEST_HEADER_SIZE, bytes.length)
  }
}
