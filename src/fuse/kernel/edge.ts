import type {
  AttributeChanges,
  Attributes,
  Awaitable,
  Caller,
  FilesystemOperations,
  Ino,
} from '../../fs/operations.ts'
import type { ReplyTimeouts } from '../timeouts.ts'
import type { RequestBody } from './request-body.ts'
import type { InitRequest } from './request-decoders.ts'

/** What handlers work with. */
export interface Edge {
  readonly filesystem: FilesystemOperations
  readonly timeouts: ReplyTimeouts
  readonly resizes: ResizeRequests
  readonly ownFiles: OwnFileRequests
  /** Agrees with the kernel; returns the answer. */
  initialise(offer: InitRequest): Buffer
  /** The features that were agreed on; none before. */
  features(): number
}

/** Tells the requests that a resize by this program causes from all others. */
export interface ResizeRequests {
  /** The inode behind a name, if the name is one of a resize that is under way. */
  findTarget(parent: Ino, name: string, caller: Caller): Ino | undefined
  /**
   * Whether a resize is asking for the attributes of this inode, by LOOKUP or GETATTR. The kernel
   * will not keep the answer.
   */
  isOwnQuestion(ino: Ino, caller: Caller): Promise<boolean>
  /** Whether anything is being resized. */
  readonly isAny: boolean
  /** Whether a SETATTR of this inode to this size comes from a resize. */
  isOurs(ino: Ino, size: number | undefined, caller: Caller): boolean
  /** The attributes that a SETATTR is to be answered with, if it comes from making the kernel take them. */
  adopted(ino: Ino, changes: AttributeChanges, caller: Caller): Awaitable<Attributes> | undefined
}

/** Tells the requests for files that this program opens from all others. */
export interface OwnFileRequests {
  /** The inode behind a name, if the name is that of a file that is being opened. */
  findTarget(parent: Ino, name: string, caller: Caller): Ino | undefined
  isOwnOpen(ino: Ino, caller: Caller): boolean
}

/** The handle of files that this program has opened through its own mount: none of the filesystem. */
export const OWN_HANDLE = Number.MAX_SAFE_INTEGER

/** One request as its handler sees it. */
export interface Request {
  readonly ino: Ino
  readonly caller: Caller
  readonly body: RequestBody
  /** Keeps the memory of the request beyond the call of the handler. */
  holdMemory(): () => void
}

/** One buffer with room for the header, or pieces of content that are not to be copied together. */
export type Reply = Buffer | readonly Uint8Array[] | LentReply

/** Pieces in memory that is given back when they are sent. */
export interface LentReply {
  readonly pieces: readonly Uint8Array[]
  giveBack(): void
}

export const isLent = (reply: Reply): reply is LentReply => 'giveBack' in reply

/** Answers a request, or throws an FsError. Undefined is for what the kernel wants no answer to. */
export type Handler = (edge: Edge, request: Request) => Awaitable<Reply | undefined>

/** Goes on with a value that may not be there yet, without a promise if it is. */
export function whenReady<Value, Result>(
  value: Awaitable<Value>,
  next: (value: Value) => Result,
): Awaitable<Result> {
  return value instanceof Promise ? value.then(next) : next(value)
}
