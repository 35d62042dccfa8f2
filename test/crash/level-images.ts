/**
 * What a power cut may leave of LevelDB's files around one batch. LevelDB promises, and the images
 * assume, no more than this:
 *
 *   - a batch is acknowledged when the log is synced up to its end, and so is the name of the log;
 *   - a table is synced before the MANIFEST records it, and the folder before that record is;
 *   - a log or a table is removed only when the record that makes it useless is durable.
 *
 * Everything else may be there, missing, cut or zeros. The thread that writes tables does not wait
 * for the batch, so each state of the log goes with each state of the tables.
 */
import type { Random } from '../support/random.ts'
import { type Capture, isRotation, namesOf, newestLog } from './level-device.ts'
import type { Files } from './level-files.ts'

const SECTOR = 512
const PAGE = 4096

export interface LevelImage {
  readonly name: string
  readonly index: Files
  /** Whether the index must hold the batch. It must be one or the other, never part of it. */
  readonly hasBatch: boolean
}

export function* levelImages(capture: Capture, random: Random): Generator<LevelImage> {
  const { before, acknowledged, settled } = capture
  yield { name: 'before the batch', index: before, hasBatch: false }
  yield { name: 'acknowledged', index: acknowledged, hasBatch: true }
  if (isRotation(capture)) yield* rotationImages(capture, random)
  else yield* tornLogs('same log', settled, before, random)
}

/** The newest log with states that its tail may have while the batch is being written. */
function* tornLogs(
  name: string,
  index: Files,
  before: Files,
  random: Random,
  tearCount = Infinity,
): Generator<LevelImage> {
  const log = newestLog(index)
  const whole = contentOf(index, log)
  const all = [...tears(whole, before.get(log)?.length ?? 0, random)]
  const torn = all.filter(({ data }) => !data.equals(whole))
  for (const { tear, data } of random.shuffle(torn).slice(0, tearCount)) {
    yield { name: `${name}, log ${tear}`, index: withFiles(index, [[log, data]]), hasBatch: false }
  }
}

function* rotationImages(capture: Capture, random: Random): Generator<LevelImage> {
  const { before, settled } = capture
  const log = newestLog(settled)
  const unrecorded = withFiles(before, [[log, contentOf(settled, log)]])
  // Names that were removed may come back: no one syncs the folder after that.
  const revived = withFiles(before, settled)
  yield { name: 'settled', index: settled, hasBatch: true }
  yield { name: 'old log is back', index: revived, hasBatch: true }
  yield { name: 'no table yet', index: unrecorded, hasBatch: true }
  yield* tornTables(unrecorded, settled, random)
  yield* tornManifests(revived, before, random)
  yield* tornLogs('no table yet', unrecorded, before, random)
  yield* tornLogs('table recorded', settled, before, random, 4)
  yield* tornLogs('table recorded and old log is back', revived, before, random, 2)
}

/** New tables that nothing refers to yet. */
function* tornTables(unrecorded: Files, settled: Files, random: Random): Generator<LevelImage> {
  const tables = namesOf(settled, /\.ldb$/).filter((name) => !unrecorded.has(name))
  const states: [string, (whole: Buffer) => Buffer][] = [
    ['empty', () => Buffer.alloc(0)],
    ['cut', (whole) => whole.subarray(0, random.int(whole.length))],
    ['zeros', (whole) => Buffer.alloc(whole.length)],
    ['whole', (whole) => whole],
  ]
  for (const [name, change] of states) {
    const changed = tables.map((table) => [table, change(contentOf(settled, table))] as const)
    const index = withFiles(unrecorded, changed)
    yield { name: `table ${name} and not recorded`, index, hasBatch: true }
  }
}

/**
 * The record of the new table cut short, or with zeros for its end, as a disk leaves one of which it
 * has written only the first sector: what it makes useless is still there then.
 */
function* tornManifests(revived: Files, before: Files, random: Random): Generator<LevelImage> {
  const [manifest = ''] = namesOf(revived, /^MANIFEST/)
  const whole = contentOf(revived, manifest)
  const start = contentOf(before, manifest).length
  for (const end of [
    start,
    start + 1,
    start + random.int(whole.length - start),
    whole.length - 1,
  ]) {
    const cut = withFiles(revived, [[manifest, whole.subarray(0, end)]])
    yield { name: `MANIFEST cut at ${end} of ${whole.length}`, index: cut, hasBatch: true }
  }
  for (const end of [start, start + 1 + random.int(whole.length - start - 1)]) {
    const zeroed = withFiles(revived, [[manifest, zero(whole, end, whole.length)]])
    yield { name: `MANIFEST has zeros from ${end} on`, index: zeroed, hasBatch: true }
  }
  const cut = withFiles(revived, [[manifest, whole.subarray(0, start)]])
  yield* tornLogs('MANIFEST as before', cut, before, random, 2)
}

interface Tear {
  readonly tear: string
  readonly data: Buffer
}

/** States of a file that had `start` durable bytes; what lies behind may be there or not. */
function* tears(whole: Buffer, start: number, random: Random): Generator<Tear> {
  const { length } = whole
  const cuts = new Set([start, length - 1])
  for (let i = 0; i < 2; i++) {
    const position = start + random.int(length - start)
    cuts.add(position)
    cuts.add(Math.max(start, position - (position % SECTOR)))
  }
  for (const end of cuts) yield { tear: `cut at ${end} of ${length}`, data: whole.subarray(0, end) }
  const lastPage = length - 1 - ((length - 1) % PAGE)
  yield { tear: 'without its last page', data: zero(whole, Math.max(start, lastPage), length) }
  yield { tear: 'as long but zeros', data: zero(whole, start, length) }
  yield { tear: 'without some sectors', data: withoutSectors(whole, start, random) }
}

function withoutSectors(whole: Buffer, start: number, random: Random): Buffer {
  const data = Buffer.from(whole)
  for (let at = start; at < data.length;) {
    const end = Math.min(data.length, at + SECTOR - (at % SECTOR))
    if (random.oneIn(8)) data.fill(0, at, end)
    at = end
  }
  return data
}

function zero(whole: Buffer, start: number, end: number): Buffer {
  return Buffer.from(whole).fill(0, start, end)
}

function contentOf(files: Files, name: string): Buffer {
  return files.get(name) ?? Buffer.alloc(0)
}

function withFiles(files: Files, changed: Iterable<readonly [string, Buffer]>): Files {
  return new Map([...files, ...changed])
}
