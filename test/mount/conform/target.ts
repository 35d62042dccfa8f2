/**
 * Folders that the conformance suite runs on. Each is started when its turn comes, and once more in
 * the middle, so that what lasts can be compared.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { atEnd } from '../../support/devices/at-end.ts'
import { succeed } from '../../support/loop-disk/commands.ts'
import { makeHostFolder, removeMounts } from '../../support/loop-disk/host-filesystem.ts'
import { type MountOptions, mounted } from '../support/mount.ts'
import { needs } from '../support/run.ts'

/** What a transport may be unable to pass on; cases say what they need. */
export type Ability =
  | 'fallocate'
  | 'file handles'
  | 'flags'
  | 'holes'
  | 'rename flags'
  | 'shared maps'
  | 'time of birth'
  | 'unnamed files'

export interface Target {
  readonly name: string
  readonly lacks: readonly Ability[]
  /** Not the judge. */
  readonly isOurs: boolean
  readonly isNative?: boolean
  /** Whether the kernel keeps what is written, with the times of it. */
  readonly cachesWrites: boolean
  /** Makes an empty folder, which is gone after the test. */
  start(context: TestContext): Promise<RunningTarget>
}

export interface RunningTarget {
  readonly folder: string
  /** Lets go of everything and comes back with the same content. */
  restart(): Promise<void>
  /** Fails unless it ends in order. */
  stop(): Promise<void>
}

/** What must hold on our mounts is what holds here. */
const JUDGE: Target = {
  name: 'ext4',
  lacks: [],
  isOurs: false,
  cachesWrites: true,
  start: startExt4,
}

const NATIVE: Target = {
  ...ours('oatomic through fuse-native', { transport: 'fuse-native', writebackCache: false }),
  isNative: true,
  lacks: [
    'fallocate',
    'file handles',
    'flags',
    'holes',
    'rename flags',
    'shared maps',
    'time of birth',
    'unnamed files',
  ],
}

export const TARGETS: readonly Target[] = [
  JUDGE,
  ours('oatomic', {}),
  ours('oatomic without the writeback cache', { writebackCache: false }),
  ours('oatomic with atomic files', { newFiles: 'shared' }),
  ...(process.arch === 'x64' ? [NATIVE] : []),
]

/** A mount of the kernel's own protocol. */
function ours(name: string, options: MountOptions): Target {
  return {
    name,
    lacks: [],
    isOurs: true,
    cachesWrites: options.writebackCache ?? true,
    async start(context) {
      const mount = await mounted(context, options)
      return {
        folder: mount.path,
        async restart() {
          await mount.unmount()
          await mount.remount()
        },
        stop: () => mount.unmount(),
      }
    },
  }
}

const IMAGE_BYTES = 512 * 1024 * 1024

async function startExt4(context: TestContext): Promise<RunningTarget> {
  await needs('mkfs.ext4', 'e2fsprogs')
  const host = await makeHostFolder(context)
  const image = `${host}.image`
  const mount = (): Promise<string> =>
    succeed('mount', ['-i', '-t', 'ext4', '-o', 'loop', '--', image, host])
  const unmount = (): Promise<string> => succeed('umount', ['-i', '--', host])
  atEnd(context, async () => {
    await removeMounts(host)
    await succeed('rm', ['-f', '--', image])
  })
  await succeed('truncate', ['-s', String(IMAGE_BYTES), image])
  await succeed('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1,nodiscard', image])
  await mount()
  const folder = join(host, 'root')
  await mkdir(folder)
  return {
    folder,
    async restart() {
      await unmount()
      await mount()
    },
    async stop() {
      await unmount()
    },
  }
}
