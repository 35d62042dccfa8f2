import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Index } from '../../src/device/device.ts'
import { RecentValues } from '../../src/store/recent-values.ts'
import { RUN } from './arbitraries.ts'

/** An index that notes what it is asked for. */
function notingIndex(values: Map<string, Uint8Array>, asked: string[]): Index {
  return {
    hasSpace: true,
    get: (key) => {
      asked.push(key)
      return values.get(key)
    },
    pages: () => assert.fail('no range is asked for'),
    batch: () => assert.fail('nothing is written'),
  }
}

const refuse = (): never => {
  throw new RangeError('damaged')
}

const same = (value: Uint8Array): Uint8Array => value

test('a value is read once, absence too, until it is forgotten', RUN, () => {
  const values = new Map([['a', Buffer.from('1')]])
  const asked: string[] = []
  const recent = new RecentValues(notingIndex(values, asked))
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(recent.get('a', same), Buffer.from('1'))
    assert.equal(recent.get('b', same), undefined)
  }
  assert.deepEqual(asked, ['a', 'b'])
  values.set('b', Buffer.from('2'))
  values.delete('a')
  for (const key of ['a', 'b']) recent.forget(key)
  assert.equal(recent.get('a', same), undefined)
  assert.deepEqual(recent.get('b', same), Buffer.from('2'))
})

test('what is damaged is not kept, nor what is long, nor more than some thousands', RUN, () => {
  const values = new Map([
    ['bad', Buffer.from('1')],
    ['long', Buffer.alloc(1000)],
  ])
  const asked: string[] = []
  const recent = new RecentValues(notingIndex(values, asked))
  assert.throws(() => recent.get('bad', refuse), RangeError)
  assert.deepEqual(recent.get('bad', same), Buffer.from('1'))
  for (let i = 0; i < 2; i++) recent.get('long', same)
  assert.deepEqual(asked, ['bad', 'bad', 'long', 'long'])
  for (let i = 0; i < 10_000; i++) recent.get(String(i), same)
  asked.length = 0
  for (let i = 0; i < 10_000; i++) recent.get(String(i), same)
  assert.equal(asked.length, 10_000)
})
