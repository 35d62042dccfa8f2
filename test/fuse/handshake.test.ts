import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Handshake } from '../../src/fuse/kernel/handshake.ts'
import type { Agreement } from '../../src/fuse/kernel/negotiation.ts'

const OFFER = { major: 7, minor: 39, readaheadMax: 1 << 17, features: -1 }

test('answer() agrees once, and refuses a second INIT', () => {
  const agreed: Agreement[] = []
  const handshake = new Handshake({
    writebackCache: true,
    onAgreed: (agreement) => agreed.push(agreement),
  })
  handshake.answer({ ...OFFER, major: 8 })
  assert.equal(agreed.length, 0, 'a newer kernel asks again')
  handshake.answer(OFFER)
  assert.equal(agreed.length, 1)
  assert.throws(() => handshake.answer(OFFER), { code: 'EPROTO' })
  assert.equal(agreed.length, 1)
})
