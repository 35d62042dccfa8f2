import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { crc32cOfBlocks } from '../../src/store/crc32c-blocks.ts'
import { crc32c, crc32cOfText, portableCrc32c } from '../../src/crc32c.ts'
import { RUN } from './arbitraries.ts'

const portable = portableCrc32c()

test('crc32c() gives the values that RFC 3720 lists', RUN, () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)
  const vectors: readonly (readonly [Uint8Array, number])[] = [
    [new Uint8Array(0), 0],
    [Buffer.from('123456789'), 0xe306_9283],
    [new Uint8Array(32), 0x8a91_36aa],
    [new Uint8Array(32).fill(0xff), 0x62a8_ab43],
    [ascending, 0x46dd_794e],
    [ascending.toReversed(), 0x113f_db5c],
  ]
  for (const [bytes, checksum] of vectors) {
    assert.equal(crc32c(bytes), checksum)
    assert.equal(portable(bytes), checksum)
  }
})

test('the portable crc32c is the native one, at any alignment and seed', RUN, () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      fc.nat(9),
      fc.nat(0xffff_ffff),
      (all, at, seed) => {
        const bytes = all.subarray(at)
        assert.equal(portable(bytes, seed), crc32c(bytes, seed))
      },
    ),
  )
})

test('crc32c() of two parts continues from the first', RUN, () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(), (bytes, cut) => {
      const at = cut % (bytes.length + 1)
      assert.equal(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at))), crc32c(bytes))
    }),
  )
})

test('crc32cOfText() is that of the bytes which the characters stand for', RUN, () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.equal(crc32cOfText(Buffer.from(bytes).toString('latin1')), crc32c(bytes))
    }),
  )
})

test('crc32cOfBlocks() is the checksum of all blocks in a row', RUN, () => {
  const block = fc.uint8Array({ minLength: 4096, maxLength: 4096 })
  fc.assert(
    fc.property(fc.array(block, { maxLength: 5 }), (blocks) => {
      assert.equal(
        crc32cOfBlocks(blocks.map((each) => crc32c(each))),
        crc32c(Buffer.concat(blocks)),
      )
    }),
  )
})
