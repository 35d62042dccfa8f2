/**
 * The timers of a mount: the periodic writeback with its checkpoint, the reaper, which works whenever
 * there is something to free, and the scrub, which keeps to its rate. Nothing else in the program owns a timer.
 */
import type { Logger } from 'pino'
import type { Filesystem } from '../fs/filesystem.ts'
import type { Reaper } from '../txn/reaper.ts'
import { ScrubTimer } from './scrub.ts'

/** After this long everything that was answered is durable. */
const WRITE_BACK_MS = 5000

/** How long files without any content may wait for others to be freed with. */
const GATHER_MS = 20

export class Background {
  private readonly filesystem: Filesystem
  private readonly log: Logger
  private readonly timer: NodeJS.Timeout
  private readonly scrub: ScrubTimer | undefined
  private tickUnderWay: Promise<void> | undefined
  private reaping: Promise<void> | undefined
  private stopped = false

  constructor(filesystem: Filesystem, log: Logger) {
    this.filesystem = filesystem
    this.log = log
    const { reaper, scrubber } = filesystem.context
    if (scrubber !== undefined) this.scrub = new ScrubTimer(scrubber, log)
    reaper.onWork = () => {
      this.startReaping()
    }
    this.timer = setInterval(() => {
      this.startTick()
    }, WRITE_BACK_MS)
    this.timer.unref()
    if (!reaper.isIdle) this.startReaping()
  }

  /** Ends the timers, and resolves when what they began is over. */
  async stop(): Promise<void> {
    this.stopped = true
    clearInterval(this.timer)
    this.filesystem.context.reaper.onWork = () => undefined
    await this.scrub?.end()
    await this.tickUnderWay
    await this.reaping
  }

  private startTick(): void {
    this.tickUnderWay ??= this.tick().finally(() => {
      this.tickUnderWay = undefined
    })
  }

  private async tick(): Promise<void> {
    const { engine } = this.filesystem.context
    for (const work of [
      () => this.filesystem.writeBack(),
      () => (engine.checkpointer.isNeeded ? engine.checkpointer.run() : undefined),
    ]) {
      if (engine.health.failed || engine.health.readOnly) return
      try {
        await work()
      } catch (error) {
        // The failure of the volume is told of by itself.
        if (!engine.health.failed) this.log.error({ err: error }, 'the periodic writeback failed')
      }
    }
  }

  private startReaping(): void {
    this.reaping ??= this.reap().finally(() => {
      this.reaping = undefined
    })
  }

  private async reap(): Promise<void> {
    const { reaper, engine } = this.filesystem.context
    do {
      await new Promise<void>((resolve) => {
        if (reaper.isUrgent) setImmediate(resolve)
        else setTimeout(resolve, GATHER_MS)
      })
      if (this.stopped || engine.health.failed) return
    } while (await this.reapStep(reaper))
  }

  private async reapStep(reaper: Reaper): Promise<boolean> {
    try {
      return await reaper.step()
    } catch (error) {
      const { health } = this.filesystem.context.engine
      if (!health.failed) this.log.error({ err: error }, 'a removed file cannot be freed')
      return !reaper.isIdle
    }
  }
}
