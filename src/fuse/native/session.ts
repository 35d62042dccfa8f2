import { accessSync, constants } from 'node:fs'
import { stat, statfs } from 'node:fs/promises'
import { FsError } from '../../errors.ts'
import { Failures } from '../failures.ts'
import { Deferred } from '../kernel/deferred.ts'
import { prepareMountpoint, withTimeout } from '../kernel/mount-point.ts'
import { type UnmountOptions, unmount } from '../kernel/unmount.ts'
import type { Transport, TransportOptions } from '../transport.ts'
import { type Addon, type AddonHandler, OPERATIONS, loadAddon } from './addon.ts'
import { connectionEnd, fuseDevices } from './device.ts'
import { Dispatcher } from './dispatcher.ts'
import { addressOf } from './memory.ts'
import { libfuseOptions } from './mount-options.ts'

const DEVICE = '/dev/fuse'
const START_TIMEOUT_MS = 15_000
/** What the addon has room for, and its mark of an operation that it is to pass on. */
const MOUNTPOINT_LENGTH_MAX = 1023
const IMPLEMENTED_COUNT = 35

/** What is worth knowing before one relies on such a mount; docs/semantics.md has the whole table. */
const MISSING =
  'shared memory maps, ioctl, fallocate, SEEK_HOLE, O_TMPFILE, rename flags, clones, ACLs'

/**
 * One mount, served through libfuse 2. Its threads wait in the addon while the event loop answers.
 *
 *   kernel ── libfuse's threads ── addon ── Dispatcher ── handlers ── FilesystemOperations
 */
export class NativeSession implements Transport {
  readonly mountpoint: string
  readonly #options: TransportOptions
  readonly #addon: Addon
  readonly #dispatcher: Dispatcher
  readonly #connection: Buffer
  readonly #checked = new Deferred<true>()
  readonly #ended = new Deferred<void>()

  /** Mounts, and resolves when the mount answers. Throws FsError; nothing is mounted then. */
  static async start(options: TransportOptions): Promise<NativeSession> {
    const addon = loadAddon()
    const mountpoint = await prepareMountpoint(options.mountpoint, options.note)
    if (Buffer.byteLength(mountpoint) > MOUNTPOINT_LENGTH_MAX) {
      throw new FsError('ENAMETOOLONG', `Cannot mount on "${mountpoint}": its path is too long`)
    }
    const session = new NativeSession(options, mountpoint, addon)
    session.#mount()
    options.note?.mounted()
    try {
      await session.#untilServing()
      return session
    } catch (error) {
      await session.#abandon()
      throw error
    }
  }

  private constructor(options: TransportOptions, mountpoint: string, addon: Addon) {
    this.#options = options
    this.mountpoint = mountpoint
    this.#addon = addon
    this.#connection = Buffer.alloc(addon.sizeof_fuse_thread_t)
    const failures = new Failures(options.log, options.onBug)
    this.#dispatcher = new Dispatcher(addon, options.filesystem, failures)
  }

  get ended(): Promise<void> {
    return this.#ended.promise
  }

  stop(): void {
    this.#dispatcher.close()
    this.#ended.resolve()
  }

  async unmount(options: UnmountOptions = {}): Promise<void> {
    await unmount(this.mountpoint, options)
    if (options.lazy !== true) await this.ended
  }

  #mount(): void {
    assertDevice()
    const text = libfuseOptions(this.#options.source, this.#options.mount ?? {})
    const before = fuseDevices()
    try {
      this.#addon.fuse_native_mount(
        this.mountpoint,
        text,
        this.#connection,
        this,
        (size) => Buffer.alloc(size),
        this.#handlers(),
        this.#implemented(),
      )
    } catch (cause) {
      const reason = 'libfuse cannot mount; in the foreground it says why on stderr'
      throw new FsError('EIO', `Cannot mount on "${this.mountpoint}": ${reason}`, { cause })
    }
    const device = [...fuseDevices()].find((fd) => !before.has(fd))
    void connectionEnd(device ?? -1).then(() => {
      this.#onEnd()
    })
  }

  #handlers(): AddonHandler[] {
    const handlers = Array.from({ length: IMPLEMENTED_COUNT }, (): AddonHandler => () => undefined)
    for (const name of OPERATIONS) {
      handlers[this.#addon[`op_${name}`]] = (frame, _operation, ...parameters) => {
        if (name === 'init') this.#initialise(frame)
        else this.#dispatcher.dispatch(name, frame, parameters)
      }
    }
    return handlers
  }

  #implemented(): Uint32Array {
    const implemented = new Uint32Array(IMPLEMENTED_COUNT)
    for (const name of OPERATIONS) implemented[this.#addon[`op_${name}`]] = 1
    return implemented
  }

  #initialise(frame: Buffer): void {
    try {
      this.#dispatcher.check(frame, addressOf(this.#connection))
      this.#checked.resolve(true)
    } catch (error) {
      this.#dispatcher.close()
      this.#checked.reject(error)
    }
    this.#addon.fuse_native_signal_flush(frame, 0)
  }

  /** Ends a session that does not work. */
  async #abandon(): Promise<void> {
    this.#dispatcher.close()
    try {
      await unmount(this.mountpoint, { lazy: true })
    } catch (error) {
      // What went wrong before is what the caller must hear of.
      this.#options.log.warn({ err: error }, 'cannot unmount')
    }
  }

  /** Resolves when libfuse is known and requests are answered. */
  async #untilServing(): Promise<void> {
    await this.#inTime(this.#checked.promise)
    await this.#inTime(Promise.all([stat(this.mountpoint), statfs(this.mountpoint)]))
    const { mountpoint } = this
    this.#options.log.info({ mountpoint, transport: 'fuse-native', missing: MISSING }, 'mounted')
  }

  async #inTime<Value>(work: Promise<Value>): Promise<Value> {
    const value = await withTimeout(work, START_TIMEOUT_MS)
    if (value !== undefined) return value
    throw new FsError('EIO', `The mount on "${this.mountpoint}" does not answer`)
  }

  #onEnd(): void {
    this.#dispatcher.close()
    this.#addon.fuse_native_unmount(this.mountpoint, this.#connection)
    this.#checked.reject(new FsError('ENODEV', 'The mount has ended before it served a request'))
    this.#ended.resolve()
  }
}

function assertDevice(): void {
  try {
    accessSync(DEVICE, constants.R_OK | constants.W_OK)
  } catch (cause) {
    const isThere = cause instanceof Error && 'code' in cause && cause.code === 'EACCES'
    const hint = isThere
      ? 'libfuse 2 opens it itself, so that takes the right to read and write it'
      : 'load the kernel\'s module with "modprobe fuse", or give the container the device'
    throw new FsError('ENODEV', `Cannot open ${DEVICE}: ${hint}`, { cause })
  }
}
