/**
 * The process behind a mount. It tells the command that has started it when the mount is live, and
 * lives until the mount is gone; its exit code says whether the volume was closed in order.
 */
import { closeSync, openSync } from 'node:fs'
import type { Logger } from 'pino'
import type { Session } from '../session/session.ts'
import type { DaemonReport, MountRequest } from './daemon-link.ts'
import { endProcess } from './end-process.ts'
import { CommandError, EXIT, exitCodeOf, messageOf } from './exit-codes.ts'
import { Lives } from './lives.ts'
import { openLog } from './logs.ts'
import { type MountPlace, prepareMount, startSession } from './prepare-mount.ts'

class Daemon {
  private readonly request: MountRequest
  private readonly lives: Lives
  private log: Logger | undefined
  private session: Session | undefined
  private isStopping = false

  constructor(request: MountRequest, lives: Lives) {
    this.request = request
    this.lives = lives
  }

  /** Serves the mount to its end; resolves with the exit code. */
  async run(): Promise<number> {
    this.listen()
    let place
    let session
    try {
      this.lives.announce(() => this.openLog(this.request.volume))
      if (this.lives.life === 'over') return EXIT.failed
      place = await prepareMount(this.request, this.lives.earlierNote)
      session = await this.start(place)
    } catch (error) {
      await report({ type: 'failed', message: messageOf(error), exitCode: exitCodeOf(error) })
      return this.lives.codeOfFailedStart(error, this.isStopping || place === undefined, this.log)
    }
    await this.becomeLive(session)
    const closed = await this.untilClosed(session)
    return this.lives.codeOfEnd(closed, place, this.log)
  }

  private openLog(volume: string): Logger {
    return (this.log ??= openLog(volume, this.request.settings))
  }

  private async start(place: MountPlace): Promise<Session> {
    const { settings } = this.request
    const session = await startSession(place, settings, this.openLog(place.volume), this.lives.note)
    await this.endIfStopped(session)
    return session
  }

  /** Whether the volume is closed in order. */
  private async untilClosed(session: Session): Promise<boolean> {
    try {
      await session.ended
      return true
    } catch (error) {
      const message = 'the volume was not closed in order; the next mount recovers it'
      this.log?.fatal({ err: error }, message)
      return false
    }
  }

  private listen(): void {
    const { foreground } = this.request.settings
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.on(signal, () => {
        // A daemon outlives the terminal that it was started from.
        if (foreground || signal !== 'SIGHUP') this.stop()
      })
    }
    // A later life in the background was not started by a command that could be waiting.
    if (foreground || this.lives.life !== 'again') process.once('disconnect', this.stop)
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(event, (error: unknown) => void this.crash(error))
    }
  }

  /** A signal may have come before there was something to unmount. */
  private async endIfStopped(session: Session): Promise<void> {
    if (!this.isStopping) return
    await session.stop()
    throw new CommandError(EXIT.failed, `Cannot mount "${this.request.volume}": interrupted`)
  }

  private async becomeLive(session: Session): Promise<void> {
    this.session = session
    const { foreground } = this.request.settings
    await report({ type: 'live' })
    if (foreground) return
    process.off('disconnect', this.stop)
    if (process.connected) process.disconnect()
  }

  /** Unmounts, now or as soon as the mount is live; once is enough. */
  private readonly stop = (): void => {
    if (this.isStopping) return
    this.isStopping = true
    this.stopSession()
  }

  private stopSession(): void {
    this.session?.stop().catch((error: unknown) => {
      this.isStopping = false
      this.log?.error({ err: error }, 'cannot unmount')
    })
  }

  /** A bug: what is in memory cannot be trusted, so nothing more is written to the volume. */
  private async crash(error: unknown): Promise<void> {
    this.log?.fatal({ err: error }, 'the daemon has crashed; the next mount recovers the volume')
    if (this.session === undefined) {
      const message = `Cannot mount "${this.request.volume}": ${messageOf(error)}`
      await report({ type: 'failed', message, exitCode: EXIT.failed })
    }
    endProcess(this.lives.codeOfCrash(this.session !== undefined))
  }
}

/** Resolves when the report is sent, or when nobody waits for it any more. */
async function report(message: DaemonReport): Promise<void> {
  if (!process.connected) return
  await new Promise<void>((resolve) => {
    process.send?.(message, undefined, undefined, () => {
      resolve()
    })
  })
}

/** Puts /dev/null in the place of stderr, where up to here the command listens. */
function leaveStderr(): void {
  closeSync(2)
  openSync('/dev/null', 'w')
}

// eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by start-daemon.ts
const request = JSON.parse(process.argv[2] ?? '') as MountRequest
if (!request.settings.foreground) leaveStderr()
endProcess(await new Daemon(request, new Lives(process.argv[3], process.argv[4])).run())
