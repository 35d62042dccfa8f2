/**
 * Goal: every kind of damage is reported under its number, and what is not damaged stays readable.
 * Method: edit the image of a volume in one way, with right checksums unless these are what is
 * damaged, check it, and read all files of it.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkVolume } from '../../src/check/check-volume.ts'
import { INVARIANTS } from '../../src/check/invariants.ts'
import { type DeviceImage, MemoryDevice } from '../../src/device/memory-device.ts'
import { DAMAGE_CASES, type DamageCase, flip } from './damage-cases.ts'
import * as edit from './edit-image.ts'
import { type Populated, closedVolume, wrongFiles } from './populated.ts'

async function tryCase(
  { damage, expected, lost }: DamageCase,
  volume: Populated,
  image: DeviceImage,
) {
  const ino = (name: string): number => volume.inos.get(name) ?? 0
  const damaged = damage(image, ino)
  const device = new MemoryDevice(damaged)
  const report = await checkVolume(device, 'test', { data: true })
  const found = new Set(report.findings.map(({ invariant }) => invariant))
  const shown = report.findings.map(({ invariant, message }) => `${invariant} ${message}`)
  assert.deepEqual([...found].toSorted(), [...expected].toSorted(), shown.join('\n'))
  assert.equal(report.isClean, false)
  assert.deepEqual(device.image(), damaged)
  if (lost === undefined) await assert.rejects(wrongFiles(device, volume), { name: 'FsError' })
  else assert.deepEqual(await wrongFiles(device, volume), lost)
}

describe('checkVolume() reports', () => {
  for (const oneCase of DAMAGE_CASES) {
    test(`${oneCase.what}: ${oneCase.expected.join(', ')}`, async () => {
      const { image, ...volume } = await closedVolume()
      await tryCase(oneCase, volume, image)
    })
  }

  test('every invariant but those of the ring and of files in some case', () => {
    const tried = new Set<string>(DAMAGE_CASES.flatMap(({ expected }) => expected))
    assert.deepEqual(
      Object.keys(INVARIANTS).filter((number) => !tried.has(number)),
      ['F4', 'F27'],
    )
  })

  test('the inode, its path and the offset', async () => {
    const { image, inos } = await closedVolume()
    const ino = inos.get('large') ?? 0
    const block = edit.leafIn(image, ino).block(3)
    const device = new MemoryDevice(edit.withBlock(image, 'blocks', block, flip))
    const { findings } = await checkVolume(device, 'test', { data: true })
    const text = `offset 12288: block ${block} does not have the content that was stored`
    const messages = [
      `inode ${ino} (/directory/large): ${text}`,
      `inode ${inos.get('clone')} (/clone): ${text}`,
    ]
    assert.deepEqual(
      findings,
      messages.map((message) => ({ invariant: 'F25', severity: 'error', message })),
    )
  })
})
