import { crc32c } from '../../crc32c.ts'

/** LevelDB stores CRC-32Cs turned and moved, so that one over others stays a good one. */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282_ead8) >>> 0
}
