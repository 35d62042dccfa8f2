/** Ordinary filesystems on a block device, for the time of a test. */
import { mkdtemp, readFile, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { needs } from '../../mount/support/run.ts'
import { type Lifetime, atEnd } from '../devices/at-end.ts'
import { attempt, succeed } from './commands.ts'

export type HostKind = 'ext4' | 'xfs'

/** XFS takes no less. */
export const SIZE_BYTES_MIN: Readonly<Record<HostKind, number>> = {
  ext4: 64 * 1024 * 1024,
  xfs: 300 * 1024 * 1024,
}

/**
 * Makes a filesystem with the small journal of a small disk, and with all its tables written at once:
 * what the kernel writes later in the background would only make a recording longer.
 */
export async function makeHostFilesystem(kind: HostKind, device: string): Promise<void> {
  if (kind === 'ext4') {
    await needs('mkfs.ext4', 'e2fsprogs')
    const extended = 'nodiscard,lazy_itable_init=0,lazy_journal_init=0'
    await succeed('mkfs.ext4', ['-q', '-F', '-J', 'size=4', '-N', '1024', '-E', extended, device])
  } else {
    await needs('mkfs.xfs', 'xfsprogs')
    await succeed('mkfs.xfs', ['-q', '-f', '-K', device])
  }
}

/** A folder to mount on. After the test nothing is mounted there any more, and it is gone. */
export async function makeHostFolder(context: Lifetime): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'oatomic-host-'))
  atEnd(context, async () => {
    await removeMounts(folder)
    await rmdir(folder)
  })
  return folder
}

/** Mounts; what the journal holds is replayed by that. */
export async function mountHost(kind: HostKind, device: string, mountpoint: string): Promise<void> {
  await succeed('mount', ['-i', '-t', kind, '-o', 'noatime', '--', device, mountpoint])
}

export async function unmountHost(mountpoint: string): Promise<void> {
  await succeed('umount', ['-i', '--', mountpoint])
}

/** Takes away all that is mounted on a folder, in use or not. Never waits for a disk for long. */
export async function removeMounts(mountpoint: string): Promise<void> {
  for (let tries = 0; tries < 5 && (await isMounted(mountpoint)); tries++) {
    await attempt('umount', ['-i', '-l', '--', mountpoint], 5000)
  }
}

async function isMounted(mountpoint: string): Promise<boolean> {
  const table = await readFile('/proc/self/mounts', 'utf8')
  return table.split('\n').some((line) => line.split(' ')[1] === mountpoint)
}
