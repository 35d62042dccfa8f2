import type { Awaitable, Caller, FilesystemOperations } from '../../fs/operations.ts'
import type { Frame } from './frame.ts'
import type { Handles } from './handles.ts'
import type { HeldInodes } from './held-inodes.ts'
import type { HiddenFiles } from './hidden-files.ts'
import type { KernelRequest } from './kernel-request.ts'
import type { Paths } from './paths.ts'

/** What handlers work with. */
export interface Edge {
  readonly filesystem: FilesystemOperations
  readonly paths: Paths
  readonly held: HeldInodes
  readonly hidden: HiddenFiles
  readonly files: Handles
  readonly directories: Handles
}

/** One operation of libfuse as its handler sees it. Good until the handler's result is there. */
export interface Call {
  readonly frame: Frame
  readonly request: KernelRequest
  readonly caller: Caller
  /** A number that the addon passes, counted from 0; the path is 0. */
  number(index: number): number
  /** Memory of libfuse that the addon passes. */
  memory(index: number): Buffer
}

/**
 * Does an operation and returns what libfuse wants: how many bytes, or nothing for 0. What else there is
 * to return goes into the frame. Throws FsError.
 */
export type Handler = (edge: Edge, call: Call) => Awaitable<number | undefined>
