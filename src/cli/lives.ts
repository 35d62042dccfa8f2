/** What a daemon makes of being one of several lives of a mount, and with which code it ends. */
import { constants } from 'node:os'
import type { Logger } from 'pino'
import { FsError } from '../errors.ts'
import { MountNote } from '../fuse/kernel/mount-note.ts'
import { UnmountedError, isDeadMount } from '../fuse/kernel/mount-point.ts'
import { type Life, NOTE_FD, RETRY } from './daemon-link.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import type { MountPlace } from './prepare-mount.ts'

export class Lives {
  readonly life: Life
  /** The status of a shell's wait for the last life. */
  private readonly lastStatus: number

  constructor(life = 'only', lastStatus = '0') {
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by supervisor.ts
    this.life = life as Life
    this.lastStatus = Number(lastStatus)
  }

  /** Undefined if the mount does not come back. */
  get note(): MountNote | undefined {
    return this.life === 'only' ? undefined : new MountNote(NOTE_FD)
  }

  /** The note, if there was a mount before. */
  get earlierNote(): MountNote | undefined {
    return this.life === 'again' ? this.note : undefined
  }

  announce(openLog: () => Logger): void {
    const how = { lastEnd: signalName(this.lastStatus) }
    if (this.life === 'again') openLog().warn(how, 'the daemon has died; mounting again')
    if (this.life === 'over') {
      openLog().fatal(how, 'the daemon has died too often; find out why, then mount by hand')
    }
  }

  /** How a daemon ends that has not come to serve its mount. */
  codeOfFailedStart(error: unknown, isFinal: boolean, log: Logger | undefined): number {
    if (this.life !== 'again') return exitCodeOf(error)
    if (error instanceof UnmountedError) {
      log?.info({ err: error }, 'not mounting again')
      return EXIT.ok
    }
    const mayTry = !isFinal && isWorthAnotherTry(error)
    log?.error({ err: error }, mayTry ? 'cannot mount again now' : 'cannot mount again')
    return mayTry ? RETRY.notStarted : exitCodeOf(error)
  }

  /** How a daemon ends that cannot trust its memory any more. */
  codeOfCrash(wasLive: boolean): number {
    if (this.life === 'only' || (this.life === 'first' && !wasLive)) return EXIT.failed
    return wasLive ? RETRY.crashed : RETRY.notStarted
  }

  /** How a daemon ends whose connection to the kernel has ended, perhaps without an unmount. */
  async codeOfEnd(closed: boolean, { mountpoint, volume }: MountPlace, log?: Logger) {
    const code = closed ? EXIT.ok : EXIT.failed
    if (this.life === 'only' || !(await isDeadMount(mountpoint, volume))) return code
    log?.error('the connection to the kernel was cut without an unmount')
    return RETRY.crashed
  }
}

/** Who mounts the volume elsewhere or damages it wins; what the host refuses it may grant later. */
function isWorthAnotherTry(error: unknown): boolean {
  if (error instanceof FsError) return error.code === 'EBUSY'
  const code = exitCodeOf(error)
  return code === EXIT.failed || code === EXIT.mountFailed
}

/** What a shell's status says, the name of the signal if it was one. */
function signalName(status: number): string | number {
  const found = Object.entries(constants.signals).find(([, number]) => number === status - 128)
  return found?.[0] ?? status
}
