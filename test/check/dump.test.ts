import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { showName } from '../../src/show-name.ts'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { type DumpOptions, dumpVolume } from '../../src/dump/dump-volume.ts'
import { inodeKey } from '../../src/store/keys.ts'
import { flipBit, withValue } from './edit-image.ts'
import { closedVolume, killedVolume } from './populated.ts'

async function dump(device: MemoryDevice, options?: DumpOptions): Promise<string[]> {
  const lines: string[] = []
  for await (const line of dumpVolume(device, 'test', options)) lines.push(line)
  return lines
}

describe('dumpVolume()', () => {
  test('shows everything, with the records that wait, and changes nothing', async () => {
    const { image, inos } = await killedVolume()
    const device = new MemoryDevice(image)
    const lines = await dump(device)
    const text = lines.join('\n')
    assert.match(text, /^superblock {2}format 1\.0, features 0x0 0x0 0x1$/m)
    assert.match(text, /^marker .*not closed in order/ms)
    assert.match(text, /^record \d+ {2}epoch 2, position \d+ \(ring \d+ \+ \d+\): .*page inode/m)
    const large = `inode ${inos.get('large')}  -0644 0:0 links 1, 3145733 bytes, 769 blocks`
    assert.ok(text.includes(`${large}\n    /directory/large\n    0-`))
    assert.match(text, /^ {4}\/linked\n {4}\/directory\/other name$/m)
    assert.ok(text.includes('/directory/below/odd\\x0a\\xff'))
    assert.match(text, /^ {4}\/link\n {4}leads to small$/m)
    assert.match(text, /links 0, 20000 bytes, 5 blocks\n {4}no name/)
    assert.match(text, /xattr user.note, 5 bytes/)
    assert.ok(lines.every((line) => /^[^\p{Cc}]*$/u.test(line)))
    assert.deepEqual(device.image(), image)
  })

  test('shows one inode or path', async () => {
    const { image, inos } = await closedVolume()
    const device = new MemoryDevice(image)
    const byPath = await dump(device, { path: '/directory/below/sparse' })
    assert.match(byPath[0] ?? '', new RegExp(`^inode ${inos.get('sparse')} `))
    assert.match(byPath[2] ?? '', /^ {4}1280-1282 in \d+-\d+$/)
    assert.deepEqual(await dump(device, { ino: inos.get('sparse') ?? 0 }), byPath)
    await assert.rejects(dump(device, { path: '/none' }), { code: 'ENOENT' })
    await assert.rejects(dump(device, { ino: 999 }), { code: 'ENOENT' })
  })

  test('makes lines of JSON', async () => {
    const { image } = await killedVolume()
    const lines = await dump(new MemoryDevice(image), { json: true })
    const kinds = lines.map((line) => {
      JSON.parse(line)
      return /^\{"kind":"(\w+)"/.exec(line)?.[1]
    })
    assert.deepEqual([...new Set(kinds)], ['superblock', 'marker', 'space', 'record', 'inode'])
  })

  test('tells what is damaged, and shows the rest', async () => {
    const { image, inos } = await closedVolume()
    const key = inodeKey(inos.get('small') ?? 0)
    const damaged = withValue(image, key, (value) => flipBit(value, 99))
    const text = (await dump(new MemoryDevice(damaged))).join('\n')
    assert.match(text, /^damage F5 {2}inode \d+: its inode record is damaged/m)
    assert.match(text, /\/directory\/large/)
  })
})

function shown(text: string): string {
  return showName(Buffer.from(text).toString('latin1'))
}

test('showName() leaves text as it is and escapes the rest', () => {
  assert.equal(shown('grün 文 🙂 a b'), 'grün 文 🙂 a b')
  assert.equal(shown('a\n"\\'), 'a\\x0a\\"\\\\')
  assert.equal(shown('\u202Eabc\u0085'), '\\u{202e}abc\\u{85}')
  assert.equal(showName('\xc3\xff\xe2\x82'), '\\xc3\\xff\\xe2\\x82')
  assert.equal(showName('\xed\xa0\x80'), '\\xed\\xa0\\x80')
})
