/** Measures what each operation costs when a volume grows in one way and then in another. */
import { mkdirSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { Child } from '../child.ts'
import { spreadOf } from '../figures.ts'
import type { Scale } from '../scale.ts'
import type { Curve, Point } from './curve.ts'
import { DIMENSIONS, type Dimension, type DimensionName } from './dimensions.ts'
import type { Check, Use } from './measure.ts'

export interface DimensionCurves {
  readonly name: DimensionName
  readonly dimension: Dimension
  readonly curves: readonly Curve[]
}

const MAKE_TIMEOUT_MS = 1_800_000
const USE_TIMEOUT_MS = 900_000
/** Each of them opens a volume and checks all of it. */
const ROUNDS_MAX = 3

interface Sample {
  readonly size: number
  readonly use: Use
  readonly check: Check
}

const SHOWN: readonly (Pick<Curve, 'name' | 'unit'> & {
  readonly of: (sample: Sample) => number
})[] = [
  { name: 'open of the volume', unit: 'ms', of: ({ use }) => use.openMs },
  { name: 'commit of a page', unit: 'µs', of: ({ use }) => use.commitUs },
  { name: 'read of a page', unit: 'µs', of: ({ use }) => use.readUs },
  { name: 'check', unit: 'ms', of: ({ check }) => check.checkMs },
  { name: 'memory, in use', unit: 'MiB', of: ({ use }) => use.memoryMiB },
  { name: 'memory of check', unit: 'MiB', of: ({ check }) => check.memoryMiB },
]

/** Takes minutes. Volumes are made below a folder, one at a time. */
export async function measureCurves(scale: Scale, folder: string): Promise<DimensionCurves[]> {
  const roundCount = Math.min(scale.roundCount, ROUNDS_MAX)
  const results: DimensionCurves[] = []
  for (const [name, dimension] of entries()) {
    const samples: Sample[] = []
    for (const size of dimension.sizes[scale.name]) {
      if (!hasSpace(folder, dimension.bytesOf(size))) {
        process.stderr.write(`${name}, ${size.toLocaleString('en')}: the disk has no room for it\n`)
        continue
      }
      const started = performance.now()
      samples.push(await measureSize(name, size, { folder, roundCount }))
      const seconds = ((performance.now() - started) / 1000).toFixed(0)
      process.stderr.write(`${name}, ${size.toLocaleString('en')}: ${seconds} s\n`)
    }
    const curves = SHOWN.map(({ of, ...shown }): Curve => {
      const points = samples.map((sample): Point => ({ size: sample.size, value: of(sample) }))
      return { ...shown, points }
    })
    results.push({ name, dimension, curves })
  }
  return results
}

function entries(): [DimensionName, Dimension][] {
  // eslint-disable-next-line typescript/no-unsafe-type-assertion -- its own keys
  return Object.entries(DIMENSIONS) as [DimensionName, Dimension][]
}

async function measureSize(
  name: DimensionName,
  size: number,
  { folder, roundCount }: { readonly folder: string; readonly roundCount: number },
): Promise<Sample> {
  const volume = join(folder, `${name}-${size}`)
  mkdirSync(folder, { recursive: true })
  try {
    await ask(['grow', volume, name, String(size)], MAKE_TIMEOUT_MS)
    const uses: Use[] = []
    const checks: Check[] = []
    for (let round = 0; round < roundCount; round++) {
      // eslint-disable-next-line typescript/no-unsafe-type-assertion -- what it answers with
      uses.push((await ask(['use', volume, name, String(size)], USE_TIMEOUT_MS)) as Use)
      // eslint-disable-next-line typescript/no-unsafe-type-assertion -- what it answers with
      checks.push((await ask(['check', volume], USE_TIMEOUT_MS)) as Check)
    }
    return { size, use: medians(uses), check: medians(checks) }
  } finally {
    rmSync(volume, { recursive: true, force: true })
  }
}

/** The median of each value by itself. */
function medians<Values extends Use | Check>(all: readonly Values[]): Values {
  const [first] = all
  if (first === undefined) throw new Error('Nothing was measured')
  const keys = Object.keys(first)
  const of = (values: Values, key: string): number =>
    Number(new Map(Object.entries(values)).get(key))
  const pairs = keys.map((key) => [key, spreadOf(all.map((values) => of(values, key))).median])
  // eslint-disable-next-line typescript/no-unsafe-type-assertion -- the same keys
  return Object.fromEntries(pairs) as Values
}

async function ask(parameters: string[], timeoutMs: number): Promise<unknown> {
  const child = new Child('volume-process', parameters)
  try {
    return await child.ask(undefined, timeoutMs)
  } finally {
    child.kill()
    await child.ended
  }
}

function hasSpace(folder: string, neededBytes: number): boolean {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize >= neededBytes
}
