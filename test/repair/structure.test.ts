/**
 * Goal: after a repair the volume is in order, or what is left is content that is lost, and nothing
 * that could be read before is lost by it.
 * Method: every kind of damage of the check's tests, repaired in memory, checked, and read.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkVolume } from '../../src/check/check-volume.ts'
import { type DeviceImage, MemoryDevice } from '../../src/device/memory-device.ts'
import { RepairReport } from '../../src/repair/report.ts'
import { repairStructure } from '../../src/repair/repair-structure.ts'
import * as keys from '../../src/store/keys.ts'
import { DAMAGE_CASES, type DamageCase, flip } from '../check/damage-cases.ts'
import * as edit from '../check/edit-image.ts'
import { type Populated, closedVolume, killedVolume, wrongFiles } from '../check/populated.ts'
import * as v from '../support/volume.ts'

const DATA = { data: true }

async function repaired(image: DeviceImage) {
  const device = new MemoryDevice(image)
  const report = new RepairReport()
  await repairStructure(device, 'test', report, { dryRun: false })
  const { findings } = await checkVolume(device, 'test', DATA)
  return { device, report, findings }
}

/** Damage that no other part of the volume says the right answer to. */
const REFUSED = new Set(['an index of another volume', 'a bit of both superblock copies'])
/** The superblock is mended before all else, by another part. */
const ELSEWHERE = new Set(['a bit of superblock copy 0', 'a superblock of another ring size'])

/** Files that nobody may read any more; of all others each byte must be right. */
function lostBy({ what, lost = [] }: DamageCase, volume: Populated): string[] {
  if (what === 'a block file that was cut') return [...volume.contents.keys()]
  return [...lost]
}

describe('repairStructure()', () => {
  for (const oneCase of DAMAGE_CASES) {
    if (REFUSED.has(oneCase.what) || ELSEWHERE.has(oneCase.what)) continue
    test(`mends ${oneCase.what}`, async () => {
      const { image, ...volume } = await closedVolume()
      const damaged = oneCase.damage(image, (name) => volume.inos.get(name) ?? 0)
      const { device, report, findings } = await repaired(damaged)
      const left = findings.filter(({ invariant }) => invariant !== 'F25')
      assert.deepEqual(left, [], report.mended.join('\n'))
      assert.equal(findings.length > 0 && report.gaveUp.length === 0, isOnlyData(oneCase))
      assert.ok(report.mended.length + report.gaveUp.length > 0 || isOnlyData(oneCase))
      const wrong = await wrongFiles(device, volume)
      const mayBeWrong = lostBy(oneCase, volume)
      assert.deepEqual(
        wrong.filter((name) => !mayBeWrong.includes(name)),
        [],
      )
      await usable(device)
    })
  }

  test('changes nothing that counts of a volume that is whole, killed or closed', async () => {
    for (const { image, ...volume } of [await closedVolume(), await killedVolume()]) {
      const { device, report, findings } = await repaired(image)
      assert.ok(report.isEmpty, report.mended.join('\n'))
      assert.deepEqual(findings, [])
      assert.deepEqual(await wrongFiles(device, volume), [])
    }
  })

  test('writes nothing in a dry run', async () => {
    const { image, inos } = await closedVolume()
    const damaged = edit.withValue(image, keys.inodeKey(inos.get('directory') ?? 0), flip)
    const device = new MemoryDevice(damaged)
    const report = new RepairReport()
    await repairStructure(device, 'test', report, { dryRun: true })
    assert.deepEqual(device.image(), damaged)
    assert.ok(report.mended.some((line) => line.includes('a directory made anew')))
  })

  test('keeps the path of what lies in a directory whose record is lost', async () => {
    const { image, inos, ...volume } = await closedVolume()
    const damaged = edit.withValue(image, keys.inodeKey(inos.get('directory') ?? 0), flip)
    const { device, findings } = await repaired(damaged)
    assert.deepEqual(findings, [])
    const { fs } = await v.openTestFilesystem(device)
    const tree = await v.listTree(fs)
    assert.equal(tree.get('/directory/large')?.ino, inos.get('large'))
    assert.deepEqual(await wrongFiles(device, { ...volume, inos }), [])
  })

  test('gives what has lost its name one in /lost+found', async () => {
    const { image, inos } = await closedVolume()
    const damaged = edit.withValue(image, keys.direntKey(1, 'small'), flip)
    const { device } = await repaired(damaged)
    const { fs } = await v.openTestFilesystem(device)
    const ino = inos.get('small') ?? 0
    assert.equal((await v.listTree(fs)).get(`/lost+found/#${ino}`)?.ino, ino)
  })

  test('keeps the content of a file whose record is lost, apart from its size', async () => {
    const { image, inos, contents } = await closedVolume()
    const ino = inos.get('large') ?? 0
    const { device, report } = await repaired(edit.withValue(image, keys.inodeKey(ino), flip))
    const { fs } = await v.openTestFilesystem(device)
    const tree = await v.listTree(fs)
    assert.equal(tree.get('/directory/large'), undefined)
    assert.equal(tree.get(`/lost+found/#${ino}`)?.ino, ino)
    const right = contents.get('large') ?? Buffer.alloc(0)
    const found = await v.contentOf(fs, ino)
    assert.ok(found.subarray(0, right.length).equals(right))
    assert.ok(report.gaveUp.some((line) => line.includes('its size to the byte')))
  })

  test('makes what a map has lost read as errors, until it is written again', async () => {
    const { image, inos, contents } = await closedVolume()
    const ino = inos.get('large') ?? 0
    const damaged = edit.withValue(image, keys.leafKey(ino, 0, 2), () => undefined)
    const { device } = await repaired(damaged)
    const { fs } = await v.openTestFilesystem(device)
    const { fh } = await fs.open(ino, v.O_RDWR, v.CALLER)
    const right = Buffer.from(contents.get('large') ?? [])
    for (let block = 0; block * 4096 < right.length; block++) {
      const read = async () => Buffer.concat([...(await fs.read(fh, block * 4096, 4096))])
      if (block >= 128 && block < 192) await assert.rejects(read, { code: 'EIO' })
      else assert.ok((await read()).equals(right.subarray(block * 4096, block * 4096 + 4096)))
    }
    await fs.write(fh, v.writeRequest(130 * 4096, Buffer.alloc(4096, 7)))
    await fs.fsync(fh)
    assert.ok(
      Buffer.concat([...(await fs.read(fh, 130 * 4096, 4096))]).equals(Buffer.alloc(4096, 7)),
    )
  })

  test('keeps a block of two files with the one that it fits', async () => {
    const { image, inos, ...volume } = await closedVolume()
    const stolen = edit.leafIn(image, inos.get('linked') ?? 0)
    const damaged = edit.withLeaf(image, inos.get('small') ?? 0, (leaf) => {
      leaf.set(0, stolen.block(0), leaf.checksum(0))
    })
    const { device, report } = await repaired(damaged)
    assert.deepEqual(await wrongFiles(device, { ...volume, inos }), ['small'])
    assert.match(
      report.gaveUp.join('\n'),
      /\(\/small\), offset 0: block \d+ belongs to another file/,
    )
  })
})

function isOnlyData({ expected }: DamageCase): boolean {
  return expected.join(' ') === 'F25'
}

/** It can be mounted, and written. */
async function usable(device: MemoryDevice): Promise<void> {
  const { fs, volume } = await v.openTestFilesystem(device)
  assert.equal(volume.report.damage, undefined)
  const { fh } = await v.createFile(fs, v.ROOT, 'made after the repair')
  await fs.write(fh, v.writeRequest(0, Buffer.alloc(100_000, 5)))
  await fs.fsync(fh)
  await fs.finish()
  const { findings } = await checkVolume(device, 'test', DATA)
  assert.deepEqual(
    findings.filter(({ invariant }) => invariant !== 'F25'),
    [],
  )
}
