/** The kit itself: it finds what is planted, makes it small, repeats it, and sees promises stall. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random, testSeed } from '../support/random.ts'
import { runCampaign } from './kit/campaign.ts'
import { decodeInput, encodeInput, inputFromText, inputToText } from './kit/input-codec.ts'
import { minimise } from './kit/minimise.ts'
import { inTurns } from './kit/settle.ts'
import type { Target } from './kit/target.ts'

const LIMITS = { inputCountMax: 5000, timeMsMax: 10_000 }

/** Fails for a length field that says more than there is. */
const planted: Target = {
  name: 'planted',
  weight: 1,
  generate: (random) => [Buffer.from([4, 1, 2, 3, 4]), random.bytes(20)],
  run: ([bytes = Buffer.alloc(0)]) => {
    if ((bytes[0] ?? 0) > bytes.length) throw new TypeError('read behind the end')
  },
}

test('runCampaign() finds a planted bug once, in an input of one byte', async () => {
  const seed = testSeed()
  const { findings } = await runCampaign(planted, { seed, ...LIMITS })
  assert.equal(findings.length, 1, `seed ${seed}`)
  assert.match(findings[0]?.signature ?? '', /^TypeError: read behind the end/)
  assert.equal(findings[0]?.input.length, 1)
  assert.equal(findings[0]?.input[0]?.length, 1)
})

test('runCampaign() repeats itself under the same seed', async () => {
  const runs = [1, 2].map(async () => {
    const seen: string[] = []
    await runCampaign(planted, {
      seed: 5,
      ...LIMITS,
      inputCountMax: 300,
      onInput: (input) => seen.push(inputToText(input).join(' ')),
    })
    return seen
  })
  const [first, second] = await Promise.all(runs)
  assert.deepEqual(first, second)
})

test('inTurns() ends what does not end', async () => {
  const never = new Promise<void>(() => undefined)
  await assert.rejects(inTurns('nothing', never), /nothing does not end/)
  assert.equal(await inTurns('five', Promise.resolve(5)), 5)
})

const endsWithBoth = (input: readonly Uint8Array[]): Promise<boolean> =>
  Promise.resolve([7, 22].every((wanted) => input.some((item) => item.at(-1) === wanted)))

test('minimise() keeps only what fails', async () => {
  const random = new Random(3)
  const input = Array.from({ length: 30 }, (_, i) =>
    Buffer.concat([random.bytes(20), Buffer.from([i])]),
  )
  const small = await minimise(input, endsWithBoth, { runsMax: 5000, timeMsMax: 10_000 })
  assert.deepEqual(inputToText(small), ['07', '16'])
})

test('an input comes back as it was', () => {
  const random = new Random(testSeed())
  const input = Array.from({ length: 5 }, () => random.bytes(random.int(50)))
  assert.deepEqual(inputToText(decodeInput(encodeInput(input))), inputToText(input))
  assert.deepEqual(inputToText(inputFromText(inputToText(input))), inputToText(input))
})
