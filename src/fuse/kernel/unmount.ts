import { FsError } from '../../errors.ts'
import { runCommand } from './command.ts'

export const INSTALL_FUSE_HINT = 'install it with: apt-get install fuse3'
export const INSTALL_MOUNT_HINT = 'install it with: apt-get install mount'

export interface UnmountOptions {
  /** Take the mount out of sight at once, and end it when nothing uses it any more. */
  readonly lazy?: boolean
  /** Cut the connection first: whatever waits for an answer gets an error. Takes root. */
  readonly force?: boolean
}

/** Whether mounting needs no help of a set-user-id program. */
export function isPrivileged(): boolean {
  return process.geteuid?.() === 0
}

/** Takes away what is mounted at `mountpoint`. Throws FsError EBUSY while it is in use. */
export async function unmount(mountpoint: string, options: UnmountOptions = {}): Promise<void> {
  const lazy = options.lazy === true
  const how = [...(options.force === true ? ['-f'] : []), ...(lazy ? ['-l'] : [])]
  const result = isPrivileged()
    ? await runCommand('umount', ['-i', ...how, '--', mountpoint], { hint: INSTALL_MOUNT_HINT })
    : await runCommand('fusermount3', ['-u', ...(lazy ? ['-z'] : []), '--', mountpoint], {
        hint: INSTALL_FUSE_HINT,
      })
  if (result.succeeded) return
  const code = /busy/i.test(result.message) ? 'EBUSY' : 'EINVAL'
  throw new FsError(code, `Cannot unmount "${mountpoint}": ${result.message}`)
}
