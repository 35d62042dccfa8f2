/**
 * Where the daemon spends its time for a few operations, as a table in Markdown: perf(1) samples it while a
 * program repeats one of them. Needs root, `/dev/fuse`, and `apt-get install linux-perf`.
 *
 *   npm run profile [-- SECONDS]
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeMachine, showMachine } from './machine.ts'
import { Mounted } from './mounted.ts'
import { CATEGORIES, sumUp } from './profile-samples.ts'
import { Worker } from './worker-client.ts'

const FILE_BYTES = 64 * 2 ** 20
const COLD_BYTES = 512 * 2 ** 20
const SAMPLES_PER_SECOND = 4000
const SETTLE_MS = 300
const OUTPUT_BYTES_MAX = 2 ** 30

interface Place {
  readonly worker: Worker
  readonly mounted: Mounted
  readonly seconds: number
}

/** Does something for a while; returns how many times, and microseconds of the program for each. */
type Operation = (place: Place) => Promise<{ readonly count: number; readonly us: number }>

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'fsync of 1 page': commit(1),
  'fsync of 16 pages': commit(16),
  'fsync of 64 pages': commit(64),
  'create of a file': async ({ worker, mounted, seconds }) => {
    const count = 2000 * seconds
    const folder = join(mounted.path, 'files')
    return { count, us: await worker.run('makeEmptyFiles', { folder, from: 0, to: count }) }
  },
  'cold read of 1 MiB': async ({ worker, mounted }) => {
    const path = join(mounted.path, 'cold')
    const started = performance.now()
    await worker.run('verify', { path })
    const count = COLD_BYTES / 2 ** 20
    return { count, us: ((performance.now() - started) * 1000) / count }
  },
}

function commit(pageCount: number): Operation {
  return async ({ worker, mounted, seconds }) => {
    const path = join(mounted.path, 'file')
    const request = { path, pageCount, method: 'in place', timeMs: seconds * 1000 } as const
    const { perSecond, count } = await worker.run('commitPages', request)
    return { count, us: 1e6 / perSecond }
  }
}

await main(Number(process.argv[2] ?? 5))

async function main(seconds: number): Promise<void> {
  if (spawnSync('perf', ['--version']).status !== 0) {
    throw new Error('This needs perf; install it with: apt-get install linux-perf')
  }
  // Its child, the daemon, tells perf the names of functions.
  process.env['NODE_OPTIONS'] = '--perf-basic-prof --interpreted-frames-native-stack'
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-profile-'))
  mkdirSync(join(folder, 'mount'))
  const mounted = await Mounted.make(join(folder, 'volume'), join(folder, 'mount'))
  const worker = new Worker()
  try {
    await worker.run('writeAll', { path: join(mounted.path, 'file'), sizeBytes: FILE_BYTES })
    await worker.run('writeAll', { path: join(mounted.path, 'cold'), sizeBytes: COLD_BYTES })
    print(`${showMachine(describeMachine(folder))}\n`)
    print(`| µs for each | in all | ${CATEGORIES.join(' | ')} |`)
    print(`| --- | ---: |${' ---: |'.repeat(CATEGORIES.length)}`)
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      if (name.startsWith('cold')) await mounted.remount()
      print(await measure(name, operation, { worker, mounted, seconds }, join(folder, 'perf')))
    }
    await mounted.stop()
  } finally {
    worker.kill()
    await mounted.abort()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One line of the table. */
async function measure(
  name: string,
  operation: Operation,
  place: Place,
  file: string,
): Promise<string> {
  if (name.startsWith('fsync')) await operation({ ...place, seconds: 1 })
  const recorder = spawn(
    'perf',
    ['record', '-q', '-g', '-F', String(SAMPLES_PER_SECOND), '-e', 'cpu-clock', '-o', file].concat([
      '-p',
      String(place.mounted.pid),
    ]),
    { stdio: 'ignore' },
  )
  await sleep(SETTLE_MS)
  const { count, us } = await operation(place)
  await end(recorder)
  const { stdout } = spawnSync('perf', ['script', '-i', file, '-F', 'tid,ip,sym,dso'], {
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES_MAX,
  })
  const sums = sumUp(stdout, 1e6 / SAMPLES_PER_SECOND)
  const cells = CATEGORIES.map((category) => ((sums.get(category) ?? 0) / count).toFixed(1))
  return `| ${name} | ${us.toFixed(0)} | ${cells.join(' | ')} |`
}

async function end(recorder: ChildProcess): Promise<void> {
  const ended = once(recorder, 'exit')
  recorder.kill('SIGINT')
  await ended
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
