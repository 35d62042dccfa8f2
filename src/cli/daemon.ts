/**
 * The process behind a mount. It tells the command that has started it when the mount is live, and
 * lives until the mount is gone; its exit code says whether the volume was closed in order.
 */
import { closeSync, openSync } from 'node:fs'
import type { Logger } from 'pino'
import type { Session } from '../session/session.ts'
import type { DaemonReport, MountRequest } from './daemon-link.ts'
import { endProcess } from './end-process.ts'
import { CommandError, EXIT, type ExitCode, exitCodeOf, messageOf } from './exit-codes.ts'
import { openLog } from './logs.ts'
import { prepareMount, startSession } from './prepare-mount.ts'

class Daemon {
  private readonly request: MountRequest
  private log: Logger | undefined
  private session: Session | undefined
  private isStopping = false

  constructor(request: MountRequest) {
    this.request = request
  }

  async run(): Promise<ExitCode> {
    this.listen()
    let session
    try {
      const place = await prepareMount(this.request)
      this.log = openLog(place.volume, this.request.settings)
      session = await startSession(place, this.request.settings, this.log)
      await this.endIfStopped(session)
    } catch (error) {
      await report({ type: 'failed', message: messageOf(error), exitCode: exitCodeOf(error) })
      return exitCodeOf(error)
    }
    await this.becomeLive(session)
    try {
      await session.ended
      return EXIT.ok
    } catch (error) {
      this.log.fatal(
        { err: error },
        'the volume was not closed in order; the next mount recovers it',
      )
      return EXIT.failed
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
    process.once('disconnect', this.stop)
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
    endProcess(EXIT.failed)
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
endProcess(await new Daemon(request).run())
