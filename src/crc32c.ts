/**
 * CRC-32C (Castagnoli), as iSCSI, ext4 and btrfs use it. The native package does 8 GB/s; where it
 * cannot be loaded, slicing by eight in plain TypeScript does 1.7.
 */
import { createRequire } from 'node:module'

type Crc = (bytes: Uint8Array, seed?: number) => number

const POLYNOMIAL = 0x82f63b78

/** Table `n` advances a byte's remainder over `n` further zero bytes. */
function makeTables(): readonly Uint32Array[] {
  const first = new Uint32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? POLYNOMIAL : 0)
    first[byte] = crc
  }
  const tables = [first]
  for (let n = 1; n < 8; n++) {
    const previous = tables[n - 1] ?? first
    tables.push(previous.map((crc) => (crc >>> 8) ^ (first[crc & 0xff] ?? 0)))
  }
  return tables
}

const at = (table: Uint32Array | undefined, index: number): number => table?.[index] ?? 0

/** The portable implementation; exported so that tests compare it with the native one. */
export function portableCrc32c(): Crc {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = makeTables()
  return (bytes, seed = 0) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const end = bytes.length
    let crc = ~seed
    let i = 0
    for (; i + 8 <= end; i += 8) {
      const low = view.getUint32(i, true) ^ crc
      const high = view.getUint32(i + 4, true)
      crc =
        at(t7, low & 0xff) ^
        at(t6, (low >>> 8) & 0xff) ^
        at(t5, (low >>> 16) & 0xff) ^
        at(t4, low >>> 24) ^
        at(t3, high & 0xff) ^
        at(t2, (high >>> 8) & 0xff) ^
        at(t1, (high >>> 16) & 0xff) ^
        at(t0, high >>> 24)
    }
    for (; i < end; i++) crc = at(t0, (crc ^ view.getUint8(i)) & 0xff) ^ (crc >>> 8)
    return ~crc >>> 0
  }
}

function nativeCrc32c(): Crc | undefined {
  try {
    const native: unknown = createRequire(import.meta.url)('@node-rs/crc32')
    return hasCrc32c(native) ? native.crc32c : undefined
  } catch {
    return undefined
  }
}

function hasCrc32c(value: unknown): value is { crc32c: Crc } {
  return value instanceof Object && 'crc32c' in value && typeof value.crc32c === 'function'
}

/** CRC-32C of bytes, continued from the checksum `seed` of what precedes them. */
export const crc32c: Crc = nativeCrc32c() ?? portableCrc32c()

const BYTE_TABLE = makeTables()[0]

/** The same of a byte string's characters: keys are short, and bytes of them would have to be made. */
export function crc32cOfText(text: string): number {
  let crc = -1
  for (let i = 0; i < text.length; i++) {
    crc = at(BYTE_TABLE, (crc ^ text.charCodeAt(i)) & 0xff) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}
