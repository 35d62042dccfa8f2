/**
 * Verifies every invariant of a volume. Reads only, never throws for damage, and remembers no more
 * than some numbers of each inode, a bit of each block, and the ring's records.
 */
import type { Device } from '../device/device.ts'
import type { Ino } from '../store/inode.ts'
import { COLUMN, InodeTable } from './inode-table.ts'
import { checkIdentity, checkSuperblocks } from './check-identity.ts'
import { DataCheck } from './check-data.ts'
import { checkInodes } from './check-inodes.ts'
import {
  checkHidden,
  checkKeys,
  checkOrphans,
  checkPendingMaps,
  checkXattrs,
} from './check-keys.ts'
import { checkLinks } from './check-links.ts'
import { MapCheck, leavesOf } from './check-maps.ts'
import { checkNames } from './check-names.ts'
import { checkRing } from './check-ring.ts'
import { checkSpace } from './check-space.ts'
import { type Finding, Findings, type RawFinding } from './findings.ts'
import { findPaths } from './paths.ts'
import { VolumeView } from './volume-view.ts'

export interface CheckProgress {
  readonly step: 'names' | 'blocks'
  readonly doneCount: number
  readonly totalCount: number
}

export interface CheckOptions {
  /** Whether the content of all files is read and compared with its checksums. */
  readonly data: boolean
  readonly onProgress?: (progress: CheckProgress) => void
  /** What was found before the volume was opened. */
  readonly before?: readonly Finding[]
}

export interface CheckReport {
  readonly findings: readonly Finding[]
  /** All of them; of very many of one kind only the first are kept. */
  readonly findingCount: number
  readonly isClean: boolean
  /** False when superblock or index are lost, so that nothing else could be looked at. */
  readonly isComplete: boolean
  readonly inodeCount: number
  readonly mappedCount: number
  /** Blocks whose content was compared with its checksum, once for each place that has them. */
  readonly verifiedCount: number
  /** Records of the ring that the next mount will replay. */
  readonly recordCount: number
  readonly timeMs: number
}

/** Leaves between two reports of progress. */
const PROGRESS_LEAVES = 256

/**
 * Checks a volume as the next mount would see it. `name` is for messages. Throws FsError EINVAL for
 * what is not a volume of a format that this program reads.
 */
export async function checkVolume(
  device: Device,
  name: string,
  options: CheckOptions,
): Promise<CheckReport> {
  const started = performance.now()
  const findings = new Findings()
  const table = new InodeTable()
  const isLost = checkSuperblocks(device, findings.add) === 'lost'
  const view = isLost ? undefined : await VolumeView.open(device, name, findings.add)
  const counts = { mappedCount: 0, verifiedCount: 0, recordCount: 0 }
  if (view !== undefined) Object.assign(counts, await checkView(view, table, options))
  const { before = [] } = options
  return {
    ...counts,
    findings: [...before, ...(await finishFindings(view, table, findings.kept))],
    findingCount: before.length + findings.totalCount,
    isClean: before.length === 0 && findings.isEmpty,
    isComplete: view !== undefined,
    inodeCount: table.rowCount,
    timeMs: performance.now() - started,
  }
}

/** The report on a volume whose index cannot be opened. */
export function unopenable(findings: readonly Finding[]): CheckReport {
  return {
    findings,
    findingCount: findings.length,
    isClean: false,
    isComplete: false,
    inodeCount: 0,
    mappedCount: 0,
    verifiedCount: 0,
    recordCount: 0,
    timeMs: 0,
  }
}

type Counts = Pick<CheckReport, 'mappedCount' | 'verifiedCount' | 'recordCount'>

async function checkView(
  view: VolumeView,
  table: InodeTable,
  options: CheckOptions,
): Promise<Counts> {
  checkIdentity(view)
  checkRing(view)
  await checkKeys(view)
  await checkInodes(view, table)
  options.onProgress?.({ step: 'names', doneCount: 0, totalCount: table.rowCount })
  await checkNames(view, table)
  checkLinks(view.sink, table, await checkHidden(view, table))
  await checkOrphans(view, table)
  await checkXattrs(view, table)
  options.onProgress?.({ step: 'names', doneCount: table.rowCount, totalCount: table.rowCount })
  const { mappedCount, verifiedCount } = await checkBlocks(view, table, options)
  return { mappedCount, verifiedCount, recordCount: view.replayed?.recordCount ?? 0 }
}

async function checkBlocks(
  view: VolumeView,
  table: InodeTable,
  { data, onProgress }: CheckOptions,
): Promise<{ mappedCount: number; verifiedCount: number }> {
  const maps = new MapCheck(view, table, await checkPendingMaps(view, table))
  const dataCheck = new DataCheck(view)
  const totalCount = view.bitmap.setCount
  let leafCount = 0
  for await (const placed of leavesOf(view, table)) {
    maps.add(placed)
    const { row } = placed
    // Nobody reads an orphan or a pending generation after a mount.
    if (data && row !== undefined && table.get(row, COLUMN.nlink) > 0 && maps.isOwn(placed)) {
      await dataCheck.checkLeaf({ ...placed, size: table.get(row, COLUMN.size) })
    }
    leafCount++
    if (leafCount % PROGRESS_LEAVES === 0) {
      onProgress?.({ step: 'blocks', doneCount: maps.mapped.setCount, totalCount })
    }
  }
  await maps.finish()
  checkSpace(view, maps.mapped)
  onProgress?.({ step: 'blocks', doneCount: maps.mapped.setCount, totalCount })
  return { mappedCount: maps.mapped.setCount, verifiedCount: dataCheck.blockCount }
}

/** Puts the inode and its path before the text. */
async function finishFindings(
  view: VolumeView | undefined,
  table: InodeTable,
  raw: readonly RawFinding[],
): Promise<Finding[]> {
  const inos = new Set(raw.flatMap(({ ino }) => (ino === undefined ? [] : [ino])))
  const paths = view === undefined ? new Map<Ino, string>() : await findPaths(view, table, inos)
  return raw.map(({ invariant, severity, text, ino }) => {
    if (ino === undefined) return { invariant, severity, message: text }
    const path = paths.get(ino)
    const subject = path !== undefined ? `inode ${ino} (${path})` : `inode ${ino}`
    return { invariant, severity, message: `${subject}: ${text}` }
  })
}
