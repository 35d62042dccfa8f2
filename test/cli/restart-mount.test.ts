/** With the option `restart` a mount comes back by itself. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { supervisorOf } from '../../src/cli/supervisor.ts'
import { volumeHolder } from '../../src/device/volume-lock.ts'
import { daemonOf, sh, start, succeed, waitUntil } from './support/command.ts'
import {
  checkClean,
  checkContent,
  killDaemon,
  logOf,
  mountForeground,
  mountLines,
  mountPlace,
  slowMount,
  supervisor,
  untilBack,
  untilOver,
} from './support/restarting.ts'

const TEST = { timeout: 90_000 }

test('after a kill it comes back, with the same options', TEST, async (context) => {
  const place = await mountPlace(context, 'noexec,atomic')
  for (let round = 0; round < 3; round++) {
    await killDaemon(place)
    await untilBack(place)
    assert.equal(mountLines(place.mountpoint).length, 1)
    assert.match(mountLines(place.mountpoint)[0] ?? '', /fuse\.oatomic rw,noexec,/)
    await sh(
      `getfattr --only-values -n user.atomic ${place.mountpoint}/file 2>/dev/null | grep -Eq '^(1|shared)$'`,
    )
  }
  const memory = readFileSync(`/proc/${supervisor(place)}/status`, 'utf8')
  assert.ok(Number(/VmRSS:\s+(\d+) kB/.exec(memory)?.[1]) < 8192, 'the supervisor is small')
  assert.equal(await succeed(['unmount', place.mountpoint]), '')
  assert.equal(supervisorOf([place.mountpoint]), undefined)
  await checkClean(place.volume)
})

test('in the foreground it comes back too, and SIGTERM ends it', TEST, async (context) => {
  const { place, command } = await mountForeground(context)
  await killDaemon(place)
  await untilBack(place)
  command.child.kill('SIGTERM')
  assert.deepEqual(await command.ended, { status: 0, stdout: '', stderr: '' })
  assert.deepEqual(mountLines(place.mountpoint), [])
  await checkClean(place.volume)
})

test('in the foreground it ends with its command', TEST, async (context) => {
  const { place, command } = await mountForeground(context)
  await killDaemon(place)
  await untilBack(place)
  command.child.kill('SIGKILL')
  await untilOver(place)
  assert.deepEqual(mountLines(place.mountpoint), [])
  await checkClean(place.volume)
})

test('after a crash of the daemon it comes back', TEST, async (context) => {
  const bug = `process.on('SIGUSR2',()=>{throw(new(Error)('made'))})`
  const NODE_OPTIONS = `--import=data:text/javascript,${bug}`
  const place = await mountPlace(context, '', { NODE_OPTIONS })
  process.kill(daemonOf(place.volume), 'SIGUSR2')
  await waitUntil(() => readFileSync(logOf(place), 'utf8').includes('again'), 'it starts again')
  await untilBack(place)
})

test('after a connection that was cut it comes back', TEST, async (context) => {
  const place = await mountPlace(context)
  const user = start('sh', [
    '-c',
    `exec 3< ${place.mountpoint}/file; echo ready >&2; exec sleep 60`,
  ])
  context.after(() => user.child.kill('SIGKILL'))
  await waitUntil(() => user.stderr() !== '', 'the file is open')
  await assert.rejects(sh(`umount -i -f ${place.mountpoint}`), /busy/)
  await waitUntil(() => readFileSync(logOf(place), 'utf8').includes('again'), 'it starts again')
  await untilBack(place)
  assert.match(readFileSync(logOf(place), 'utf8'), /was cut without an unmount/)
})

test('killed while it is coming back, it comes back', TEST, async (context) => {
  const { PATH, hold } = await slowMount(context)
  const place = await mountPlace(context, '', { PATH })
  await writeFile(hold, '')
  await killDaemon(place)
  await waitUntil(() => mountLines(place.mountpoint).length === 0, 'nothing is mounted')
  process.kill(daemonOf(place.volume), 'SIGKILL')
  await rm(hold)
  await untilBack(place)
  await succeed(['unmount', place.mountpoint])
})

test('after five deaths within a minute it gives up and says so', TEST, async (context) => {
  const place = await mountPlace(context)
  for (let death = 1; death <= 4; death++) {
    await killDaemon(place)
    await untilBack(place)
  }
  process.kill(daemonOf(place.volume), 'SIGKILL')
  await untilOver(place)
  assert.match(readFileSync(logOf(place), 'utf8'), /"level":60,.*has died too often/)
  assert.equal(volumeHolder(place.volume), undefined)
  await succeed(['mount', place.volume, place.mountpoint])
  await checkContent(place)
})

test('without its supervisor the mount goes on', TEST, async (context) => {
  const place = await mountPlace(context)
  process.kill(supervisor(place), 'SIGKILL')
  await checkContent(place)
  await succeed(['unmount', place.mountpoint])
  await checkClean(place.volume)
})
