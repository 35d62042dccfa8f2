import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, describe, test } from 'node:test'
import { checkPath, openForReading } from '../../src/check/check-path.ts'
import { FileDevice } from '../../src/device/file-device.ts'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import type { ErrnoCode } from '../../src/errors.ts'
import { checkVolume } from '../../src/check/check-volume.ts'
import { encodeSuperblock, newSuperblock } from '../../src/store/superblock.ts'
import * as v from '../support/volume.ts'
import { flipBit, withSuperblockFields } from './edit-image.ts'
import { closedVolume } from './populated.ts'
import {
  type RealVolume,
  realVolume,
  temporaryFolder,
  withIndexRestored,
  wrongRealFiles,
} from './real-volume.ts'

const ALL = { data: true }

function fails(code: ErrnoCode, message: RegExp) {
  return { name: 'FsError', code, message }
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

function overwrite(path: string, position: number, edit: (block: Uint8Array) => Uint8Array): void {
  const fd = openSync(path, 'r+')
  const block = readFileSync(path).subarray(position, position + 4096)
  writeSync(fd, edit(block), 0, 4096, position)
  closeSync(fd)
}

describe('checkPath()', () => {
  test('finds nothing in a volume on the host, and leaves its blocks as they are', async (context) => {
    const volume = await realVolume(context)
    const before = hashOf(volume.blocks)
    const report = await checkPath(volume.path, ALL)
    assert.deepEqual(report.findings, [])
    assert.ok(report.verifiedCount > 700)
    assert.equal(hashOf(volume.blocks), before)
    assert.deepEqual(await wrongRealFiles(volume), [])
  })

  test('tells what is no volume by one error', async (context) => {
    const folder = temporaryFolder(context)
    await assert.rejects(
      checkPath(join(folder, 'none'), ALL),
      fails('ENOENT', /there is no volume/),
    )
    await assert.rejects(checkPath(folder, ALL), fails('ENOENT', /there is no volume/))
    assert.deepEqual(readdirSync(folder), [])
    const options = { ringBlocks: 256, ballastBytes: 0 }
    const device = await FileDevice.create(join(folder, 'v'), options)
    await assert.rejects(checkPath(join(folder, 'v'), ALL), fails('EBUSY', /in use/))
    await device.close()
    await assert.rejects(checkPath(join(folder, 'v'), ALL), fails('EINVAL', /never finished/))
    overwrite(join(folder, 'v', 'blocks'), 0, () => Buffer.alloc(4096, 'text'))
    await assert.rejects(checkPath(join(folder, 'v'), ALL), fails('EINVAL', /does not begin/))
    mkdirSync(join(folder, 'w'))
    writeFileSync(join(folder, 'w', 'blocks'), 'text')
    await assert.rejects(checkPath(join(folder, 'w'), ALL), fails('EIO', /no database/))
  })

  test('refuses a newer format, and one with features that it does not know', async (context) => {
    const folder = join(temporaryFolder(context), 'v')
    const device = await FileDevice.create(folder, { ringBlocks: 256, ballastBytes: 0 })
    const superblock = newSuperblock(Buffer.alloc(16, 1), 256, 1n)
    const write = (fields: object) =>
      device.writeSuperblock(0, encodeSuperblock({ ...superblock, ...fields }))
    await write({ formatMajor: 2 })
    await device.close()
    await assert.rejects(checkPath(folder, ALL), fails('EINVAL', /format is 2\.0.*newer oatomic/))
    overwrite(join(folder, 'blocks'), 0, () => encodeSuperblock({ ...superblock, incompatible: 9 }))
    await assert.rejects(checkPath(folder, ALL), fails('EINVAL', /features \(0x8\)/))
  })

  test('opens no volume whose superblocks are both damaged', async (context) => {
    const volume = await realVolume(context)
    overwrite(volume.blocks, 0, (block) => flipBit(block, 200))
    const { findings } = await checkPath(volume.path, ALL)
    assert.deepEqual(
      findings.map(({ invariant, severity }) => `${invariant} ${severity}`),
      ['F1 warning'],
    )
    assert.deepEqual(await wrongRealFiles(volume), [])
    overwrite(volume.blocks, 4096, (block) => flipBit(block, 200))
    await assert.rejects(checkPath(volume.path, ALL), fails('EINVAL', /both copies/))
  })

  test('reports a block file that was cut, or refuses it', async (context) => {
    const volume = await realVolume(context)
    truncateSync(volume.blocks, (528 + 50) * 4096)
    const { findings } = await checkPath(volume.path, ALL)
    const found = new Set(findings.map(({ invariant }) => invariant))
    assert.deepEqual([...found].toSorted(), ['F19', 'F22', 'F3'])
    truncateSync(volume.blocks, 100 * 4096)
    await assert.rejects(checkPath(volume.path, ALL), fails('EIO', /shorter than its superblock/))
  })

  test('opens no index without its CURRENT, and touches nothing', async (context) => {
    const volume = await realVolume(context)
    const before = hashOf(volume.blocks)
    await withIndexRestored(volume, async () => {
      rmSync(join(volume.index, 'CURRENT'))
      await assert.rejects(checkPath(volume.path, ALL), fails('EIO', /no database/))
    })
    assert.equal(hashOf(volume.blocks), before)
    assert.deepEqual(await wrongRealFiles(volume), [])
  })

  test('survives an index that LevelDB aborts at', async (context) => {
    const volume = await realVolume(context)
    const name = readdirSync(volume.index).find((each) => each.endsWith('.ldb')) ?? ''
    const path = join(volume.index, name)
    const table = readFileSync(path)
    table[indexBlockOf(table) + 1] = 3
    writeFileSync(path, table)
    const { findings, isComplete } = await checkPath(volume.path, ALL)
    assert.equal(isComplete, false)
    const offset = indexBlockOf(table)
    const message = `file "index/${name}", offset ${offset}: the list of blocks is damaged`
    assert.deepEqual(findings, [{ invariant: 'F27', severity: 'error', message }])
    await assert.rejects(openForReading(volume.path), fails('EIO', /index is damaged/))
  })

  for (const isReopened of [false, true]) {
    const state = isReopened ? 'in a table' : 'in the log'
    test(`finds that a file of the index was cut, or nothing is lost: ${state}`, async (context) => {
      await cutIndexFiles(context, await realVolume(context, isReopened))
    })
  }
})

/**
 * Where the index block of a LevelDB table is. The footer, its last 48 bytes, has offset and size of
 * the metaindex block and of the index block, as numbers with seven bits in a byte. An index block
 * begins with an entry: shared bytes of its key, the others, size of the value.
 */
function indexBlockOf(table: Buffer): number {
  let at = table.length - 48
  const next = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = table.readUInt8(at++)
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  next()
  next()
  return next()
}

/** Cuts each file of the index in half and puts it back. */
async function cutIndexFiles(context: TestContext, volume: RealVolume): Promise<void> {
  const before = hashOf(volume.blocks)
  for (const name of readdirSync(volume.index).filter((each) => /\.(log|ldb)$/.test(each))) {
    const { size } = statSync(join(volume.index, name))
    if (size === 0) continue
    await withIndexRestored(volume, async () => {
      truncateSync(join(volume.index, name), Math.floor(size / 2))
      const found = await checkPath(volume.path, ALL).then(
        ({ findings }) => findings.map(({ invariant }) => invariant).join(' '),
        (error: unknown) => {
          assert.equal(error instanceof Error && error.name, 'FsError')
          return String(error)
        },
      )
      context.diagnostic(`${name} of ${size} bytes: ${found.slice(0, 100)}`)
      if (found === '') assert.deepEqual(await wrongRealFiles(volume), [])
    })
  }
  assert.equal(hashOf(volume.blocks), before)
  assert.deepEqual(await wrongRealFiles(volume), [])
}

describe('a superblock with features that this program does not know', () => {
  test('that forbid writing: it opens for reading only, and is checked', async () => {
    const { image } = await closedVolume()
    const device = new MemoryDevice(withSuperblockFields(image, { readOnlyCompatible: 4 }))
    const before = device.image()
    const { volume, fs } = await v.openTestFilesystem(device)
    assert.ok(volume.engine.health.readOnly)
    assert.throws(() => fs.makeDirectory(v.ROOT, 'a', 0o755, v.CALLER), { code: 'EROFS' })
    assert.deepEqual(device.image(), before)
    assert.ok((await checkVolume(device, 'test', ALL)).isClean)
  })

  test('that forbid reading, or a newer format: it is refused', async () => {
    const { image } = await closedVolume()
    for (const fields of [{ incompatible: 3 }, { formatMajor: 2 }]) {
      const device = new MemoryDevice(withSuperblockFields(image, fields))
      await assert.rejects(v.openTestFilesystem(device), fails('EINVAL', /newer oatomic/))
      await assert.rejects(checkVolume(device, 'test', ALL), fails('EINVAL', /newer oatomic/))
    }
  })

  test('that change nothing, or a later minor version: it is used as ever', async () => {
    const { image } = await closedVolume()
    const device = new MemoryDevice(withSuperblockFields(image, { compatible: 8, formatMinor: 7 }))
    assert.ok((await checkVolume(device, 'test', ALL)).isClean)
  })
})

test('openForReading() leaves the volume free when it is closed', async (context) => {
  const volume = await realVolume(context)
  const device = await openForReading(volume.path)
  await assert.rejects(checkPath(volume.path, ALL), fails('EBUSY', /in use/))
  await device.close()
  assert.ok((await checkPath(volume.path, ALL)).isClean)
})
