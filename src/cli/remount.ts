/**
 * `mount -o remount`: mount(8) calls its helper for that too, although the mount is there and only
 * the kernel's own flags can change. So this goes back to mount(8), told not to ask a helper again.
 */
import { runCommand } from '../fuse/kernel/command.ts'
import { findMount } from '../fuse/kernel/mount-table.ts'
import { INSTALL_MOUNT_HINT } from '../fuse/kernel/unmount.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { realPathOf } from './find-mount.ts'
import { remountOptions } from './mount-options.ts'
import { readXattr } from './xattr.ts'

export const isRemount = (options: readonly string[]): boolean => options.includes('remount')

/** Changes the flags of a mount. Throws CommandError. */
export async function remount(
  mountpoint: string,
  options: readonly string[],
  strictness: { readonly isSloppy: boolean },
): Promise<ExitCode> {
  const entry = await findMount(await realPathOf(mountpoint))
  if (entry?.type !== 'fuse.oatomic')
    throw refusal(mountpoint, 'no oatomic volume is mounted there')
  const flags = remountOptions(options, strictness)
  // The volume itself was opened to be read, and nothing is ready for writing.
  if (flags.findLast((flag) => flag === 'ro' || flag === 'rw') === 'rw' && isReadOnly(mountpoint)) {
    throw refusal(
      mountpoint,
      'its volume was opened read-only, or has become so; unmount it, and mount it with rw',
    )
  }
  const parameters = ['-i', '-o', ['remount', ...flags].join(','), entry.mountpoint]
  const { succeeded, message } = await runCommand('mount', parameters, { hint: INSTALL_MOUNT_HINT })
  if (succeeded) return EXIT.ok
  throw new CommandError(EXIT.mountFailed, `Cannot remount "${mountpoint}": ${message}`)
}

const isReadOnly = (mountpoint: string): boolean =>
  /^read_only=1$/m.test(readXattr(mountpoint, 'user.atomic.limits'))

function refusal(mountpoint: string, reason: string): CommandError {
  return new CommandError(EXIT.unusable, `Cannot remount "${mountpoint}": ${reason}`)
}
