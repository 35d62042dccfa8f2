/**
 * A process that opens volumes as the daemon does, reads everything and closes them, one after the
 * other. LevelDB may end it, and a disk may hang it; then there is another.
 */
import process from 'node:process'
import { pino } from 'pino'
import { checkUnprobed } from '../../src/check/check-path.ts'
import { Filesystem } from '../../src/fs/filesystem.ts'
import { makeVolumeAt, openVolumeAt } from '../../src/volume/path.ts'
import type { State } from '../crash/model.ts'
import { observe } from '../crash/observe.ts'
import { FakeProcesses, NO_KERNEL } from '../support/volume.ts'

const RING_BLOCKS = 256
const BALLAST_BYTES = 1024 * 1024

export interface RecoverRequest {
  readonly number: number
  readonly verb: 'recover' | 'make'
  readonly volume: string
}

export interface Recovered {
  readonly state: State
  readonly recordCount: number
  /** What recovery found damaged, if anything. */
  readonly damage: string | undefined
  /** What the check says afterwards. */
  readonly findings: readonly string[]
}

export interface RecoverAnswer {
  readonly number: number
  readonly recovered?: Recovered
  readonly error?: string
}

async function recover(volume: string): Promise<Recovered> {
  const opened = await openVolumeAt(volume, false)
  const { damage, recordCount } = opened.report
  let state: State
  try {
    const fs = new Filesystem({
      engine: opened.engine,
      orphans: opened.orphans,
      hidden: opened.hidden,
      kernel: NO_KERNEL,
      processes: new FakeProcesses(),
      options: { newFiles: 'ordinary', noAccessTimes: true },
      log: pino({ enabled: false }),
    })
    state = await observe(fs)
    await fs.finish()
  } finally {
    await opened.device.close()
  }
  const { findings } = await checkUnprobed(volume, { data: true })
  return { state, recordCount, damage, findings: findings.map((each) => JSON.stringify(each)) }
}

async function execute({ verb, volume }: RecoverRequest): Promise<Recovered | undefined> {
  if (verb === 'recover') return recover(volume)
  await makeVolumeAt(volume, { ringBlocks: RING_BLOCKS, ballastBytes: BALLAST_BYTES })
  return undefined
}

const tell = (answer: RecoverAnswer): void => {
  process.send?.(answer)
}

process.on('disconnect', () => process.exit(1))
process.on('message', (request: RecoverRequest) => {
  const { number } = request
  execute(request).then(
    (recovered) => {
      tell({ number, ...(recovered !== undefined && { recovered }) })
    },
    (error: unknown) => {
      tell({ number, error: describe(error) })
    },
  )
})

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : ` (${describe(error.cause)})`
  return `${error.name}: ${error.message}${cause}`
}
