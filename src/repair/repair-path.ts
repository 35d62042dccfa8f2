/**
 * Repairs a volume in a folder of the host: mends what has one right answer, and says what it gives
 * up. In three stages, each of which can be cut off and run again: the copies of the superblock, the
 * files of the index, and then what is in it. Nothing that could be read before cannot be after.
 */
import { type CheckReport } from '../check/check-volume.ts'
import { checkPath } from '../check/check-path.ts'
import { FileDevice } from '../device/file-device.ts'
import { volumePaths } from '../device/layout.ts'
import { volumeHolder } from '../device/volume-lock.ts'
import { FsError } from '../errors.ts'
import { repairIndex } from './repair-index.ts'
import { repairStructure } from './repair-structure.ts'
import { repairSuperblocks } from './repair-superblock.ts'
import { RepairReport } from './report.ts'

export interface RepairResult {
  readonly mended: readonly string[]
  readonly gaveUp: readonly string[]
  /** The check after the repair; of a dry run the one before. None if not even that was possible. */
  readonly check: CheckReport | undefined
}

/**
 * Throws FsError EBUSY when the volume is in use, ENOENT when there is none, EINVAL for a newer
 * format and for one that was never finished, and EIO when there is nothing to start from.
 */
export async function repairPath(
  path: string,
  options: { readonly dryRun: boolean },
): Promise<RepairResult> {
  const { before, why } = await tryCheck(path)
  const report = new RepairReport()
  if (before?.isClean === true) return { mended: [], gaveUp: [], check: before }
  const paths = volumePaths(path)
  if (volumeHolder(paths.folder) !== undefined) {
    throw new FsError('EBUSY', `Cannot repair: volume "${path}" is in use by another process`)
  }
  const superblock = repairSuperblocks(paths.blocks, path, report, options)
  if (superblock === undefined) {
    throw why ?? new FsError('EIO', `Cannot repair "${path}": its superblock is lost`)
  }
  if (options.dryRun && why !== undefined && !report.isEmpty) {
    report.mend('what more there is to do is known only then')
    return { mended: report.mended, gaveUp: report.gaveUp, check: undefined }
  }
  if (await repairIndex(paths, superblock, report, options)) {
    const device = await FileDevice.open(path, () => superblock, { readOnly: options.dryRun })
    try {
      await repairStructure(device, path, report, options)
    } finally {
      await device.close()
    }
  }
  const { mended, gaveUp } = report
  return { mended, gaveUp, check: options.dryRun ? before : await checkPath(path, { data: true }) }
}

/** Damage that keeps even the check from looking is what a repair is for. */
async function tryCheck(
  path: string,
): Promise<{ readonly before?: CheckReport; readonly why?: FsError }> {
  try {
    return { before: await checkPath(path, { data: true }) }
  } catch (error) {
    if (!(error instanceof FsError)) throw error
    if (error.code !== 'EIO' && error.code !== 'EINVAL') throw error
    return { why: error }
  }
}
