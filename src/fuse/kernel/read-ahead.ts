/**
 * How far the kernel reads ahead. FUSE starts with 128 KiB and INIT can only make it less; the
 * mount's own file in sysfs takes more, from root. Larger requests read a file that is not cached
 * three times as fast, and what they leave in the cache is in larger pieces.
 */
import { stat, writeFile } from 'node:fs/promises'

const READ_AHEAD_KIB = 1024

/** Best effort: without the right to, the mount works as it is. */
export async function raiseReadAhead(mountpoint: string): Promise<void> {
  try {
    const { dev } = await stat(mountpoint)
    await writeFile(`/sys/class/bdi/${deviceName(dev)}/read_ahead_kb`, String(READ_AHEAD_KIB))
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
