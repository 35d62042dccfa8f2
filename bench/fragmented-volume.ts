/** Makes and opens a volume with a file in very many extents, without a mount. */
import { CALLER, O_RDWR, ROOT, onNewVolume, onVolume, writeOf } from './in-process.ts'
import { PAGE_SIZE, pageBuffer, stampPage } from './pages.ts'

export const FRAGMENTED_NAME = 'fragmented'

/** As many as one commit carries in its own record. */
const PAGES_PER_COMMIT = 64

/** Makes a file whose every second block is a hole, with this many extents. */
export async function makeFragmentedVolume(path: string, extentCount: number): Promise<void> {
  await onNewVolume(path, async (filesystem) => {
    const { opened } = await filesystem.create(ROOT, FRAGMENTED_NAME, 0o644, O_RDWR, CALLER)
    const page = pageBuffer(PAGE_SIZE)
    for (let extent = 0; extent < extentCount; extent++) {
      stampPage(page, 0, 2 * extent, 1)
      await filesystem.write(opened.fh, writeOf(2 * extent * PAGE_SIZE, page))
      if ((extent + 1) % PAGES_PER_COMMIT === 0) await filesystem.fsync(opened.fh)
    }
    await filesystem.fsync(opened.fh)
    await filesystem.release(opened.fh)
  })
}

/** Opens a volume and closes it in order; returns how long it took to open, in milliseconds. */
export async function timeOpen(path: string): Promise<number> {
  return onVolume(path, (_, openMs) => Promise.resolve(openMs))
}
