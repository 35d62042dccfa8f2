import { closeSync, constants, openSync } from 'node:fs'
import { FsError } from '../../errors.ts'
import { runCommand } from './command.ts'
import { mountByHelper } from './fusermount.ts'
import { isNeedless, isStandardOption } from './standard-options.ts'
import { INSTALL_MOUNT_HINT, isPrivileged } from './unmount.ts'

const DEVICE = '/dev/fuse'
const TYPE = 'oatomic'

export interface MountOptions {
  /** Standard options of mount(8): `ro`, `noexec`, `noatime` and so on. */
  readonly standard?: readonly string[]
  /** Let other users in. Root always does. */
  readonly allowOther?: boolean
}

/**
 * Mounts a new connection on a directory and returns its device, which reads without waiting. In
 * the mount table the type is `fuse.oatomic` and the source is verbatim. Throws FsError.
 */
export async function mount(
  source: string,
  mountpoint: string,
  options: MountOptions = {},
): Promise<number> {
  const standard = options.standard ?? []
  const unknown = standard.find((option) => !isStandardOption(option))
  if (unknown !== undefined) throw new FsError('EINVAL', `Unknown mount option "${unknown}"`)
  const common = ['default_permissions', ...standard]
  if (isPrivileged()) return mountAsRoot(source, mountpoint, [...common, 'allow_other'])
  const allowOther = options.allowOther === true ? ['allow_other'] : []
  const naming = [`fsname=${escapeOption(source)}`, `subtype=${TYPE}`]
  const needed = common.filter((option) => !isNeedless(option))
  return mountByHelper(mountpoint, [...needed, ...allowOther, ...naming])
}

async function mountAsRoot(
  source: string,
  mountpoint: string,
  options: readonly string[],
): Promise<number> {
  const fd = openDevice()
  const owner = ['fd=3', 'rootmode=40000', 'user_id=0', 'group_id=0']
  // Not canonical (-c): whoever has named the source finds it again as he has named it.
  const parameters = ['-i', '-c', '-t', `fuse.${TYPE}`, '-o', [...owner, ...options].join(',')]
  try {
    const result = await runCommand('mount', [...parameters, '--', source, mountpoint], {
      fd,
      hint: INSTALL_MOUNT_HINT,
    })
    if (result.succeeded) return fd
    throw new FsError('EIO', `Cannot mount on "${mountpoint}": ${result.message}`)
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function openDevice(): number {
  try {
    return openSync(DEVICE, constants.O_RDWR | constants.O_NONBLOCK)
  } catch (cause) {
    throw new FsError(
      'ENODEV',
      `Cannot open ${DEVICE}: load the kernel's module with "modprobe fuse", or give the container the device`,
      { cause },
    )
  }
}

/** The helper splits its options at commas. */
function escapeOption(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll(',', '\\,')
}
