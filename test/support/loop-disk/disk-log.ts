/**
 * What a disk was asked to change, in the order in which it was answered, in a file: one record for
 * each event, `type u8, offset u64, length u32`, then so many bytes.
 *
 * The disk answers one request after the other, so a flush covers exactly the writes before it.
 */
import { openSync, readFileSync, writeSync } from 'node:fs'

export type DiskEvent =
  | { readonly type: 'write'; readonly offset: number; readonly data: Buffer }
  | { readonly type: 'flush' }
  | { readonly type: 'mark'; readonly label: string }

const HEADER_SIZE = 13
const TYPES = ['write', 'flush', 'mark'] as const

export class DiskLogWriter {
  readonly #fd: number

  constructor(path: string) {
    this.#fd = openSync(path, 'w')
  }

  write(offset: number, data: Uint8Array): void {
    this.#append('write', offset, data)
  }

  flush(): void {
    this.#append('flush', 0, new Uint8Array(0))
  }

  mark(label: string): void {
    this.#append('mark', 0, Buffer.from(label))
  }

  #append(type: (typeof TYPES)[number], offset: number, data: Uint8Array): void {
    const header = Buffer.alloc(HEADER_SIZE)
    header.writeUInt8(TYPES.indexOf(type), 0)
    header.writeBigUInt64LE(BigInt(offset), 1)
    header.writeUInt32LE(data.length, 9)
    writeAll(this.#fd, Buffer.concat([header, data]))
  }
}

/** Reads a log. Requires: its writer is between two events. */
export function readDiskLog(path: string): DiskEvent[] {
  const bytes = readFileSync(path)
  const events: DiskEvent[] = []
  for (let at = 0; at < bytes.length;) {
    const type = TYPES[bytes.readUInt8(at)]
    const offset = Number(bytes.readBigUInt64LE(at + 1))
    const end = at + HEADER_SIZE + bytes.readUInt32LE(at + 9)
    const data = bytes.subarray(at + HEADER_SIZE, end)
    if (type === 'write') events.push({ type, offset, data })
    else if (type === 'flush') events.push({ type })
    else events.push({ type: 'mark', label: data.toString() })
    at = end
  }
  return events
}

function writeAll(fd: number, data: Uint8Array): void {
  for (let at = 0; at < data.length;) at += writeSync(fd, data, at)
}
