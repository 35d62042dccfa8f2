/** The scrub of a mount: what it reads from, what it logs, and the timer that keeps it to its rate. */
import type { Logger } from 'pino'
import { readFileDirect } from '../device/read-file-direct.ts'
import { Scrubber } from '../scrub/scrubber.ts'
import type { VolumeAtPath } from '../volume/path.ts'

/** Short pauses are taken together, as timers are not exact. */
const PAUSE_MS_MIN = 4

/** A scrub says in the log what it finds, up to so many. */
const LOGGED_MAX = 100

export function makeScrubber({ files, engine, superblock }: VolumeAtPath, log: Logger): Scrubber {
  const scrubber = new Scrubber({
    engine,
    superblock,
    raw: {
      readBlocks: (fileBlock, target) => files.readRaw(fileBlock, target),
      indexPath: files.index.path,
      readIndexFile: readFileDirect,
    },
  })
  scrubber.onFinding = (finding) => {
    if (scrubber.status.findingCount <= LOGGED_MAX) log.error(finding, 'the scrub has found damage')
  }
  return scrubber
}

export class ScrubTimer {
  private readonly scrubber: Scrubber
  private readonly log: Logger
  private running: Promise<void> | undefined
  private wake: () => void = () => undefined

  constructor(scrubber: Scrubber, log: Logger) {
    this.scrubber = scrubber
    this.log = log
    scrubber.onStart = () => {
      this.wake()
      // One that was stopped may still be on its last step.
      const before = this.running ?? Promise.resolve()
      this.running = before.then(async () => this.run())
    }
  }

  /** Ends a scrub that is running, and resolves when it has ended. */
  async end(): Promise<void> {
    this.scrubber.stop()
    this.wake()
    await this.running
  }

  private async run(): Promise<void> {
    const started = performance.now()
    try {
      while (await this.scrubber.step()) {
        const { doneBytes, rateBytes } = this.scrubber.status
        await this.pause((doneBytes / rateBytes) * 1000 - (performance.now() - started))
      }
      const { state, findingCount, mendedCount } = this.scrubber.status
      this.log.info({ state, findingCount, mendedCount }, 'the scrub has ended')
    } catch (error) {
      this.log.error({ err: error }, 'the scrub has failed')
    }
  }

  /** Gives others a turn at least. */
  private async pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      if (milliseconds < PAUSE_MS_MIN) {
        setImmediate(resolve)
        return
      }
      const timer = setTimeout(resolve, milliseconds)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
