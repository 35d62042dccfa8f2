/**
 * The native part of the package `fuse-native` 2.2.6, which binds libfuse 2. Its JavaScript is left
 * out: it hands over `fgetattr` by path, one time for both in `utimens`, whole milliseconds, no caller,
 * and values of attributes that do not fit. What the addon keeps of a request has all of that.
 */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { FsError } from '../../errors.ts'

const ADDON_VERSION = '2.2.6'

/** The operations of libfuse 2 that the addon knows, and that are served here. */
export const OPERATIONS = [
  'init',
  'statfs',
  'fgetattr',
  'getattr',
  'flush',
  'fsync',
  'fsyncdir',
  'readdir',
  'truncate',
  'ftruncate',
  'utimens',
  'readlink',
  'chown',
  'chmod',
  'mknod',
  'setxattr',
  'getxattr',
  'listxattr',
  'removexattr',
  'open',
  'opendir',
  'read',
  'write',
  'release',
  'releasedir',
  'create',
  'unlink',
  'rename',
  'link',
  'symlink',
  'mkdir',
  'rmdir',
] as const

export type OperationName = (typeof OPERATIONS)[number]

/** Called in the event loop while a thread of libfuse waits; `frame` is what the addon knows of it. */
export type AddonHandler = (frame: Buffer, operation: number, ...parameters: unknown[]) => void

/** Lets the thread of a frame go on; `result` is what the operation of libfuse returns. */
type Signal = (frame: Buffer, result: number) => void

export interface Addon extends Readonly<Record<`op_${OperationName}`, number>> {
  readonly sizeof_fuse_thread_t: number
  /** Mounts, and starts libfuse's threads. `connection` is memory for the addon. */
  fuse_native_mount(
    mountpoint: string,
    options: string,
    connection: Buffer,
    self: object,
    allocate: (size: number) => Buffer,
    handlers: readonly AddonHandler[],
    implemented: Uint32Array,
  ): void
  /** Keeps the event loop alive no longer; does not unmount. */
  fuse_native_unmount(mountpoint: string, connection: Buffer): void
  /** All signals do the same; these also take memory of libfuse away from its Buffer. */
  readonly fuse_native_signal_flush: Signal
  fuse_native_signal_read(frame: Buffer, result: number, unused: 0, memory: ArrayBufferLike): void
  fuse_native_signal_getxattr(frame: Buffer, result: number, memory: ArrayBufferLike): void
}

const HOW_TO_INSTALL = 'install libfuse 2 with: apt-get install libfuse2; then run: npm install'

/** Loads the addon as a module at `from` finds it. Throws FsError ENOSYS that says what to install. */
export function loadAddon(from: string = import.meta.url): Addon {
  const require = createRequire(from)
  if (process.arch !== 'x64') throw unusable(`it is there for x64 only, not for ${process.arch}`)
  try {
    const manifest = require.resolve('fuse-native/package.json')
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- what every package.json has
    const { version } = require(manifest) as { readonly version: string }
    if (version !== ADDON_VERSION) {
      throw unusable(`version ${version} of it is installed instead of ${ADDON_VERSION}`)
    }
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- of this package
    const build = createRequire(manifest)('node-gyp-build') as (folder: string) => Addon
    return build(dirname(manifest))
  } catch (cause) {
    if (cause instanceof FsError) throw cause
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
    throw unusable(`${reason}; ${HOW_TO_INSTALL}`, cause)
  }
}

function unusable(reason: string, cause?: unknown): FsError {
  return new FsError('ENOSYS', `Cannot use the transport fuse-native: ${reason}`, { cause })
}
