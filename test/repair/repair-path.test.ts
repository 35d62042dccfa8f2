import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { checkPath, openForReading } from '../../src/check/check-path.ts'
import { salvageRecords } from '../../src/device/level/log.ts'
import { levelFiles } from '../../src/device/level/verify.ts'
import { repairPath } from '../../src/repair/repair-path.ts'
import { flipBit } from '../check/edit-image.ts'
import { type RealVolume, realVolume, wrongRealFiles } from '../check/real-volume.ts'
import { oatomic, refuse } from '../cli/support/command.ts'

function editFile(path: string, edit: (bytes: Buffer) => Uint8Array): void {
  writeFileSync(path, edit(readFileSync(path)))
}

/** A table that counts: one that is merged into others stays for a while. */
async function tableOf({ index }: RealVolume): Promise<string> {
  const table = (await levelFiles(index)).find(({ kind }) => kind === 'table')
  return join(index, table?.name ?? '')
}

async function requireRight(volume: RealVolume): Promise<void> {
  assert.deepEqual((await checkPath(volume.path, { data: true })).findings, [])
  assert.deepEqual(await wrongRealFiles(volume), [])
}

describe('repairPath()', () => {
  test('mends any one turned bit of a table without loss, and keeps the old index', async (context) => {
    const volume = await realVolume(context)
    for (const part of [0, 0.3, 0.6, 0.97]) {
      const table = await tableOf(volume)
      editFile(table, (bytes) => flipBit(bytes, Math.floor(bytes.length * part) * 8 + 3))
      const { mended, gaveUp, check } = await repairPath(volume.path, { dryRun: false })
      assert.deepEqual(gaveUp, [], mended.join('\n'))
      assert.equal(check?.isClean, true)
      assert.match(mended.join('\n'), /the old one is kept as "lost\+index-\d+"/)
      await requireRight(volume)
      // The new index is in a log; opening it makes a table.
      await (await openForReading(volume.path)).close()
    }
  })

  test('goes back in front of a damaged batch where the ring has the commits since', async (context) => {
    const volume = await realVolume(context, false)
    const name = readdirSync(volume.index).find((each) => each.endsWith('.log')) ?? ''
    const log = join(volume.index, name)
    const batches = [...salvageRecords(readFileSync(log))]
    const damaged = batches.at(-2)?.content ?? Buffer.alloc(0)
    editFile(log, (bytes) => {
      const at = bytes.indexOf(damaged.subarray(0, 100))
      return Buffer.from(bytes).fill(0xff, at, at + 20)
    })
    const before = await checkPath(volume.path, { data: true })
    assert.deepEqual(
      before.findings.map(({ invariant }) => invariant),
      ['F27'],
    )
    const { gaveUp } = await repairPath(volume.path, { dryRun: false })
    assert.deepEqual(gaveUp, [])
    await requireRight(volume)
  })

  test('goes on where it was cut off', async (context) => {
    const volume = await realVolume(context)
    const kept = join(volume.path, 'kept')
    cpSync(volume.index, kept, { recursive: true })
    const named = (name: string): string => join(volume.path, name)
    // While the new index was being made.
    cpSync(kept, named('index.building'), { recursive: true })
    editFile(await tableOf(volume), (bytes) => flipBit(bytes, 5))
    await repairPath(volume.path, { dryRun: false })
    assert.ok(!existsSync(named('index.building')))
    await requireRight(volume)
    // Before the old one was moved away.
    cpSync(kept, named('index.new'), { recursive: true })
    rmSync(volume.index, { recursive: true })
    cpSync(kept, volume.index, { recursive: true })
    editFile(await tableOf(volume), (bytes) => flipBit(bytes, 5))
    await repairPath(volume.path, { dryRun: false })
    assert.ok(!existsSync(named('index.new')))
    await requireRight(volume)
    // When there was none.
    renameSync(volume.index, named('index.new'))
    const { mended } = await repairPath(volume.path, { dryRun: false })
    assert.deepEqual(mended, ['the index: an earlier repair is carried on'])
    await requireRight(volume)
  })

  test('makes no empty volume of one whose index is gone', async (context) => {
    const volume = await realVolume(context)
    rmSync(volume.index, { recursive: true })
    await assert.rejects(repairPath(volume.path, { dryRun: false }), /nothing of its index is left/)
  })
})

describe('oatomic check --repair', () => {
  test('mends, says so, and exits with 6; then with 0', async (context) => {
    const volume = await realVolume(context)
    for (const at of [100, 4196]) editFile(volume.blocks, (bytes) => flipBit(bytes, at * 8))
    const dry = await oatomic(['check', '--repair', '--dry-run', volume.path])
    assert.match(dry.stdout, /^would mend: copy 0 of the superblock\nwould mend: copy 1 of/)
    assert.equal(dry.status, 4)
    const { stdout, status } = await oatomic(['check', '--repair', volume.path])
    assert.match(
      stdout,
      /^mended: copy 0 of the superblock\nmended: copy 1 of the superblock\nclean: /,
    )
    assert.equal(status, 6)
    assert.equal((await oatomic(['check', '--repair', volume.path])).status, 0)
    await requireRight(volume)
  })

  test('names files and offsets that are lost, and exits with 4', async (context) => {
    const volume = await realVolume(context)
    const position = readFileSync(volume.blocks).lastIndexOf(volume.contents.get('small') ?? '')
    editFile(volume.blocks, (bytes) => flipBit(bytes, position * 8))
    const { stdout, status } = await oatomic(['check', '--repair', volume.path])
    assert.match(stdout, /error F25: inode \d+ \(\/small\): offset 0: block \d+ does not have/)
    assert.equal(status, 4)
  })

  test('takes --dry-run with --repair only', () =>
    refuse(['check', '--dry-run', '/nowhere'], 1, /--dry-run goes with --repair/))
})
