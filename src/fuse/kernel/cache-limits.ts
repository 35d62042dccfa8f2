/**
 * What the kernel may cache of a mount. FUSE starts with limits for servers that nobody trusts; the mount's
 * own files in sysfs take more, from root.
 *
 * - It reads ahead 128 KiB, and INIT can only make that less. Larger requests read a file that is not cached
 *   three times as fast, and with several of them on their way the disk does not wait.
 * - It holds up writers when 1 % of what the machine may have dirty is this mount's, which leaves a core idle
 *   for half of a large sequential write. With a few times as much there is always something to send; with
 *   all of it nothing would be sent before the end.
 */
import { stat, writeFile } from 'node:fs/promises'

const READ_AHEAD_KIB = 4096
const DIRTY_PERCENT = 6

/** Best effort: without the right to, the mount works as it is. */
export async function raiseCacheLimits(mountpoint: string): Promise<void> {
  try {
    const { dev } = await stat(mountpoint)
    const folder = `/sys/class/bdi/${deviceName(dev)}`
    await writeFile(`${folder}/read_ahead_kb`, String(READ_AHEAD_KIB))
    await writeFile(`${folder}/max_ratio`, String(DIRTY_PERCENT))
  } catch {
    // Not root, or no sysfs here.
  }
}

/** `major:minor`, as Linux packs them into a device number. */
export function deviceName(dev: number): string {
  const major = (dev >>> 8) & 0xfff
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00)
  return `${String(major)}:${String(minor)}`
}
