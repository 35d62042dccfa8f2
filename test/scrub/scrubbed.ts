/** A scrub of a volume on any device, without files behind it. */
import { BLOCK_SIZE, type Device } from '../../src/device/device.ts'
import { FsError } from '../../src/errors.ts'
import { Scrubber } from '../../src/scrub/scrubber.ts'
import type { OpenedVolume } from '../../src/volume/open.ts'

export function scrubberOf(device: Device, { engine, superblock }: OpenedVolume): Scrubber {
  const { ringStart, dataStart } = superblock
  const readOne = (fileBlock: number, target: Uint8Array): void => {
    if (fileBlock === 0 || fileBlock === 1) target.set(device.readSuperblock(fileBlock))
    else if (fileBlock < ringStart) target.fill(0)
    else if (fileBlock < dataStart) device.ring.read(fileBlock - ringStart, target)
    else device.blocks.read(fileBlock - dataStart, target)
  }
  const readBlocks = async (first: number, target: Uint8Array): Promise<void> => {
    for (let at = 0; at < target.length; at += BLOCK_SIZE) {
      readOne(first + at / BLOCK_SIZE, target.subarray(at, at + BLOCK_SIZE))
    }
    // As on a disk, much happens before the caller learns of it.
    for (let i = 0; i < 3; i++) await new Promise(setImmediate)
  }
  return new Scrubber({ engine, superblock, raw: { readBlocks } })
}

/** All of it, from the start. */
export async function scrubAll(scrubber: Scrubber): Promise<Scrubber['status']> {
  scrubber.start()
  while (await scrubber.step());
  if (scrubber.status.state !== 'finished') throw new FsError('EIO', 'The scrub did not finish')
  return scrubber.status
}
