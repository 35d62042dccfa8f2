/** What a soak has shown, in lines, and whether it is good. */
import { showSpread, slopeOf, spreadOf } from './figures.ts'
import type { Sample } from './probe.ts'
import type { SoakResult } from './result.ts'

/** The daemon is flat if it grows by less. */
const GROWTH_MAX_MIB_PER_MINUTE = 1

/** What the caches take to fill after a start belongs to no growth. */
const WARM_UP_S = 120

/** A phase that is shorter says nothing about growth. */
const JUDGED_S = 180

interface Growth {
  readonly mibPerMinute: number
  readonly seconds: number
  readonly isJudged: boolean
  readonly isFlat: boolean
}

/** Growth of the memory of the daemon that has lived through the last phase without kills. */
function growthOf(samples: readonly Sample[]): Growth {
  const last = samples.at(-1)
  const begin = samples.find(({ pid }) => pid === last?.pid)?.at ?? 0
  const steady = samples.filter(({ at, pid }) => pid === last?.pid && at - begin > WARM_UP_S)
  const seconds = (last?.at ?? 0) - (steady[0]?.at ?? last?.at ?? 0)
  const mibPerMinute = slopeOf(steady.map(({ at, rssMib }) => [at / 60, rssMib]))
  const isJudged = seconds >= JUDGED_S
  return {
    mibPerMinute,
    seconds,
    isJudged,
    isFlat: !isJudged || mibPerMinute < GROWTH_MAX_MIB_PER_MINUTE,
  }
}

export function reportLines(result: SoakResult): readonly string[] {
  const { harm, samples, calmSamples, counts } = result
  const growth = growthOf(calmSamples)
  const of = (pick: (sample: Sample) => number, digits: number) =>
    showSpread(spreadOf(samples.map(pick)), digits)
  const acts = [...harm.actCounts].map(([act, count]) => `${act} ${count}`).join(', ')
  const steps = [...counts].map(([name, count]) => `${name} ${count}`).join(', ')
  return [
    `${(result.seconds / 60).toFixed(1)} minutes`,
    `kills: ${harm.daemonKills} of the daemon, ${harm.workerKills} of workers (${acts})`,
    `recoveries: ${harm.recoveries.length}, ms min / median / max ${showSpread(spreadOf(harm.recoveries), 0)}`,
    `steps: ${steps}`,
    `memory, MiB: ${of(({ rssMib }) => rssMib, 1)}`,
    `growth without kills: ${growth.mibPerMinute.toFixed(2)} MiB/min over ${growth.seconds.toFixed(0)} s` +
      (growth.isJudged ? '' : ', too short to judge'),
    `descriptors: ${of(({ descriptorCount }) => descriptorCount, 0)}`,
    `index, MiB: ${of(({ indexMib }) => indexMib, 1)}`,
    `blocks, MiB: ${of(({ blocksMib }) => blocksMib, 1)}`,
    ...result.complaints.map((line) => `log: ${line}`),
    ...verdict(result, growth),
  ]
}

/** Whether nothing was wrong. */
export function isGood(result: SoakResult): boolean {
  return result.violation === undefined && growthOf(result.calmSamples).isFlat
}

function verdict(result: SoakResult, growth: Growth): readonly string[] {
  const { violation, folder, mounted } = result
  const kept = folder === undefined ? [] : [`kept: ${folder}`]
  if (violation === undefined) {
    const flat = growth.isFlat ? [] : [`VIOLATION: the daemon grows`]
    return [...flat, ...kept, `violations: ${flat.length}`]
  }
  return [
    `VIOLATION: ${violation}`,
    ...kept,
    `look: oatomic check ${mounted.volume}`,
    `      oatomic dump ${mounted.volume} PATH`,
    `      the daemon's log: ${mounted.log}; what workers have noted: ${String(folder)}/state`,
  ]
}
