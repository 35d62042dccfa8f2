/**
 * Pages that say which they are: their number and version stand at both ends, so that a page that
 * is lost, misplaced, torn or of an older commit shows when it is read back.
 */
export const PAGE_SIZE = 4096
export const CALL_BYTES = 1024 * 1024

const LAST_NUMBER = PAGE_SIZE - 8
const LAST_VERSION = PAGE_SIZE - 4

/** A file does not hold what was written to it and synced. */
export class LostUpdateError extends Error {
  override readonly name = 'LostUpdateError'
}

/** Memory for pages, filled with what no filesystem can compress. */
export function pageBuffer(sizeBytes: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(sizeBytes)
  for (let at = 0; at < sizeBytes; at += 4) {
    buffer.writeUInt32LE(Math.floor(Math.random() * 2 ** 32), at)
  }
  return buffer
}

export function stampPage(buffer: Buffer, at: number, page: number, version: number): void {
  buffer.writeUInt32LE(page, at)
  buffer.writeUInt32LE(version, at + 4)
  buffer.writeUInt32LE(page, at + LAST_NUMBER)
  buffer.writeUInt32LE(version, at + LAST_VERSION)
}

/** Throws LostUpdateError. */
export function checkPage(
  path: string,
  buffer: Buffer,
  at: number,
  page: number,
  version: number,
): void {
  const found = [0, 4, LAST_NUMBER, LAST_VERSION].map((offset) => buffer.readUInt32LE(at + offset))
  if (found[0] === page && found[1] === version && found[2] === page && found[3] === version) return
  throw new LostUpdateError(
    `"${path}" has lost an update: page ${page} should have version ${version} and starts with ` +
      `page ${found[0]}, version ${found[1]}, and ends with page ${found[2]}, version ${found[3]}`,
  )
}
