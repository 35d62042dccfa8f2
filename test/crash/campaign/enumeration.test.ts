/** Goal: the campaign's lists of sequences are complete, free of doubles, and evenly sampled. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random, testSeed } from '../../support/random.ts'
import { Enumeration } from './enumeration.ts'
import { scattered, schedule } from './schedule.ts'
import { printWorkload } from './text.ts'

function textsOf(length: 1 | 2 | 3, indexes: Iterable<number>): string[] {
  const enumeration = new Enumeration(length)
  return [...indexes].map((index) => {
    const workload = enumeration.workload(index)
    assert.ok(workload !== undefined, `sequence ${index} of ${length} is possible`)
    return printWorkload(workload).replace(/timing=\d+/, '')
  })
}

test('Enumeration has every sequence once', (t) => {
  for (const length of [1, 2] as const) {
    const { count } = new Enumeration(length)
    const texts = textsOf(
      length,
      Array.from({ length: count }, (_, i) => i),
    )
    const doubles = count - new Set(texts).size
    // Where an operation already is a persistence point, one more changes nothing.
    t.diagnostic(`${doubles} doubles of ${count}`)
    assert.ok(doubles <= count / 20, `${doubles} of ${count}`)
  }
})

test('Enumeration has possible sequences of three', (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  const { count } = new Enumeration(3)
  textsOf(
    3,
    Array.from({ length: 3000 }, () => random.int(count)),
  )
})

test('scattered() gives each number once, and its beginning is spread evenly', () => {
  for (const count of [1, 2, 208, 1000, 4096]) {
    const all = [...scattered(count, 5)]
    assert.deepEqual(
      all.toSorted((a, b) => a - b),
      Array.from({ length: count }, (_, i) => i),
    )
  }
  const quarters = [0, 0, 0, 0]
  for (const value of [...scattered(10_000, 7)].slice(0, 400)) {
    const quarter = Math.floor(value / 2500)
    quarters[quarter] = (quarters[quarter] ?? 0) + 1
  }
  for (const each of quarters) assert.ok(each > 90 && each < 110, quarters.join(' '))
})

test('schedule() divides the work among workers without overlap', () => {
  const { count } = new Enumeration(1)
  const first = [0, 1, 2].flatMap((job) => {
    const share = { seed: 9, job, jobCount: 3, all: true }
    const own: string[] = []
    for (const { series, workload } of schedule(share)) {
      if (series === 'one' && workload !== undefined) own.push(printWorkload(workload))
      if (own.length === count / 3) break
    }
    return own
  })
  assert.equal(first.length, count)
  assert.equal(new Set(first).size, first.length)
})
