/** What the kernel is believed to show of isolated files, and when it is made to show something else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FsError } from '../../src/errors.ts'
import { KernelAttributes } from '../../src/fs/kernel-attributes.ts'
import type { Attributes, KernelCache } from '../../src/fs/operations.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, fileWith, refuses } from './fixture.ts'

interface Fixture {
  readonly attributes: KernelAttributes
  readonly published: Attributes
  /** What the kernel was made to take: size, and whether that was another. */
  readonly taken: (readonly [number, boolean])[]
  isFailing: boolean
}

async function fixture(): Promise<Fixture> {
  const { fs } = await v.freshFilesystem()
  const taken: (readonly [number, boolean])[] = []
  const kernel: KernelCache = {
    invalidate: () => Promise.resolve(),
    writeBack: () => Promise.resolve(),
    collect: () => Promise.resolve(),
    endWriteBacks: () => Promise.resolve(),
    resize: () => Promise.resolve(),
    dropAttributes: () => undefined,
    dropName: () => Promise.resolve(),
    dropAttributesLater: () => Promise.resolve(),
    ownsAttributes: true,
    adopt: async ({ size }, isResized) => {
      await Promise.resolve()
      if (made.isFailing) throw new FsError('EIO', 'the kernel refuses')
      taken.push([size, isResized])
    },
  }
  const published = await fs.getAttributes(await fileWith(fs, 'a', '0123456789'))
  const made = { attributes: new KernelAttributes(kernel), published, taken, isFailing: false }
  made.attributes.begin(published)
  return made
}

test('the kernel is made to show what differs from what it believes', TIMEOUT, async () => {
  const { attributes, published, taken } = await fixture()
  await attributes.adopt(published)
  assert.deepEqual(taken, [])
  const later = { ...published, mtimeNs: published.mtimeNs + 1n }
  await attributes.adopt(later)
  attributes.wrote(published.ino, 50)
  assert.equal(attributes.asBelieved(published).size, 50)
  await Promise.all([attributes.adopt(later), attributes.adopt({ ...later, size: 50 })])
  assert.deepEqual(taken, [
    [10, false],
    [10, true],
    [50, true],
  ])
  attributes.forget(published.ino)
  assert.equal(attributes.asBelieved(published), published)
})

test('what the kernel did not take is tried again', TIMEOUT, async () => {
  const made = await fixture()
  const { attributes, published, taken } = made
  const wanted = { ...published, size: 5 }
  made.isFailing = true
  await refuses('EIO', async () => attributes.adopt(wanted))
  assert.equal(attributes.shows(wanted), false)
  made.isFailing = false
  await attributes.adopt(wanted)
  assert.deepEqual(taken, [[5, true]])
})
