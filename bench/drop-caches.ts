/** Makes Linux forget what it has cached of all filesystems, so that the next read is one of the disk. */
import { accessSync, constants, writeFileSync } from 'node:fs'

const SWITCH = '/proc/sys/vm/drop_caches'

/** Only root may. */
export function canDropCaches(): boolean {
  try {
    accessSync(SWITCH, constants.W_OK)
    return process.geteuid?.() === 0
  } catch {
    return false
  }
}

/** Requires: what is to be forgotten is not dirty. */
export function dropCaches(): void {
  writeFileSync(SWITCH, '3')
}
