/**
 * `mount -o remount`: mount(8) calls its helper for that too, although the mount is there and only
 * the kernel's own flags can change. So this goes back to mount(8), told not to ask a helper again.
 */
import { runCommand } from '../fuse/kernel/command.ts'
import { findMount } from '../fuse/kernel/mount-table.ts'
import { INSTALL_MOUNT_HINT } from '../fuse/kernel/unmount.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { STANDARD_OPTIONS } from './mount-options.ts'

export const isRemount = (options: readonly string[]): boolean => options.includes('remount')

/**
 * Changes the flags of a mount. Options of this filesystem are left out: mount(8) repeats those of
 * the mount or of fstab, and none of them can change while it is mounted. Throws CommandError.
 */
export async function remount(mountpoint: string, options: readonly string[]): Promise<ExitCode> {
  const entry = await findMount(mountpoint)
  if (entry?.type !== 'fuse.oatomic') {
    throw new CommandError(
      EXIT.unusable,
      `Cannot remount "${mountpoint}": no oatomic volume is mounted there`,
    )
  }
  const flags = ['remount', ...options.filter((option) => STANDARD_OPTIONS.has(option))]
  const { succeeded, message } = await runCommand(
    'mount',
    ['-i', '-o', flags.join(','), mountpoint],
    {
      hint: INSTALL_MOUNT_HINT,
    },
  )
  if (succeeded) return EXIT.ok
  throw new CommandError(EXIT.mountFailed, `Cannot remount "${mountpoint}": ${message}`)
}
