/**
 * One write(2) with O_SYNC or O_DSYNC on an atomic file is there whole or not at all, however large it is,
 * wherever it begins, and whoever else writes at the same time. The daemon is killed at any moment.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mounted } from './support/mount.ts'
import { python, startPython } from './support/run.ts'

const TEST = { timeout: 120_000 }

/** Regions that share pages at their edges; the first bytes of a version say which it is. */
const PRELUDE = `
import threading
path, notes, kind = sys.argv[1:4]
bounds = [100, 3_000_001, 3_004_095, 6_500_003]
if kind == 'direct': bounds = [0, 3_145_728, 3_149_824, 6_291_456]
regions = list(zip(bounds, bounds[1:]))
def body(region, step):
    start, end = regions[region]
    return (b'%d:%08d.' % (region, step) * ((end - start) // 11 + 1))[:end - start]
def noted():
    steps = [0] * len(regions)
    for line in open(notes).read().split('\\n')[:-1]: region, step = map(int, line.split()); steps[region] = max(step, steps[region])
    return steps
`

const WORK = `${PRELUDE}
flags = os.O_RDWR | {'sync': os.O_SYNC, 'dsync': os.O_DSYNC, 'direct': os.O_DSYNC | os.O_DIRECT}[kind]
shared = os.open(path, flags)
steps, lock = noted(), threading.Lock()
def write(region):
    fd = shared if region < 2 else os.open(path, flags)
    start, end = regions[region]
    memory = mmap.mmap(-1, (end - start + 4095) & -4096)
    step = steps[region]
    while True:
        step += 1
        memory[:end - start] = body(region, step)
        with memoryview(memory) as view, view[:end - start] as part: assert os.pwrite(fd, part, start) == end - start
        with lock, open(notes, 'a') as file: file.write(f'{region} {step}\\n')
threads = [threading.Thread(target=write, args=(region,), daemon=True) for region in range(len(regions))]
threading.excepthook = lambda *_: os._exit(1)
for thread in threads: thread.start()
say('ready')
for thread in threads: thread.join()
`

const CHECK = `${PRELUDE}
content, steps, seen = open(path, 'rb').read(), noted(), []
for region, (start, end) in enumerate(regions):
    found = content[start:end]
    versions = {step: body(region, step) for step in (steps[region], steps[region] + 1)}
    match = [step for step, wanted in versions.items() if found == wanted]
    if not match:
        parts = sorted({found[at:at + 11] for at in range(0, len(found) - 11, 11)})
        raise SystemExit(f'region {region}: {parts[:4]} instead of step {steps[region]} or the next')
    seen.append(f'{region} {match[0]}\\n')
with open(notes, 'a') as file: file.writelines(seen)
print(sum(steps))
`

for (const kind of ['sync', 'dsync', 'direct']) {
  test(
    `${kind}: large writes side by side are old or new after any kill`,
    TEST,
    async (context) => {
      const mount = await mounted(context)
      const parameters = [mount.at('file'), `${mount.folder}/notes`, kind]
      await python(
        `${PRELUDE}
with open(path, 'wb') as file:
    for region, (start, end) in enumerate(regions): file.seek(start); file.write(body(region, 0))
    file.flush(); os.fsync(file.fileno())
os.setxattr(path, 'user.atomic', b'1')
open(notes, 'w').close()`,
        parameters,
      )
      const end = Date.now() + 1000 * Number(process.env['OATOMIC_KILL_SECONDS'] ?? 6)
      let writes = 0
      while (Date.now() < end || writes === 0) {
        const worker = startPython(WORK, parameters, { timeoutMs: 100_000 })
        await worker.said('ready')
        await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 700))
        await mount.kill()
        await worker.killed()
        await mount.remount()
        writes = Number(await python(CHECK, parameters))
      }
      assert.ok(writes > 0)
    },
  )
}
