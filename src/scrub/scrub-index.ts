/**
 * The index: its files by LevelDB's own checksums, then each value by ours. Both change meanwhile,
 * so what looks damaged is looked at again before it counts.
 */
import { eachEntry } from '../device/each-entry.ts'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type LevelFile,
  type NamedDamage,
  levelFiles,
  verifyLevelFile,
} from '../device/level/verify.ts'
import { FsError } from '../errors.ts'
import { describeKey } from '../store/describe-key.ts'
import { openValue } from '../store/metadata.ts'
import type { ScrubParts, Turns } from './parts.ts'

const KEYS_PER_TURN = 1000
const LAST_KEY = '\xff'.repeat(600)
const TRIES = 3

export async function* scrubIndex(parts: ScrubParts): Turns {
  const { indexPath } = parts.raw
  if (indexPath !== undefined) {
    for (const file of await levelFiles(indexPath)) yield await scrubFile(parts, indexPath, file)
  }
  yield* scrubValues(parts)
}

async function scrubFile({ raw, report }: ScrubParts, path: string, file: LevelFile) {
  let damage: NamedDamage[] = []
  for (let i = 0; i < TRIES; i++) {
    damage = await verifyLevelFile(path, file, raw.readIndexFile)
    if (damage.length === 0 || !(await isNeeded(path, file))) return sizeOf(path, file)
  }
  for (const { name, offset, what } of damage) {
    report({ file: `index/${name}`, offset, what, mended: false })
  }
  return sizeOf(path, file)
}

/** LevelDB removes tables that it has merged into others. */
async function isNeeded(path: string, { name }: LevelFile): Promise<boolean> {
  return (await levelFiles(path)).some((file) => file.name === name)
}

async function sizeOf(path: string, { name }: LevelFile): Promise<number> {
  try {
    return (await stat(join(path, name))).size
  } catch {
    return 0
  }
}

async function* scrubValues(parts: ScrubParts): Turns {
  const { index } = parts.engine.store.device
  for (let from = '\0'; ;) {
    let count = 0
    let last = from
    for await (const [key, value] of eachEntry(index.pages(from, LAST_KEY))) {
      last = key
      if (!isWhole(key, value)) checkAgain(parts, key)
      if (++count === KEYS_PER_TURN) break
    }
    yield 0
    if (count < KEYS_PER_TURN) return
    from = `${last}\0`
  }
}

function isWhole(key: string, value: Uint8Array): boolean {
  try {
    openValue(key, value)
    return true
  } catch (error) {
    if (error instanceof FsError) return false
    throw error
  }
}

/** What a commit has replaced since the last checkpoint is written with the next one. */
function checkAgain({ engine, report }: ScrubParts, key: string): void {
  try {
    engine.store.metadata.get(key)
  } catch (error) {
    if (!(error instanceof FsError)) throw error
    const { text, ino } = describeKey(key)
    report({ what: `${text} is damaged`, ...(ino !== undefined && { ino }), mended: false })
  }
}
