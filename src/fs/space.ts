/**
 * Space for metadata. The index lives on the host's disk; when that has none left, nothing may be
 * added to the volume's names and attributes. Removing always works: it is what makes space again.
 */
import type { Device } from '../device/device.ts'
import { FsError } from '../errors.ts'

/** Asking the host costs some microseconds, so not every time. */
const CHECKS_PER_LOOK = 64

export class MetadataSpace {
  private readonly device: Device
  private checksLeft = 0
  private isFull = false

  constructor(device: Device) {
    this.device = device
  }

  /** Throws FsError ENOSPC when the host's disk is full. */
  assertAvailable(): void {
    if (this.checksLeft === 0 || this.isFull) {
      this.isFull = this.device.blocks.hostFreeBytes() === 0
      this.checksLeft = CHECKS_PER_LOOK
    }
    this.checksLeft--
    if (this.isFull) throw new FsError('ENOSPC', 'No space left on the disk below the volume')
  }
}
