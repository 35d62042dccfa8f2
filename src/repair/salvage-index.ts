/**
 * Reads an index whose files are damaged, without LevelDB, which ends the process at some of it and
 * brings back old values for lost ones at other.
 *
 * Of two values of a key the one with the higher sequence counts. Where a block of a table is lost,
 * an older value may come up in its place: an older leaf could show what a file once was, so it is
 * left damaged on purpose, and the blocks that it is about are given up.
 *
 * Where a batch of the log is lost and later ones are not, there are two ways to go on: with what
 * was before it, if the ring still has all commits since, for then nothing is lost at all; or with
 * all the rest.
 */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeBatch } from '../device/level/batch.ts'
import { mendLog, salvageRecords, verifyLog } from '../device/level/log.ts'
import { type LevelEntry, type LostRange, salvageTable } from '../device/level/salvage-table.ts'
import { levelFiles } from '../device/level/verify.ts'
import { FsError } from '../errors.ts'
import { openValue } from '../store/metadata.ts'
import type { RepairReport } from './report.ts'

export type Entries = ReadonlyMap<string, Uint8Array>

export interface SalvagedIndex {
  /** As of the last batch in front of a damaged one. */
  readonly before: Entries
  /** With all later batches, too; the same if no log was damaged. */
  readonly all: Entries
}

interface Version {
  readonly sequence: number
  readonly value: Buffer | undefined
}

export async function salvageIndex(path: string, report: RepairReport): Promise<SalvagedIndex> {
  const { tables, logs } = await filesOf(path)
  const versions = new Map<string, Version>()
  const lost: (LostRange & { readonly sequence: number })[] = []
  for (const name of tables) lost.push(...(await readTable(path, name, versions, report)))
  for (const range of lost) spoilOlder(versions, range)
  const later: LevelEntry[] = []
  for (const name of logs) later.push(...(await readLog(path, name, versions, report, later)))
  const before = valuesOf(versions)
  for (const entry of later) take(versions, entry)
  return { before, all: later.length === 0 ? before : valuesOf(versions) }
}

/** Those that count; where nothing says which do, all. */
async function filesOf(path: string): Promise<{ tables: string[]; logs: string[] }> {
  const live = await levelFiles(path)
  const isKnown = live.some(({ kind }) => kind === 'log')
  const names = (await readdir(path)).toSorted()
  if (isKnown) {
    const of = (kind: string) => live.flatMap((file) => (file.kind === kind ? [file.name] : []))
    const isThere = (name: string): boolean => names.includes(name)
    return { tables: of('table').filter(isThere), logs: of('log').filter(isThere) }
  }
  const like = (form: RegExp) => names.filter((name) => form.test(name))
  return { tables: like(/^\d+\.(ldb|sst)$/), logs: like(/^\d+\.log$/) }
}

async function readTable(
  path: string,
  name: string,
  versions: Map<string, Version>,
  report: RepairReport,
): Promise<(LostRange & { readonly sequence: number })[]> {
  const { entries, lost, mendedCount } = salvageTable(await readFile(join(path, name)), isRight)
  for (const entry of entries) take(versions, entry)
  if (mendedCount > 0) report.mend(`file "index/${name}": a turned bit in ${mendedCount} blocks`)
  if (lost.length > 0) {
    report.giveUp(`file "index/${name}": what ${lost.length} of its blocks said of some files`)
  }
  const sequence = Math.max(0, ...entries.map((entry) => entry.sequence))
  return lost.map((range) => ({ ...range, sequence }))
}

/** Takes over the batches up to a damaged one; returns the later ones. */
async function readLog(
  path: string,
  name: string,
  versions: Map<string, Version>,
  report: RepairReport,
  later: readonly LevelEntry[],
): Promise<LevelEntry[]> {
  const stored = await readFile(join(path, name))
  const mended = mendLog(stored)
  if (mended !== undefined) report.mend(`file "index/${name}": a turned bit in a batch`)
  const isDamaged = mended === undefined && verifyLog(stored) !== undefined
  const behind: LevelEntry[] = []
  for (const { content, isBehindDamage } of salvageRecords(mended ?? stored)) {
    const isLater = later.length > 0 || (isDamaged && isBehindDamage)
    if (isBehindDamage && !isDamaged) break // Torn, and so never acknowledged.
    for (const entry of decodeBatch(content)) {
      if (isLater) behind.push(entry)
      else take(versions, entry)
    }
  }
  return behind
}

function take(versions: Map<string, Version>, { key, sequence, value }: LevelEntry): void {
  const known = versions.get(key)
  if (known === undefined || known.sequence <= sequence) versions.set(key, { sequence, value })
}

/** Leaves that may be older than the lost ones get a value that no reader takes for one. */
function spoilOlder(
  versions: Map<string, Version>,
  { after, upTo, sequence }: LostRange & { readonly sequence: number },
): void {
  for (const [key, version] of versions) {
    const isConcerned = key > after && key <= upTo && key.startsWith('E')
    if (!isConcerned || version.sequence >= sequence) continue
    versions.set(key, { sequence: version.sequence, value: Buffer.alloc(0) })
  }
}

function valuesOf(versions: ReadonlyMap<string, Version>): Entries {
  const values = new Map<string, Uint8Array>()
  for (const [key, { value }] of versions) if (value !== undefined) values.set(key, value)
  return values
}

function isRight({ key, value }: LevelEntry): boolean {
  if (value === undefined) return true
  try {
    openValue(key, value)
    return true
  } catch (error) {
    if (error instanceof FsError) return false
    throw error
  }
}
