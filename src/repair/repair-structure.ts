/**
 * Makes every invariant of the format hold, of an index that can be opened.
 *
 * Order, and what a crash after each step leaves:
 *
 *   1. all that is wrong is found out, and what will be instead. Nothing is written.
 *   2. pages that wait in the ring go to their homes, as recovery would write them, and new blocks to
 *      places that nothing has used. The old index still refers to nothing that has changed but these
 *      pages, whose records are in the ring still.
 *   3. the block file is durable.
 *   4. one batch of the index, synced: what the records say, everything that is mended, and a marker
 *      behind the records, under an epoch above all that the ring has. Before it the volume is as it
 *      was, and the repair can be run again; after it, it is repaired.
 */
import type { Device } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { VolumeView } from '../check/volume-view.ts'
import { nameInodes } from './name-inodes.ts'
import { RepairPlan } from './plan.ts'
import { repairCounts } from './repair-counts.ts'
import { repairInodes } from './repair-inodes.ts'
import { repairKeys } from './repair-keys.ts'
import { repairMaps } from './repair-maps.ts'
import { repairNames } from './repair-names.ts'
import { repairSpace } from './repair-space.ts'
import type { RepairReport } from './report.ts'
import { type SalvagedRing, salvageRing } from './salvage-ring.ts'

/** Throws FsError EIO when the index belongs to another volume: there is no right answer then. */
export async function repairStructure(
  device: Device,
  name: string,
  report: RepairReport,
  { dryRun }: { readonly dryRun: boolean },
): Promise<void> {
  const { plan, ring } = await planRepair(device, name, report) // 1.
  if (!dryRun) device.blocks.grow(plan.blockCount)
  await repairSpace(plan, ring)
  nameInodes(plan)
  if (dryRun) return
  for (const [block, page] of plan.view.pages) device.blocks.write(block, page) // 2.
  for (const [block, content] of plan.newBlocks) device.blocks.write(block, content)
  await device.blocks.flush() // 3.
  await device.index.batch(plan.operations()) // 4.
}

/** What is found is looked for again, to be mended. */
const ignore = (): void => undefined

async function planRepair(
  device: Device,
  name: string,
  report: RepairReport,
): Promise<{ plan: RepairPlan; ring: SalvagedRing }> {
  let ring: SalvagedRing | undefined
  const view = await VolumeView.open(device, name, ignore, (...parameters) => {
    ring = salvageRing(...parameters)
    return ring
  })
  if (ring === undefined)
    throw new FsError('EIO', `Cannot repair "${name}": its ring is unreadable`)
  checkIdentity(view, name)
  if (ring.damage !== undefined) report.giveUp(`the ring: ${ring.damage}`)
  const plan = new RepairPlan(view, report)
  await repairInodes(plan)
  await repairNames(plan)
  repairCounts(plan)
  await repairKeys(plan)
  await repairMaps(plan)
  return { plan, ring }
}

function checkIdentity(view: VolumeView, name: string): void {
  const identity = view.identity()
  if (identity === undefined || Buffer.compare(identity, view.superblock.uuid) === 0) return
  throw new FsError('EIO', `Cannot repair "${name}": its index belongs to another volume`)
}
