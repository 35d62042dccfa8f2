/** What libfuse 2 is told when it mounts. */
import { FsError } from '../../errors.ts'
import type { MountOptions } from '../kernel/mount.ts'
import { isPrivileged } from '../kernel/unmount.ts'

/** What the addon has room for. */
const LENGTH_MAX = 1023

/** Standard options of mount(8) that libfuse 2 knows. */
const KNOWN = new Set(
  'ro rw exec noexec suid nosuid dev nodev sync async dirsync atime noatime'.split(' '),
)

/** … and those that mean nothing to FUSE, where the daemon keeps the times. */
const MEANINGLESS = new Set(
  'diratime nodiratime relatime norelatime strictatime lazytime nolazytime'.split(' '),
)

/**
 * - The kernel remembers nothing, neither content nor names nor attributes: nobody could tell it of a
 *   rollback.
 * - `use_ino`: inodes have the numbers that they have on the volume; how processes end is looked up by
 *   them.
 * - Nothing of `hard_remove`: libfuse has no path for a file that is open without a name.
 */
const FIXED = [
  'subtype=oatomic',
  'default_permissions',
  'nonempty',
  'use_ino',
  'big_writes',
  'atomic_o_trunc',
  'direct_io',
  'entry_timeout=0',
  'negative_timeout=0',
  'attr_timeout=0',
]

/** The addon's parameter. Throws FsError EINVAL. */
export function libfuseOptions(
  source: string,
  { standard = [], allowOther }: MountOptions,
): string {
  const unknown = standard.find((option) => !KNOWN.has(option) && !MEANINGLESS.has(option))
  if (unknown !== undefined) throw new FsError('EINVAL', `Unknown mount option "${unknown}"`)
  const options = [
    `fsname=${source.replaceAll('\\', '\\\\').replaceAll(',', '\\,')}`,
    ...FIXED,
    ...(isPrivileged() || allowOther === true ? ['allow_other'] : []),
    // libfuse forbids them unless told.
    ...(isPrivileged() ? ['suid', 'dev'] : []),
    ...standard.filter((option) => KNOWN.has(option)),
  ]
  const text = `-o${options.join(',')}`
  if (Buffer.byteLength(text) <= LENGTH_MAX) return text
  throw new FsError('EINVAL', `Cannot mount "${source}" with fuse-native: its path is too long`)
}
