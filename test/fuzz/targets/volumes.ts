/**
 * Whole volumes with resealed nonsense in them: in the index, in the ring, or anywhere. Checking,
 * dumping and opening end in findings or an FsError; what opens can be used, its errors are
 * FsErrors, and no block of a file that was not touched is written.
 */
import assert from 'node:assert/strict'
import { checkVolume } from '../../../src/check/check-volume.ts'
import { BLOCK_SIZE } from '../../../src/device/device.ts'
import { type DeviceImage, MemoryDevice } from '../../../src/device/memory-device.ts'
import { dumpVolume } from '../../../src/dump/dump-volume.ts'
import type { Filesystem } from '../../../src/fs/filesystem.ts'
import { decodeRecord, encodeRecord, measureRecord } from '../../../src/journal/record.ts'
import type { Op } from '../../../src/store/ops.ts'
import { structureFaults } from '../../crash/structure.ts'
import type { Random } from '../../support/random.ts'
import { openTestFilesystem } from '../../support/volume.ts'
import { fieldValue, mutate } from '../kit/mutate.ts'
import { inTurns } from '../kit/settle.ts'
import { type Input, type Target, refusableLater } from '../kit/target.ts'
import { type BaseVolume, baseVolume } from './base-volume.ts'
import * as edits from './image-edits.ts'
import { GuardedDevice, ownersOf } from './guarded-device.ts'
import { changeSome, readAll } from './volume-walk.ts'

const GROW_BLOCKS_MAX = 1000

const base: BaseVolume = await baseVolume()

/** Overwrites fields of four and eight bytes where records have theirs. */
function changeFields(random: Random, body: Uint8Array): Uint8Array {
  if (random.oneIn(4)) return mutate(random, [body], [body])[0] ?? body
  const changed = Buffer.from(body)
  for (let i = random.int(3); i >= 0; i--) {
    const size = Math.min(random.pick([1, 2, 4, 8, 8]), changed.length)
    const at = Math.floor(random.int(Math.max(1, changed.length - size + 1)) / 2) * 2
    const value = Buffer.alloc(8)
    value.writeBigUInt64LE(fieldValue(random))
    changed.set(value.subarray(0, Math.min(size, changed.length - at)), at)
  }
  return changed
}

function indexEdit(random: Random, image: DeviceImage): Uint8Array {
  const keys = [...image.index.keys()]
  const key = random.pick(keys)
  const value = image.index.get(random.oneIn(12) ? random.pick(keys) : key) ?? new Uint8Array(5)
  const body = openValueOf(value)
  switch (random.int(12)) {
    case 0:
      return edits.deleteEdit(key)
    case 1:
      return edits.valueEdit('W', key, changeFields(random, value))
    case 2:
      return edits.valueEdit('V', changeKey(random, key), body)
    case 3:
      return edits.valueEdit(
        'V',
        random.pick(['O', 'P', 'G']) + changeKey(random, key).slice(1),
        body,
      )
    default:
      return edits.valueEdit('V', key, changeFields(random, body))
  }
}

const openValueOf = (value: Uint8Array): Uint8Array => value.subarray(5)

function changeKey(random: Random, key: string): string {
  const bytes = changeFields(random, Buffer.from(key.slice(1), 'latin1'))
  return key.slice(0, 1) + Buffer.from(bytes.subarray(0, 250)).toString('latin1')
}

interface FoundRecord {
  readonly block: number
  readonly bytes: Buffer
}

/** The records of the killed volume, by where they begin. */
const records: readonly FoundRecord[] = findRecords(base.killed)

function findRecords(image: DeviceImage): FoundRecord[] {
  const device = new MemoryDevice(image)
  return [...image.ring.keys()].flatMap((block) => {
    const bytes = Buffer.alloc(Math.min(64, image.ringBlockCount - block) * BLOCK_SIZE)
    device.ring.read(block, bytes)
    const record = decodeRecord(bytes)
    return record === 'invalid' ? [] : [{ block, bytes }]
  })
}

function changeOp(random: Random, op: Op): Op {
  const field = random.pick(Object.keys(op).filter((name) => name !== 'type'))
  const value = Number(fieldValue(random) & 0xffff_ffffn)
  if (field === 'key' && 'key' in op) return { ...op, key: changeKey(random, op.key) }
  if (field === 'body' && 'body' in op) return { ...op, body: changeFields(random, op.body) }
  if (field === 'checksums' && op.type === 'remap') {
    return { ...op, checksums: new Uint32Array(value % 50) }
  }
  return ['data', 'key', 'body', 'checksums'].includes(field) ? op : { ...op, [field]: value }
}

/** A record with other operations, or another header. */
function ringEdit(random: Random): Uint8Array {
  const { block, bytes } = random.pick(records)
  const record = decodeRecord(bytes)
  assert.ok(record !== 'invalid')
  const { header } = record
  let ops = [...record.ops]
  const at = random.int(ops.length)
  const op = ops[at]
  assert.ok(op !== undefined)
  const kind = random.int(10)
  if (kind < 5) ops = ops.with(at, changeOp(random, op))
  else if (kind === 5) ops = ops.toSpliced(at, 1)
  else if (kind === 6) ops = [...ops, op]
  else if (kind === 7) ops = ops.with(at, changeOp(random, otherKind(random, op)))
  const { headerBlocks, blockCount } = measureRecord(ops)
  const encoded = Buffer.alloc(blockCount * BLOCK_SIZE)
  encodeRecord(header, ops, encoded)
  const head = encoded.subarray(0, headerBlocks * BLOCK_SIZE)
  if (kind < 8) return edits.recordEdit(block, head)
  head.set(changeFields(random, head.subarray(8, 80)).subarray(0, 72), 8)
  return edits.recordEdit(kind === 9 ? random.int(256) : block, head)
}

/** The same place under another operation. */
function otherKind(random: Random, op: Op): Op {
  if (!('ino' in op)) return { type: 'del', key: op.key }
  const { ino, generation, fileBlock } = op
  const place = { ino, generation, fileBlock }
  const blocks = { block: random.int(130), checksums: new Uint32Array(random.int(9)) }
  const type = random.pick(['remap', 'share', 'move', 'unmap', 'vacate', 'drop'] as const)
  if (type === 'drop') return { type, ...place }
  return type === 'unmap' || type === 'vacate'
    ? { type, ...place, count: random.int(9) }
    : { type, ...place, ...blocks }
}

function anyEdit(random: Random): Uint8Array {
  const { superblocks } = base.killed
  switch (random.int(6)) {
    case 0:
      return edits.superblockEdit(changeFields(random, superblocks[0].subarray(0, 80)))
    case 1:
      return edits.flipEdit('P', random.pick([...base.killed.ring.keys()]), random.int(4096))
    case 2:
      return edits.flipEdit('B', random.pick([...base.killed.blocks.keys()]), random.int(4096))
    case 3:
      return ringEdit(random)
    default:
      return indexEdit(random, base.killed)
  }
}

async function run(image: DeviceImage): Promise<void> {
  const blockCountMax = image.blockCount + GROW_BLOCKS_MAX
  const reader = new MemoryDevice(image, { blockCountMax })
  const report = await inTurns(
    'check',
    refusableLater(() => checkVolume(reader, 'test', { data: true })),
  )
  await inTurns(
    'dump',
    refusableLater(async () => {
      for await (const line of dumpVolume(reader, 'test')) assert.equal(typeof line, 'string')
    }),
  )
  const device = new GuardedDevice(image, blockCountMax)
  const opened = await inTurns(
    'open',
    refusableLater(() => openTestFilesystem(device)),
  )
  const before = ownersOf(image)
  // Recovery trusts the bitmap: of a block that a map of the index has against it, only check knows.
  const fresh = [...ownersOf(device.memory.image()).doubles].filter(
    (block) => !before.doubles.has(block) && !before.strays.has(block),
  )
  assert.deepEqual(fresh, [], 'recovery gives no block to two files')
  const isClosed = opened !== undefined && (await useAndClose(opened.fs, device))
  assert.deepEqual(device.faults, [])
  if (report?.isClean !== true) return
  assert.ok(opened !== undefined, 'what is clean can be opened')
  // As for a feature that is known to later programs only.
  if (opened.volume.engine.health.readOnly) return
  // What could not be stored in the end, as a map that contradicts the bitmap, leaves it unclean.
  if (!isClosed) return
  assert.deepEqual(structureFaults(device.memory.image()), [])
}

/** Changes every second file. Resolves with whether all of it could be stored. */
async function useAndClose(fs: Filesystem, device: GuardedDevice): Promise<boolean> {
  const seen = (await readAll(fs)).filter(({ name }) => name !== '.' && name !== '..')
  const touched = new Set(seen.filter((_, i) => i % 2 === 0).map(({ ino }) => ino))
  device.protect(new Set(seen.map(({ ino }) => ino).filter((ino) => !touched.has(ino))))
  await changeSome(
    fs,
    seen.filter(({ ino }) => touched.has(ino)),
  )
  const finished = async (): Promise<boolean> => {
    await fs.finish()
    return true
  }
  return (await inTurns('finish', refusableLater(finished))) ?? false
}

function target(name: string, image: DeviceImage, edit: (random: Random) => Uint8Array): Target {
  return {
    name,
    weight: 12,
    generate: (random) => Array.from({ length: 1 + random.int(3) }, () => edit(random)),
    run: (input: Input) => run(edits.applyEdits(image, input)),
  }
}

export const volumes: readonly Target[] = [
  target('index', base.closed, (random) => indexEdit(random, base.closed)),
  target('ring', base.killed, ringEdit),
  target('volume', base.killed, anyEdit),
]
