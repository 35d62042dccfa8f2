/** A batch as LevelDB's log has it: a sequence number, a count, and that many operations. */
import type { LevelEntry } from './salvage-table.ts'
import { VarintReader } from './varint.ts'

const HEADER_SIZE = 12
const VALUE = 1

export function decodeBatch(record: Buffer): LevelEntry[] {
  if (record.length < HEADER_SIZE) return []
  const first = Number(record.readBigUInt64LE(0))
  const count = record.readUInt32LE(8)
  const input = new VarintReader(record)
  input.position = HEADER_SIZE
  const entries: LevelEntry[] = []
  while (!input.isAtEnd && entries.length < count) {
    const type = input.number()
    const key = input.string().toString('latin1')
    const value = type === VALUE ? input.string() : undefined
    entries.push({ key, sequence: first + entries.length, value })
  }
  return entries
}
