/** A manifest whose last record a power cut has torn: LevelDB refuses it, and opening mends it. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Level } from 'level'
import { makeVolumeAt, openVolumeAt } from '../../src/volume/path.ts'

const SECTOR = 512
const OPTIONS = { ringBlocks: 256, ballastBytes: 1024 * 1024 }

test('a torn record at the end of a manifest is cut off when a volume is opened', async (t) => {
  const { path, index, manifest } = await madeVolume(t)
  const size = readFileSync(manifest).length
  // A record across two sectors of which only the first reached the disk.
  const shown = SECTOR - (size % SECTOR)
  appendFileSync(manifest, Buffer.concat([recordOf(600).subarray(0, shown), Buffer.alloc(600)]))
  await assert.rejects(openBare(index), 'LevelDB takes that for damage')
  const opened = await openVolumeAt(path, false)
  assert.equal(opened.report.damage, undefined)
  await opened.device.close()
})

test('a damaged manifest with whole records behind that is not cut', async (t) => {
  const { path, manifest } = await madeVolume(t)
  const bytes = readFileSync(manifest)
  appendFileSync(manifest, Buffer.concat([recordOf(20), bytes]))
  await assert.rejects(openVolumeAt(path, false), /is damaged/)
  assert.equal(readFileSync(manifest).length, 2 * bytes.length + recordOf(20).length)
})

/** The header of a whole record with a wrong checksum, and its content. */
function recordOf(size: number): Buffer {
  const record = Buffer.alloc(7 + size, 1)
  record.writeUInt16LE(size, 4)
  record.writeUInt8(1, 6)
  return record
}

async function madeVolume(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-manifest-'))
  t.after(() => {
    rmSync(folder, { recursive: true })
  })
  const path = join(folder, 'volume')
  await makeVolumeAt(path, OPTIONS)
  const index = join(path, 'index')
  const name = readdirSync(index).find((each) => each.startsWith('MANIFEST')) ?? ''
  return { path, index, manifest: join(index, name) }
}

async function openBare(index: string): Promise<void> {
  const database = new Level(index, { createIfMissing: false })
  await database.open()
  await database.close()
}
