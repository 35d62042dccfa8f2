import { FsError } from '../../errors.ts'
import { type Agreement, type Wishes, encodeInit, negotiate } from './negotiation.ts'
import type { InitRequest } from './request-decoders.ts'

export interface HandshakeOptions extends Wishes {
  /** Told of what was agreed on, before the kernel is; if it throws, nothing is. */
  readonly onAgreed: (agreement: Agreement) => void
}

/** Answers INIT. A session agrees once; until then the kernel may ask with another version. */
export class Handshake {
  readonly #options: HandshakeOptions
  #agreement: Agreement | undefined

  constructor(options: HandshakeOptions) {
    this.#options = options
  }

  /** What was agreed on; nothing before. */
  get features(): number {
    return this.#agreement?.features ?? 0
  }

  /** Throws FsError for a kernel that is too old, or that begins a second time. */
  answer(offer: InitRequest): Buffer {
    if (this.#agreement !== undefined)
      throw new FsError('EPROTO', 'The kernel has begun this session already')
    const agreement = negotiate(offer, this.#options)
    if (agreement !== undefined) {
      this.#options.onAgreed(agreement)
      this.#agreement = agreement
    }
    return encodeInit(agreement)
  }
}
