/**
 * An io_uring(7) that has Linux write back what is dirty of many files with one system call, and all of
 * them side by side. The files are the ring's own and not among the descriptors of this process, which
 * would have to answer a FLUSH for each when it is killed. What both sides look at lies in memory that is
 * given to the kernel (Linux 6.5), so nothing has to be mapped.
 */
import { closeSync } from 'node:fs'
import { allocateAligned } from '../../device/aligned-memory.ts'
import { ERRNO, FsError } from '../../errors.ts'
import { addressOf, ringEnter, ringRegister, ringSetup } from './libc.ts'

const PAGE_SIZE = 4096
const SUBMISSION_SIZE = 64
const COMPLETION_SIZE = 16
/** Head, tail and the like, generously. */
const SHARED_HEADER_SIZE = 512

/**
 * Submissions at once, the best first. Older kernels refuse memory of more than a page that does not lie in one
 * piece: then one page has the submissions, and one the rest.
 */
export const ENTRY_COUNTS: readonly number[] = [256, PAGE_SIZE / SUBMISSION_SIZE]

const SETUP_NO_MMAP = 1 << 14
const REGISTER_FILES = 2
const REGISTER_FILES_UPDATE = 6
const ENTER_GETEVENTS = 1
const OP_SYNC_FILE_RANGE = 8
const FIXED_FILE = 1
/** Starts to write back, without waiting. */
const SYNC_START = 2
/** Waits for what is on its way, starts the rest, and waits for that. */
const SYNC_ALL = 7

/** No descriptor. */
const NONE = -1

/** Of struct io_uring_files_update. */
const UPDATE_SIZE = 16

/** Offsets in struct io_uring_params. */
const PARAMETERS_SIZE = 120
const FLAGS_AT = 8
const SUBMISSION_ADDRESS_AT = 72
const SHARED_ADDRESS_AT = 112
const PLACES_AT = { tail: 44, indices: 64, doneHead: 80, doneTail: 84, done: 100 } as const

/** Where in the shared page the kernel has put what both sides look at. */
type Places = Readonly<Record<keyof typeof PLACES_AT, number>>

export class IoRing {
  readonly #fd: number
  readonly #shared: Buffer
  readonly #submissions: Buffer
  readonly #entryCount: number
  readonly #places: Places
  /** An errno after which nobody knows what was submitted; 0 while all is well. */
  #brokenBy = 0
  /** Ends when the ring is free; never rejects. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(fd: number, memory: RingMemory, places: Places) {
    this.#fd = fd
    this.#shared = memory.shared
    this.#submissions = memory.submissions
    this.#entryCount = memory.submissions.length / SUBMISSION_SIZE
    this.#places = places
  }

  /**
   * A ring with room for so many files, and the first of these numbers of submissions that the kernel takes;
   * undefined where it has none, or not for us.
   */
  static async open(fileCount: number, entryCounts = ENTRY_COUNTS): Promise<IoRing | undefined> {
    for (const entryCount of entryCounts) {
      const ring = await IoRing.#openWith(entryCount, fileCount)
      if (ring !== undefined) return ring
    }
    return undefined
  }

  static async #openWith(entryCount: number, fileCount: number): Promise<IoRing | undefined> {
    const memory = ringMemory(entryCount)
    const parameters = Buffer.alloc(PARAMETERS_SIZE)
    parameters.writeUInt32LE(SETUP_NO_MMAP, FLAGS_AT)
    parameters.writeBigUInt64LE(addressOf(memory.shared), SHARED_ADDRESS_AT)
    parameters.writeBigUInt64LE(addressOf(memory.submissions), SUBMISSION_ADDRESS_AT)
    const fd = ringSetup(entryCount, parameters)
    if (fd < 0) return undefined
    const none = Buffer.alloc(4 * fileCount, NONE)
    if ((await ringRegister(fd, REGISTER_FILES, none, fileCount)) !== 0) {
      closeSync(fd)
      return undefined
    }
    const place = (at: number): number => parameters.readUInt32LE(at)
    return new IoRing(fd, memory, {
      tail: place(PLACES_AT.tail),
      indices: place(PLACES_AT.indices),
      doneHead: place(PLACES_AT.doneHead),
      doneTail: place(PLACES_AT.doneTail),
      done: place(PLACES_AT.done),
    })
  }

  /**
   * Gives a file to the ring, which keeps it when the descriptor is closed, or takes it away if `fd` is
   * undefined. A sync that was asked for before still has what was there. Blocks a thread of the pool.
   * Throws FsError EIO.
   */
  async setFile(slot: number, fd: number | undefined): Promise<void> {
    await this.#inTurn(async () => {
      const update = Buffer.alloc(UPDATE_SIZE + 4)
      update.writeUInt32LE(slot, 0)
      update.writeBigUInt64LE(addressOf(update) + BigInt(UPDATE_SIZE), 8)
      update.writeInt32LE(fd ?? NONE, UPDATE_SIZE)
      const errno = await ringRegister(this.#fd, REGISTER_FILES_UPDATE, update, 1)
      if (errno !== 0) throw failure(errno)
    })
  }

  /**
   * Writes back what is dirty of files, and waits for it: all are started first, so that whoever waits for
   * one is not woken for each. Blocks a thread of the pool. Resolves with 0 or an errno for each. Throws
   * FsError EIO.
   */
  async sync(slots: readonly number[]): Promise<number[]> {
    return this.#inTurn(async () => {
      const parts: (readonly number[])[] = []
      for (let at = 0; at < slots.length; at += this.#entryCount) {
        parts.push(slots.slice(at, at + this.#entryCount))
      }
      for (const part of parts) await this.#run(part, SYNC_START)
      const errnos: number[] = []
      for (const part of parts) errnos.push(...(await this.#run(part, SYNC_ALL)))
      return errnos
    })
  }

  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const working = this.#last.then(work)
    this.#last = working.catch(() => undefined)
    return working
  }

  /** Requires: nothing is under way. */
  close(): void {
    closeSync(this.#fd)
  }

  async #run(slots: readonly number[], operation: number): Promise<number[]> {
    this.#put(slots, operation)
    const errnos = new Map<number, number>()
    for (let submittedCount = 0; errnos.size < slots.length;) {
      const left = slots.length - submittedCount
      submittedCount += await this.#enter(left, slots.length - errnos.size)
      this.#takeDone(errnos)
    }
    return slots.map((_, index) => errnos.get(index) ?? 0)
  }

  /** Returns how many were submitted. */
  async #enter(submitCount: number, completeCount: number): Promise<number> {
    const result = await ringEnter(this.#fd, submitCount, completeCount, ENTER_GETEVENTS)
    if (result < 0 && result !== -ERRNO.EINTR) {
      this.#brokenBy = -result
      throw failure(-result)
    }
    return Math.max(0, result)
  }

  #put(slots: readonly number[], operation: number): void {
    if (this.#brokenBy !== 0) throw failure(this.#brokenBy)
    const tail = this.#read(this.#places.tail)
    for (const [index, slot] of slots.entries()) {
      this.#putOne(tail + index, index, { slot, operation })
    }
    this.#write(this.#places.tail, tail + slots.length)
  }

  #putOne(
    position: number,
    name: number,
    { slot, operation }: { readonly slot: number; readonly operation: number },
  ): void {
    const entry = position % this.#entryCount
    const at = entry * SUBMISSION_SIZE
    this.#submissions.fill(0, at, at + SUBMISSION_SIZE)
    this.#submissions.writeUInt8(OP_SYNC_FILE_RANGE, at)
    this.#submissions.writeUInt8(FIXED_FILE, at + 1)
    this.#submissions.writeInt32LE(slot, at + 4)
    this.#submissions.writeUInt32LE(operation, at + 28)
    this.#submissions.writeUInt32LE(name, at + 32)
    this.#write(this.#places.indices + 4 * entry, entry)
  }

  #takeDone(errnos: Map<number, number>): void {
    const end = this.#read(this.#places.doneTail)
    for (let head = this.#read(this.#places.doneHead); head !== end; head = (head + 1) >>> 0) {
      const at = this.#places.done + (head % (2 * this.#entryCount)) * COMPLETION_SIZE
      errnos.set(this.#read(at), Math.abs(this.#shared.readInt32LE(at + 8)))
    }
    this.#write(this.#places.doneHead, end)
  }

  #read(at: number): number {
    return this.#shared.readUInt32LE(at)
  }

  #write(at: number, value: number): void {
    this.#shared.writeUInt32LE(value >>> 0, at)
  }
}

interface RingMemory {
  readonly shared: Buffer
  readonly submissions: Buffer
}

/** Whole pages for what both sides look at, and for submissions. */
function ringMemory(entryCount: number): RingMemory {
  const sharedSize = SHARED_HEADER_SIZE + entryCount * (2 * COMPLETION_SIZE + 4)
  const sharedPages = Math.ceil(sharedSize / PAGE_SIZE)
  const submissionPages = Math.ceil((entryCount * SUBMISSION_SIZE) / PAGE_SIZE)
  const memory = allocateAligned((sharedPages + submissionPages) * PAGE_SIZE)
  return {
    shared: memory.subarray(0, sharedPages * PAGE_SIZE),
    submissions: memory.subarray(sharedPages * PAGE_SIZE),
  }
}

function failure(errno: number): FsError {
  return new FsError('EIO', `The ring for write-backs has failed with errno ${errno}`)
}
