/** Shows what is in a volume, as the next mount would see it. Reads only. */
import { Findings } from '../check/findings.ts'
import { VolumeView } from '../check/volume-view.ts'
import { BLOCK_SIZE, type Device } from '../device/device.ts'
import type { Ino } from '../store/inode.ts'
import { findPath, inodeItems } from './inode-items.ts'
import type { DumpItem } from './items.ts'
import { jsonLine } from './json.ts'
import { waitingRecords } from './ring-items.ts'
import { textLines } from './text.ts'

export interface DumpOptions {
  /** One JSON object for each line instead of text. */
  readonly json?: boolean
  /** Shows this inode alone. */
  readonly ino?: Ino
  /** Shows the inode at this path alone. */
  readonly path?: string
}

/**
 * The lines of a dump, without line ends. What is damaged is told in lines of its own. Throws
 * FsError EINVAL for no volume of a format that is known, ENOENT for an inode that does not exist.
 */
export async function* dumpVolume(
  device: Device,
  name: string,
  options: DumpOptions = {},
): AsyncGenerator<string, void> {
  for await (const item of dumpItems(device, name, options)) {
    if (options.json === true) yield jsonLine(item)
    else yield* textLines(item)
  }
}

async function* dumpItems(
  device: Device,
  name: string,
  { ino, path }: DumpOptions,
): AsyncGenerator<DumpItem, void> {
  const findings = new Findings()
  const view = await VolumeView.open(device, name, findings.add)
  const only = path === undefined ? ino : findPath(view, path)
  if (only === undefined) yield* volumeItems(view)
  yield* inodeItems(view, only)
  for (const { invariant, text, ino: where } of findings.kept) {
    const message = where === undefined ? text : `inode ${where}: ${text}`
    yield { kind: 'damage', invariant, message }
  }
}

function* volumeItems(view: VolumeView): Generator<DumpItem, void> {
  const { superblock, marker, device, bitmap, replayed } = view
  yield { kind: 'superblock', superblock }
  if (marker !== undefined) yield { kind: 'marker', marker }
  yield {
    kind: 'space',
    blockCount: device.blocks.blockCount,
    usedCount: bitmap.setCount,
    ringBlockCount: device.ring.blockCount,
    waitingBlockCount: (replayed?.byteCount ?? 0) / BLOCK_SIZE,
  }
  yield* waitingRecords(view)
}
