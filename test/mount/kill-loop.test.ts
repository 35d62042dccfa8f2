/**
 * Goal: whatever the daemon was doing when it was killed, every acknowledged step is there, and
 * nothing is half there.
 * Method: several programs write and note outside of the mount what was acknowledged; the daemon is
 * killed at random times under this load; after each recovery everything is looked at, and all go on.
 *
 * OATOMIC_KILL_SECONDS says for how long, OATOMIC_SEED repeats the times.
 */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Random, testSeed } from '../support/random.ts'
import { WORKER_KINDS, type Worker, checkWorker, startWorker } from './support/kill-workers.ts'
import { type Mount, mounted } from './support/mount.ts'
import { shell } from './support/run.ts'
import { testOnEach } from './support/transports.ts'

const SECONDS = Number(process.env['OATOMIC_KILL_SECONDS'] ?? 20)
const TEST = { timeout: (SECONDS + 60) * 1000 }

async function makeWorkers(mount: Mount): Promise<Worker[]> {
  await shell('mkdir load && setfattr -n user.atomic -v 1 load', { cwd: mount.path })
  return Promise.all(
    WORKER_KINDS.map(async (kind): Promise<Worker> => {
      const folder = mount.at('load', kind)
      const manifest = join(mount.folder, `${kind}.manifest`)
      await mkdir(folder)
      await writeFile(manifest, '')
      return { kind, folder, manifest }
    }),
  )
}

testOnEach(
  'a daemon that is killed under load loses and mixes nothing',
  TEST,
  async (context, transport) => {
    const seconds = transport === 'kernel' ? SECONDS : SECONDS / 2
    const seed = testSeed()
    context.diagnostic(`OATOMIC_SEED=${seed}`)
    const random = new Random(seed)
    const mount = await mounted(context)
    const workers = await makeWorkers(mount)
    await shell('sync .', { cwd: mount.path })
    let steps = workers.map(() => 0)
    let killCount = 0
    const end = Date.now() + seconds * 1000
    while (Date.now() < end) {
      const running = workers.map((worker, index) => startWorker(worker, steps[index] ?? 0))
      await Promise.all(running.map((worker) => worker.said('ready')))
      const pauseMs = 20 + random.int(random.oneIn(4) ? 3000 : 600)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      await mount.kill()
      killCount++
      const ended = await Promise.all(running.map((worker) => worker.killed()))
      for (const { stderr } of ended) assert.doesNotMatch(stderr, /AssertionError|SyntaxError/)
      await mount.remount()
      steps = await Promise.all(workers.map((worker) => checkWorker(worker)))
    }
    context.diagnostic(`${killCount} kills, steps: ${steps.join(' ')}`)
    await mount.unmount()
    await mount.remount()
    assert.deepEqual(await Promise.all(workers.map((worker) => checkWorker(worker))), steps)
  },
)
