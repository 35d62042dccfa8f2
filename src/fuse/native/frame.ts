/**
 * What the addon keeps for one thread of libfuse: the operation under way and what it was called
 * with. The offsets are those of `fuse_thread_locals_t` in version 2.2.6, and of libfuse's and the C
 * library's public structures, on x64. The session compares what is known otherwise before it relies
 * on them.
 */
import { invariant } from '../../errors.ts'
import { type Address, addressOf, readMemory, readString, writeMemory } from './memory.ts'

const OPERATION = 8
const PATH = 24
const TARGET = 32
const LINK_NAME = 40
const FILE_INFO = 48
const BUFFER_LENGTH = 72
const NAME = 128
const STAT = 168
const STATVFS = 176
const DIRECTORY_BUFFER = 56
const DIRECTORY_FILLER = 184
const CONNECTION = 192

/** Of struct fuse_file_info. */
const FILE_INFO_SIZE = 40
const FILE_INFO_HANDLE = 24

export class Frame {
  readonly address: Address
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.address = addressOf(bytes)
  }

  get operation(): number {
    return this.#bytes.readUInt32LE(OPERATION)
  }

  /** Where the memory is that the addon was given for this mount. */
  get connection(): Address {
    return this.#address(CONNECTION)
  }

  get path(): string {
    return readString(this.#pointer(PATH))
  }

  /** Of a rename or a link: the new path; of a symlink: its own. */
  get target(): string {
    return readString(this.#pointer(TARGET))
  }

  /** Of an extended attribute. */
  get name(): string {
    return readString(this.#pointer(NAME))
  }

  get openFlags(): number {
    return readMemory(this.#pointer(FILE_INFO), 4).readInt32LE()
  }

  /** The handle that a directory is read through. */
  get handle(): number {
    return readMemory(this.#pointer(FILE_INFO), FILE_INFO_SIZE).readUInt32LE(FILE_INFO_HANDLE)
  }

  /** Answers an open. */
  setHandle(number: number): void {
    const handle = Buffer.alloc(8)
    handle.writeUInt32LE(number)
    writeMemory(this.#pointer(FILE_INFO) + BigInt(FILE_INFO_HANDLE), handle)
  }

  get directoryBuffer(): Address {
    return this.#pointer(DIRECTORY_BUFFER)
  }

  get directoryFiller(): Address {
    return this.#pointer(DIRECTORY_FILLER)
  }

  /** Answers a readlink, with as much as there is room for. */
  setLinkTarget(target: Uint8Array): void {
    const room = Number(this.#address(BUFFER_LENGTH)) - 1
    const text = Buffer.concat([target.subarray(0, room), Buffer.alloc(1)])
    writeMemory(this.#pointer(LINK_NAME), text)
  }

  setStat(stat: Uint8Array): void {
    writeMemory(this.#pointer(STAT), stat)
  }

  setStatvfs(statvfs: Uint8Array): void {
    writeMemory(this.#pointer(STATVFS), statvfs)
  }

  #address(offset: number): Address {
    return this.#bytes.readBigUInt64LE(offset)
  }

  #pointer(offset: number): Address {
    const address = this.#address(offset)
    invariant(address !== 0n, 'libfuse hands over what its operation takes')
    return address
  }
}
