import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ValueCache } from '../../src/store/value-cache.ts'
import { RUN } from './arbitraries.ts'

/** A cache of some values, and what was read for it. */
function cacheOf(values: ReadonlyMap<string, Uint8Array>) {
  const read: string[] = []
  const cache = new ValueCache((key) => {
    read.push(key)
    if (key === 'damaged') throw new RangeError('damaged')
    return values.get(key)
  })
  return { cache, read }
}

test('a value is read once, absence too, until it is dropped', RUN, () => {
  const values = new Map([['a', Buffer.from('1')]])
  const { cache, read } = cacheOf(values)
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(cache.get('a'), Buffer.from('1'))
    assert.equal(cache.get('b'), undefined)
  }
  assert.deepEqual(read, ['a', 'b'])
  values.set('b', Buffer.from('2'))
  values.delete('a')
  for (const key of ['a', 'b']) cache.drop(key)
  assert.equal(cache.get('a'), undefined)
  assert.deepEqual(cache.get('b'), Buffer.from('2'))
})

test('what is damaged is not kept, nor what is long, nor more than some thousands', RUN, () => {
  const { cache, read } = cacheOf(new Map([['long', Buffer.alloc(1000)]]))
  for (let i = 0; i < 2; i++) {
    assert.throws(() => cache.get('damaged'), RangeError)
    assert.equal(cache.get('long')?.length, 1000)
  }
  assert.deepEqual(read, ['damaged', 'long', 'damaged', 'long'])
  for (let i = 0; i < 10_000; i++) cache.get(String(i))
  read.length = 0
  for (let i = 0; i < 10_000; i++) cache.get(String(i))
  assert.equal(read.length, 10_000)
})
