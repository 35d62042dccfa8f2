/** What must be true before a session starts: there is a volume, a place for it, and it is free. */
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { volumePaths } from '../device/layout.ts'
import { isUnfinished } from '../device/volume-folder.ts'
import { FsError } from '../errors.ts'
import type { MountNote } from '../fuse/kernel/mount-note.ts'
import { UnmountedError, inspectMountpoint, isDeadMount } from '../fuse/kernel/mount-point.ts'
import { readMountTable } from '../fuse/kernel/mount-table.ts'
import { Session } from '../session/session.ts'
import { makeVolumeAt } from '../volume/path.ts'
import type { MountRequest } from './daemon-link.ts'
import { CommandError, EXIT, messageOf } from './exit-codes.ts'
import { logFileOf } from './logs.ts'
import type { MountSettings } from './mount-options.ts'

const RETRY_MS = 100
const CLOSING_TIMEOUT_MS = 10_000

/** Where to mount what: paths without symbolic links. */
export interface MountPlace {
  readonly volume: string
  readonly mountpoint: string
}

/**
 * Makes the volume if that is wanted and it has not been mounted before, in a life that has left the
 * note. Throws FsError or CommandError.
 */
export async function prepareMount(request: MountRequest, note?: MountNote): Promise<MountPlace> {
  const { settings } = request
  const mountpoint = await inspectMountpoint(request.mountpoint, note)
  if (settings.create && note === undefined && needsMaking(request.volume))
    await makeVolumeAt(request.volume)
  const volume = await findVolume(request.volume)
  checkApart(mountpoint, volume, 'the volume')
  if (settings.logFile !== undefined) {
    checkApart(mountpoint, await realFolderOf(settings.logFile), 'the log')
  }
  return { volume, mountpoint }
}

function needsMaking(volume: string): boolean {
  const { blocks } = volumePaths(volume)
  return !existsSync(blocks) || isUnfinished(blocks)
}

async function findVolume(path: string): Promise<string> {
  const absent = (reason: string) =>
    new CommandError(EXIT.unusable, `Cannot mount volume "${path}": ${reason}`)
  if (!existsSync(path)) throw absent(`there is none; make it with: oatomic make ${path}`)
  const volume = await realpath(path)
  if (existsSync(volumePaths(volume).blocks)) return volume
  throw absent('it is not a volume; make one in an empty directory with: oatomic make DIRECTORY')
}

/** A daemon that used its own mount would wait for itself for ever. */
function checkApart(mountpoint: string, path: string, what: string): void {
  if (!`${path}${sep}`.startsWith(mountpoint === sep ? sep : `${mountpoint}${sep}`)) return
  throw new CommandError(
    EXIT.unusable,
    `Cannot mount on "${mountpoint}": ${what} would be under the mount`,
  )
}

async function realFolderOf(file: string): Promise<string> {
  try {
    return await realpath(dirname(file))
  } catch (error) {
    throw new CommandError(EXIT.unusable, `Cannot write log "${file}": ${messageOf(error)}`)
  }
}

/** Mounts. While the volume's last daemon is only just closing it, waits for that. */
export async function startSession(
  place: MountPlace,
  settings: MountSettings,
  log: Logger,
  note?: MountNote,
): Promise<Session> {
  const deadline = performance.now() + CLOSING_TIMEOUT_MS
  for (;;) {
    try {
      return await Session.start({
        ...place,
        ...sessionOptions(place, settings),
        log,
        ...(note !== undefined && { note }),
      })
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      if (error.code !== 'EBUSY') throw mountFailure(error)
      await refuseMounted(place)
      if (performance.now() > deadline) throw error
    }
    await sleep(RETRY_MS)
  }
}

function sessionOptions(place: MountPlace, settings: MountSettings) {
  const logFile = logFileOf(place.volume, settings)
  return {
    source: place.volume,
    readOnly: settings.readOnly,
    newFiles: settings.newFiles,
    noAccessTimes: settings.noAccessTimes,
    allowOther: settings.allowOther,
    mountOptions: settings.standard,
    writebackCache: settings.writebackCache,
    transport: settings.transport,
    ioTimeoutSeconds: settings.ioTimeoutSeconds,
    ...(logFile !== undefined && { logFile }),
  }
}

async function refuseMounted({ volume, mountpoint }: MountPlace): Promise<void> {
  // What a killed daemon has left here says nothing of who has the volume now.
  const isLeft = await isDeadMount(mountpoint, volume)
  const entry = (await readMountTable()).find(
    ({ source, type, ...each }) =>
      source === volume && type === 'fuse.oatomic' && !(isLeft && each.mountpoint === mountpoint),
  )
  if (entry === undefined) return
  throw new CommandError(
    EXIT.inUse,
    `Cannot mount volume "${volume}": it is mounted on "${entry.mountpoint}"`,
  )
}

/** What the volume says of itself is the user's to mend; the rest is the host's. */
function mountFailure(error: FsError): Error {
  if (error instanceof UnmountedError) return error
  if (error.code === 'EINVAL' || error.code === 'EACCES') return error
  return new CommandError(EXIT.mountFailed, error.message, { cause: error })
}
