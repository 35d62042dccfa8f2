/** How long the kernel may answer from its own memory, in whole seconds. */
export interface ReplyTimeouts {
  /** A name and the inode it leads to. */
  readonly entrySeconds: number
  /** A name that leads nowhere. */
  readonly missingSeconds: number
  readonly attributesSeconds: number
}

const DAY_SECONDS = 86_400

/** Nothing changes behind the kernel's back without a notification, so it may keep everything. */
export const LONG_TIMEOUTS: ReplyTimeouts = {
  entrySeconds: DAY_SECONDS,
  missingSeconds: DAY_SECONDS,
  attributesSeconds: DAY_SECONDS,
}

/** Every stat(2) and every lookup becomes a request: for tests and measurements. */
export const NO_TIMEOUTS: ReplyTimeouts = {
  entrySeconds: 0,
  missingSeconds: 0,
  attributesSeconds: 0,
}
