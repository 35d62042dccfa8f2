/**
 * Reads everything that a volume holds while it is in use, and compares it with its checksums. Owns
 * no timer: the session calls `step`, and so do tests. What has one right answer is mended.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import type { Ino } from '../store/inode.ts'
import { findPaths } from './paths.ts'
import type { ScrubFinding, ScrubParts, Turns } from './parts.ts'
import { scrubFiles } from './scrub-files.ts'
import { scrubIndex } from './scrub-index.ts'
import { scrubRing } from './scrub-ring.ts'
import { scrubSuperblocks } from './scrub-superblocks.ts'

export type ScrubState = 'idle' | 'running' | 'finished' | 'stopped' | 'failed'

/** In bytes a second. */
export const SCRUB_RATE_DEFAULT = 50 * 1024 * 1024
export const SCRUB_RATE_MIN = 1024 * 1024

const FINDINGS_KEPT_MAX = 1000

export interface ScrubStatus {
  readonly state: ScrubState
  readonly doneBytes: number
  /** What there was to read when it began. */
  readonly totalBytes: number
  readonly rateBytes: number
  readonly findingCount: number
  readonly mendedCount: number
  /** The first of them. */
  readonly findings: readonly ScrubFinding[]
}

export class Scrubber {
  private readonly parts: ScrubParts
  private state: ScrubState = 'idle'
  private turns: Turns | undefined
  private done = 0
  private total = 0
  private rate = SCRUB_RATE_DEFAULT
  private findingCount = 0
  private mendedCount = 0
  private findings: ScrubFinding[] = []
  /** Called when a scrub begins; the session then calls `step` until there is nothing left. */
  onStart: () => void = () => undefined
  /** Called for each finding. */
  onFinding: (finding: ScrubFinding) => void = () => undefined

  constructor(parts: Omit<ScrubParts, 'report'>) {
    const report = (finding: ScrubFinding): void => {
      this.note(finding)
    }
    this.parts = { ...parts, report }
  }

  get status(): ScrubStatus {
    return {
      state: this.state,
      doneBytes: this.done,
      totalBytes: Math.max(this.total, this.done),
      rateBytes: this.rate,
      findingCount: this.findingCount,
      mendedCount: this.mendedCount,
      findings: this.findings,
    }
  }

  /** Begins from the start. Throws FsError EBUSY while one is running. */
  start(rateBytes = SCRUB_RATE_DEFAULT): void {
    if (this.turns !== undefined) throw new FsError('EBUSY', 'A scrub of this volume is running')
    const { engine } = this.parts
    this.state = 'running'
    this.rate = Math.max(SCRUB_RATE_MIN, rateBytes)
    this.done = 0
    this.total = engine.store.allocator.mappedCount * BLOCK_SIZE
    this.findingCount = 0
    this.mendedCount = 0
    this.findings = []
    this.turns = this.all()
    this.onStart()
  }

  /** Ends one that is running; what it has found stays. */
  stop(): void {
    if (this.state === 'running') this.state = 'stopped'
  }

  /** Reads a piece, of 256 KiB or one small file; resolves with whether more is left. */
  async step(): Promise<boolean> {
    const { turns } = this
    if (turns === undefined) return false
    if (this.state !== 'running') {
      this.turns = undefined
      await turns.return()
      await this.findPaths()
      return false
    }
    try {
      const turn = await turns.next()
      if (turn.done !== true) {
        this.done += turn.value
        return true
      }
      await this.findPaths()
      this.state = 'finished'
    } catch (error) {
      this.state = 'failed'
      throw error
    } finally {
      if (this.state !== 'running') this.turns = undefined
    }
    return false
  }

  private async *all(): Turns {
    yield* scrubSuperblocks(this.parts)
    yield* scrubRing(this.parts)
    yield* scrubIndex(this.parts)
    yield* scrubFiles(this.parts)
  }

  private note(finding: ScrubFinding): void {
    this.findingCount++
    if (finding.mended) this.mendedCount++
    if (this.findings.length < FINDINGS_KEPT_MAX) this.findings.push(finding)
    this.onFinding(finding)
  }

  private async findPaths(): Promise<void> {
    const inos = new Set<Ino>(this.findings.flatMap(({ ino }) => (ino === undefined ? [] : [ino])))
    if (inos.size === 0) return
    const paths = await findPaths(this.parts.engine, inos)
    this.findings = this.findings.map((finding) => {
      const path = finding.ino === undefined ? undefined : paths.get(finding.ino)
      return path === undefined ? finding : { ...finding, path }
    })
  }
}
