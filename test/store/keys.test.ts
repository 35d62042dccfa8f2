import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import * as keys from '../../src/store/keys.ts'
import { RUN, latin1, u32 } from './arbitraries.ts'

type Key = readonly [prefix: string, numbers: readonly number[], key: string]

const ino = (): fc.Arbitrary<number> => fc.oneof(fc.nat(300), fc.maxSafeNat())
const number32 = (): fc.Arbitrary<number> => fc.oneof(fc.nat(300), u32())

const anyKey: fc.Arbitrary<Key> = fc.oneof(
  ino().map((i): Key => ['I', [i], keys.inodeKey(i)]),
  ino().map((i): Key => ['O', [i], keys.orphanKey(i)]),
  number32().map((group): Key => ['G', [group], keys.bitmapKey(group)]),
  fc.tuple(ino(), number32()).map(([i, n]): Key => ['P', [i, n], keys.pendingMapKey(i, n)]),
  fc
    .tuple(ino(), number32(), number32())
    .map(([i, n, leaf]): Key => ['E', [i, n, leaf], keys.leafKey(i, n, leaf)]),
)

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) if (value !== b[i]) return value - (b[i] ?? 0)
  return 0
}

const compareBytes = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'))

test('keys of one kind are ordered by their numbers, in bytes and as strings', RUN, () => {
  fc.assert(
    fc.property(anyKey, anyKey, ([prefix, numbers, key], [otherPrefix, otherNumbers, other]) => {
      const order = Math.sign(compareBytes(key, other))
      assert.equal(order, key < other ? -1 : Number(key > other))
      if (prefix !== otherPrefix) assert.notEqual(order, 0)
      else assert.equal(order, Math.sign(compareNumbers(numbers, otherNumbers)))
    }),
  )
})

test('numbers come back out of keys', RUN, () => {
  fc.assert(
    fc.property(ino(), number32(), number32(), (i, generation, leaf) => {
      const key = keys.leafKey(i, generation, leaf)
      assert.equal(keys.u64FromKey(key, 1), i)
      assert.equal(keys.u32FromKey(key, 9), generation)
      assert.equal(keys.u32FromKey(key, keys.leafPrefix(i, generation).length), leaf)
    }),
  )
})

test('a range up to prefixEnd() holds the keys of its prefix and no others', RUN, () => {
  const range = fc.oneof(
    ino().map(keys.direntGroup),
    ino().map(keys.xattrGroup),
    ino().map(keys.leafGroup),
    fc.tuple(ino(), number32()).map(([i, generation]) => keys.leafPrefix(i, generation)),
    fc.constantFrom('S', 'M', 'I', 'D', 'X', 'E', 'G', 'O', 'P', 'D\xff\xff', 'D\xff\0'),
  )
  const otherKey = fc.oneof(
    anyKey.map(([, , key]) => key),
    fc.tuple(ino(), latin1(255)).map(([i, name]) => keys.direntKey(i, name)),
    fc.tuple(ino(), latin1(255)).map(([i, name]) => keys.xattrKey(i, name)),
    fc.constantFrom(keys.VOLUME_KEY, keys.MARKER_KEY),
  )
  fc.assert(
    fc.property(range, otherKey, latin1(), (prefix, key, rest) => {
      const isIn = (candidate: string): boolean =>
        prefix <= candidate && candidate < keys.prefixEnd(prefix)
      assert.equal(isIn(key), key.startsWith(prefix))
      assert.ok(isIn(prefix + rest))
    }),
  )
})

test('each kind of key has a prefix of its own', RUN, () => {
  const prefixes = [
    keys.VOLUME_KEY,
    keys.MARKER_KEY,
    keys.inodeKey(1),
    keys.direntGroup(1),
    keys.xattrGroup(1),
    keys.leafGroup(1),
    keys.bitmapKey(1),
    keys.orphanKey(1),
    keys.pendingMapKey(1, 1),
  ].map((key) => key.charAt(0))
  assert.equal(new Set(prefixes).size, prefixes.length)
})
