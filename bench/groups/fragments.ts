/** A volume with a file in very many extents: how long it takes to open, and what memory it needs. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Child } from '../child.ts'
import { FRAGMENTED_NAME } from '../fragmented-volume.ts'
import { Mounted } from '../mounted.ts'
import { SCALES } from '../scale.ts'
import { Worker } from '../worker-client.ts'
import type { Group } from './group.ts'

const MAKE_TIMEOUT_MS = 900_000
const OPEN_TIMEOUT_MS = 60_000
/** So many blocks of a file share one record of its extent map. */
const LEAF_BLOCKS = 64
const MIB = 2 ** 20

export const fragments: Group = async ({ folder, scale }) => {
  const volume = join(folder, 'volume')
  try {
    await askVolumeProcess(['make', volume, String(scale.extentCount)], MAKE_TIMEOUT_MS)
    const openTimes: number[] = []
    for (let round = 0; round < scale.roundCount; round++) {
      openTimes.push((await askVolumeProcess(['open', volume], OPEN_TIMEOUT_MS)) / 1000)
    }
    const memory = await measureMemory(volume, join(folder, 'mount'))
    const isFull = scale.extentCount === SCALES.full.extentCount
    const what = `with ${scale.extentCount.toLocaleString('en')} extents`
    const common = { judged: 'at most' } as const
    return [
      {
        ...common,
        name: `open of a clean volume ${what}`,
        unit: 's',
        ours: openTimes,
        bounds: isFull ? { must: 3, aim: 0.5 } : {},
      },
      {
        ...common,
        name: `memory of the daemon ${what}, all read`,
        unit: 'MiB',
        ours: [memory.resident],
        bounds: isFull ? { must: 300 } : {},
      },
      {
        ...common,
        name: `the same, at its highest`,
        unit: 'MiB',
        ours: [memory.highest],
        bounds: {},
      },
    ]
  } finally {
    rmSync(volume, { recursive: true, force: true })
  }
}

async function askVolumeProcess(parameters: string[], timeoutMs: number): Promise<number> {
  const child = new Child('volume-process', parameters)
  try {
    return Number(await child.ask(undefined, timeoutMs))
  } finally {
    child.kill()
    await child.ended
  }
}

async function measureMemory(
  volume: string,
  mountpoint: string,
): Promise<{ readonly resident: number; readonly highest: number }> {
  const mounted = await Mounted.start(volume, mountpoint)
  const worker = new Worker()
  try {
    const path = join(mountpoint, FRAGMENTED_NAME)
    await worker.run('readEvery', { path, strideBlocks: LEAF_BLOCKS })
    const resident = mounted.memoryBytes('VmRSS') / MIB
    const highest = mounted.memoryBytes('VmHWM') / MIB
    worker.kill()
    await mounted.stop()
    return { resident, highest }
  } finally {
    worker.kill()
    await mounted.abort()
  }
}
