/**
 * One line of the log for each damaged place that a reader meets. A program that reads it again and
 * again, or a whole disk gone bad, must not fill the log: a place is told once, and only so many in
 * a minute.
 */
import type { Logger } from 'pino'
import type { Damage } from '../txn/damage.ts'

const LINES_MAX = 20
const WINDOW_NS = 60_000_000_000n
const KNOWN_MAX = 10_000

export class DamageLog {
  private readonly clock: () => bigint
  private readonly log: Logger
  private readonly known = new Set<string>()
  private windowStart = 0n
  private lineCount = 0

  /** `clock` gives nanoseconds since 1970. */
  constructor(clock: () => bigint, log: Logger) {
    this.clock = clock
    this.log = log
  }

  note(damage: Damage): void {
    const place = `${damage.ino} ${damage.offset} ${damage.block ?? damage.what}`
    if (this.known.has(place)) return
    if (this.known.size >= KNOWN_MAX) this.known.clear()
    this.known.add(place)
    if (!this.mayWrite()) return
    this.log.error(damage, 'damaged: what was stored here is lost, reading it is EIO')
  }

  private mayWrite(): boolean {
    const now = this.clock()
    if (now - this.windowStart >= WINDOW_NS) {
      this.windowStart = now
      this.lineCount = 0
    }
    this.lineCount++
    if (this.lineCount === LINES_MAX + 1) {
      this.log.error('more damage is not told for a minute; look for all of it with: oatomic scrub')
    }
    return this.lineCount <= LINES_MAX
  }
}
