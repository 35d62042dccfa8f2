/** INIT: what the kernel offers and what is asked of it. */
import { FsError } from '../../errors.ts'
import {
  FEATURE,
  MORE_FEATURES,
  PAGE_SIZE,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
  PROTOCOL_MINOR_MIN,
  REPLY_HEADER_SIZE,
  WRITE_SIZE_MAX,
} from './protocol.ts'
import { newReply } from './replies.ts'
import type { InitRequest } from './request-decoders.ts'

const INIT_REPLY_SIZE = 64
const BACKGROUND_COUNT_MAX = 64
const CONGESTION_COUNT = 48
const TIME_GRANULARITY_NS = 1

// Not wanted although offered: locks are kept by the kernel itself, nobody else sees the files;
// the payload of splices could not be aligned.
const WANTED = Object.values(FEATURE).reduce((all, feature) => all | feature, 0)

/** What was agreed on with the kernel. */
export interface Agreement {
  /** The kernel's minor version. */
  readonly minor: number
  readonly features: number
  readonly moreFeatures: number
  readonly writebackCache: boolean
  readonly readaheadMax: number
}

/** What a mount may be asked to have, or not. */
export interface Wishes {
  readonly writebackCache: boolean
  /**
   * Let the mount be mapped to other ids. The kernel then names the caller only in requests that make
   * an inode, with the ids that it is to get.
   */
  readonly allowIdmap?: boolean
}

/**
 * Agrees on the newest version and all useful features that both sides have. Undefined means: the
 * kernel has a newer major version and will ask again. Throws FsError EPROTO when it is too old, and
 * EOPNOTSUPP when it lacks what must be.
 */
export function negotiate(
  offer: InitRequest,
  { writebackCache, allowIdmap = false }: Wishes,
): Agreement | undefined {
  if (offer.major > PROTOCOL_MAJOR) return undefined
  if (offer.major < PROTOCOL_MAJOR || offer.minor < PROTOCOL_MINOR_MIN) {
    const needed = `${String(PROTOCOL_MAJOR)}.${String(PROTOCOL_MINOR_MIN)}`
    throw new FsError(
      'EPROTO',
      `The kernel speaks FUSE ${String(offer.major)}.${String(offer.minor)}; ${needed} (Linux 5.4) or newer is needed`,
    )
  }
  const moreFeatures = (offer.moreFeatures ?? 0) & (allowIdmap ? MORE_FEATURES.ALLOW_IDMAP : 0)
  if (allowIdmap && moreFeatures === 0) {
    throw new FsError('EOPNOTSUPP', 'The kernel cannot map ids of FUSE mounts; Linux 6.12 can')
  }
  const wanted = writebackCache ? WANTED : WANTED & ~FEATURE.WRITEBACK_CACHE
  const features = offer.features & wanted
  return {
    minor: offer.minor,
    features,
    moreFeatures,
    writebackCache: (features & FEATURE.WRITEBACK_CACHE) !== 0,
    readaheadMax: offer.readaheadMax,
  }
}

/** The answer to INIT; without an agreement it only names our version. */
export function encodeInit(agreement: Agreement | undefined): Buffer {
  const reply = newReply(INIT_REPLY_SIZE)
  const at = REPLY_HEADER_SIZE
  reply.writeUInt32LE(PROTOCOL_MAJOR, at)
  reply.writeUInt32LE(PROTOCOL_MINOR, at + 4)
  if (agreement === undefined) return reply
  reply.writeUInt32LE(agreement.readaheadMax, at + 8)
  reply.writeUInt32LE(agreement.features >>> 0, at + 12)
  reply.writeUInt16LE(BACKGROUND_COUNT_MAX, at + 16)
  reply.writeUInt16LE(CONGESTION_COUNT, at + 18)
  reply.writeUInt32LE(WRITE_SIZE_MAX, at + 20)
  reply.writeUInt32LE(TIME_GRANULARITY_NS, at + 24)
  reply.writeUInt16LE(WRITE_SIZE_MAX / PAGE_SIZE, at + 28)
  reply.writeUInt32LE(agreement.moreFeatures, at + 32)
  return reply
}
