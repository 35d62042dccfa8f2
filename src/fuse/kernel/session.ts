import { stat, statfs } from 'node:fs/promises'
import { FsError } from '../../errors.ts'
import type { KernelCache } from '../../fs/operations.ts'
import { Failures } from '../failures.ts'
import { LONG_TIMEOUTS, type ReplyTimeouts } from '../timeouts.ts'
import type { Transport, TransportOptions } from '../transport.ts'
import { Deferred } from './deferred.ts'
import { Dispatcher } from './dispatcher.ts'
import { IdlePoll } from './idle-poll.ts'
import { KernelLink } from './kernel-link.ts'
import { mount } from './mount.ts'
import { prepareMountpoint, withTimeout } from './mount-point.ts'
import { Handshake } from './handshake.ts'
import type { Agreement } from './negotiation.ts'
import { raiseCacheLimits } from './cache-limits.ts'
import { ReplySender } from './reply-sender.ts'
import type { InitRequest } from './request-decoders.ts'
import { RequestLoop } from './request-loop.ts'
import { type UnmountOptions, unmount } from './unmount.ts'

const START_TIMEOUT_MS = 15_000

export interface KernelSessionOptions extends TransportOptions {
  /** The kernel's cache, if the filesystem was given it when it was made. */
  readonly link?: KernelLink
  readonly timeouts?: ReplyTimeouts
  /** Have the kernel gather writes before it sends them. Default: true. */
  readonly writebackCache?: boolean
  /** Let the mount be mapped to other ids. Default: false. */
  readonly allowIdmap?: boolean
  /** Keep processors from halting while requests follow each other, where that helps. Default: true. */
  readonly idlePoll?: boolean
}

/**
 * One mount, served through /dev/fuse. It ends when the kernel says so, after an unmount by anybody;
 * the filesystem is not closed by that.
 *
 *   device ── RequestLoop ── Dispatcher ── handlers ── FilesystemOperations
 *      └───── ReplySender ───────┘
 */
export class KernelSession implements Transport {
  readonly mountpoint: string
  readonly #options: KernelSessionOptions
  readonly #fd: number
  readonly #link: KernelLink
  readonly #replies: ReplySender
  readonly #loop: RequestLoop
  readonly #agreed = new Deferred<Agreement>()
  readonly #ended = new Deferred<void>()

  /** Mounts, and resolves when the mount answers. Throws FsError; nothing is mounted then. */
  static async start(options: KernelSessionOptions): Promise<KernelSession> {
    const mountpoint = await prepareMountpoint(options.mountpoint, options.note)
    const fd = await mount(options.source, mountpoint, options.mount)
    options.note?.mounted()
    const session = new KernelSession(options, mountpoint, fd)
    try {
      await session.#untilServing()
      return session
    } catch (error) {
      await session.#abandon()
      throw error
    }
  }

  private constructor(options: KernelSessionOptions, mountpoint: string, fd: number) {
    this.#options = options
    this.mountpoint = mountpoint
    this.#fd = fd
    this.#link = options.link ?? new KernelLink()
    this.#replies = new ReplySender(fd)
    const dispatcher = this.#makeDispatcher()
    this.#loop = new RequestLoop({
      fd,
      idlePoll: options.idlePoll === false ? undefined : IdlePoll.open(),
      dispatch: (memory, start, end) => {
        dispatcher.dispatch(memory, start, end)
      },
      endBurst: () => {
        dispatcher.endBurst()
      },
      onEnd: (error) => {
        this.#onEnd(error)
      },
    })
  }

  get ended(): Promise<void> {
    return this.#ended.promise
  }

  stop(): void {
    this.#loop.stop()
  }

  get cache(): KernelCache {
    return this.#link
  }

  async unmount(options: UnmountOptions = {}): Promise<void> {
    await unmount(this.mountpoint, options)
    if (options.lazy !== true) await this.ended
  }

  /** Ends a session that does not work. */
  async #abandon(): Promise<void> {
    this.#loop.stop()
    try {
      await unmount(this.mountpoint, { lazy: true })
    } catch (error) {
      // What went wrong before is what the caller must hear of.
      this.#options.log.warn({ err: error }, 'cannot unmount')
    }
  }

  #makeDispatcher(): Dispatcher {
    const { filesystem, log, onBug, timeouts } = this.#options
    const handshake = this.#makeHandshake()
    return new Dispatcher({
      edge: {
        filesystem,
        timeouts: timeouts ?? LONG_TIMEOUTS,
        resizes: this.#link.resizes,
        ownFiles: this.#link.ownFiles,
        initialise: (offer) => this.#initialise(handshake, offer),
        features: () => handshake.features,
      },
      replies: this.#replies,
      failures: new Failures(log, onBug),
      log,
    })
  }

  #makeHandshake(): Handshake {
    return new Handshake({
      writebackCache: this.#options.writebackCache ?? true,
      allowIdmap: this.#options.allowIdmap ?? false,
      onAgreed: (agreement) => {
        this.#link.connect(this.#fd, this.mountpoint, agreement.writebackCache)
        this.#agreed.resolve(agreement)
      },
    })
  }

  #initialise(handshake: Handshake, offer: InitRequest): Buffer {
    try {
      return handshake.answer(offer)
    } catch (error) {
      this.#agreed.reject(error)
      throw error
    }
  }

  /** Resolves when the kernel has agreed and requests are answered. */
  async #untilServing(): Promise<void> {
    const agreement = await this.#inTime(this.#agreed.promise)
    await this.#inTime(Promise.all([stat(this.mountpoint), statfs(this.mountpoint)]))
    await raiseCacheLimits(this.mountpoint)
    this.#options.log.info(
      {
        mountpoint: this.mountpoint,
        protocol: `7.${String(agreement.minor)}`,
        writebackCache: agreement.writebackCache,
      },
      'mounted',
    )
  }

  async #inTime<Value>(work: Promise<Value>): Promise<Value> {
    const value = await withTimeout(work, START_TIMEOUT_MS)
    if (value !== undefined) return value
    throw new FsError('EIO', `The mount on "${this.mountpoint}" does not answer`)
  }

  #onEnd(error?: Error): void {
    this.#replies.close()
    this.#agreed.reject(new FsError('ENODEV', 'The mount has ended before it served a request'))
    this.#link.disconnect().then(
      () => {
        if (error === undefined) this.#ended.resolve()
        else this.#ended.reject(error)
      },
      (failure: unknown) => {
        this.#ended.reject(failure)
      },
    )
  }
}
