/** F4: whether the ring contradicts what was replayed of it. */
import type { VolumeView } from './volume-view.ts'

export function checkRing({ replayed, sink }: VolumeView): void {
  if (replayed?.damage !== undefined) sink('F4', 'error', replayed.damage)
}
