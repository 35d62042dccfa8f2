/**
 * Space for metadata. The index lives on the host's disk and holds some of it in reserve; when it had
 * to give that up, nothing may be added to the volume's names and attributes. Removing always works:
 * it is what makes space again.
 */
import type { Index } from '../device/device.ts'
import { FsError } from '../errors.ts'

/** Throws FsError ENOSPC. */
export function assertSpaceForMetadata(index: Index): void {
  if (index.hasSpace) return
  throw new FsError('ENOSPC', 'No space left on the disk below the volume')
}
