/** What must be true before a session starts: there is a volume, a place for it, and it is free. */
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import type { Logger } from 'pino'
import { volumePaths } from '../device/layout.ts'
import { isUnfinished } from '../device/volume-folder.ts'
import { FsError } from '../errors.ts'
import type { MountNote } from '../fuse/kernel/mount-note.ts'
import { UnmountedError, inspectMountpoint } from '../fuse/kernel/mount-point.ts'
import { Session } from '../session/session.ts'
import { makeVolumeAt } from '../volume/path.ts'
import type { MountRequest } from './daemon-link.ts'
import { CommandError, EXIT, messageOf } from './exit-codes.ts'
import { logFileOf } from './logs.ts'
import type { MountSettings } from './mount-options.ts'
import { whenFree } from './when-free.ts'

/** Where to mount what: paths without symbolic links, but for the source, which is as it was named. */
export interface MountPlace {
  readonly volume: string
  readonly source: string
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
  return { volume, source: request.source, mountpoint }
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
  const options = {
    ...place,
    ...sessionOptions(place, settings),
    log,
    ...(note !== undefined && { note }),
  }
  try {
    return await whenFree({ ...place, purpose: 'mount' }, () => Session.start(options))
  } catch (error) {
    throw error instanceof FsError ? mountFailure(error) : error
  }
}

function sessionOptions(place: MountPlace, settings: MountSettings) {
  const logFile = logFileOf(place.volume, settings)
  return {
    readOnly: settings.readOnly,
    newFiles: settings.newFiles,
    noAccessTimes: settings.noAccessTimes,
    strictAccessTimes: settings.strictAccessTimes,
    noDirectoryAccessTimes: settings.noDirectoryAccessTimes,
    allowOther: settings.allowOther,
    mountOptions: settings.standard,
    writebackCache: settings.writebackCache,
    idlePoll: settings.idlePoll,
    transport: settings.transport,
    allowIdmap: settings.allowIdmap,
    ioTimeoutSeconds: settings.ioTimeoutSeconds,
    ...(logFile !== undefined && { logFile }),
  }
}

/** What the volume says of itself is the user's to mend; the rest is the host's. */
function mountFailure(error: FsError): Error {
  if (error instanceof UnmountedError) return error
  if (['EINVAL', 'EACCES', 'EBUSY'].includes(error.code)) return error
  return new CommandError(EXIT.mountFailed, error.message, { cause: error })
}
