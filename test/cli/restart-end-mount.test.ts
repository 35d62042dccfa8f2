/** A mount that comes back by itself stays away when somebody wants it gone, or in another place. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { supervisorOf } from '../../src/cli/supervisor.ts'
import { ENTRY, daemonOf, makePlace, oatomic, sh, succeed, waitUntil } from './support/command.ts'
import {
  checkClean,
  checkContent,
  killDaemon,
  logOf,
  mountLines,
  mountPlace,
  slowMount,
  supervisor,
  untilBack,
  untilOver,
  whileDead,
} from './support/restarting.ts'

const TEST = { timeout: 90_000 }

for (const [how, line] of [
  ['umount(8)', 'umount'],
  ['umount -l', 'umount -l'],
  ['SIGTERM to the daemon', ''],
] as const) {
  test(`${how} ends it for good`, TEST, async (context) => {
    const place = await mountPlace(context)
    await killDaemon(place)
    await untilBack(place)
    if (line === '') process.kill(daemonOf(place.volume), 'SIGTERM')
    else await sh(`${line} ${place.mountpoint}`)
    await untilOver(place)
    assert.deepEqual(mountLines(place.mountpoint), [])
    await checkClean(place.volume)
  })
}

test('SIGTERM to the supervisor ends it for good', TEST, async (context) => {
  const place = await mountPlace(context)
  process.kill(supervisor(place), 'SIGTERM')
  await untilOver(place)
  assert.deepEqual(mountLines(place.mountpoint), [])
  await checkClean(place.volume)
})

for (const line of ['umount', `${process.execPath} ${ENTRY} unmount --lazy`]) {
  test(
    `a dead mount that is taken away by ${line.slice(-13)} stays away`,
    TEST,
    async (context) => {
      const place = await mountPlace(context)
      await whileDead(place, async () => sh(`${line} ${place.mountpoint}`))
      await untilOver(place)
      assert.deepEqual(mountLines(place.mountpoint), [])
      assert.match(readFileSync(logOf(place), 'utf8'), /somebody has unmounted it/)
    },
  )
}

test('unmount while the mount is coming back wins', TEST, async (context) => {
  const { PATH, hold } = await slowMount(context)
  const place = await mountPlace(context, '', { PATH })
  await writeFile(hold, '')
  await killDaemon(place)
  await waitUntil(() => mountLines(place.mountpoint).length === 0, 'nothing is mounted')
  const unmounting = oatomic(['unmount', place.mountpoint])
  await sleep(300)
  await rm(hold)
  assert.deepEqual(await unmounting, { status: 0, stdout: '', stderr: '' })
  assert.equal(supervisorOf([place.mountpoint]), undefined)
  assert.deepEqual(mountLines(place.mountpoint), [])
  await checkClean(place.volume)
})

test('a mount by hand over the dead mount is left alone', TEST, async (context) => {
  const place = await mountPlace(context)
  await whileDead(place, async () => succeed(['mount', place.volume, place.mountpoint]))
  const pid = daemonOf(place.volume)
  await untilOver(place)
  await checkContent(place)
  assert.equal(daemonOf(place.volume), pid)
})

test('a mount of the volume elsewhere is left alone', TEST, async (context) => {
  const place = await mountPlace(context)
  const other = await makePlace(context)
  await whileDead(place, async () => succeed(['mount', place.volume, other.mountpoint]))
  const pid = daemonOf(place.volume)
  await untilOver(place)
  await checkContent(other)
  assert.equal(daemonOf(place.volume), pid)
  assert.match(readFileSync(logOf(place), 'utf8'), /it is mounted on/)
  await succeed(['unmount', other.mountpoint])
})

test('another volume on the same mount point is left alone', TEST, async (context) => {
  const place = await mountPlace(context)
  const other = await makePlace(context)
  await whileDead(place, async () => succeed(['mount', other.volume, place.mountpoint]))
  await untilOver(place)
  assert.match(mountLines(place.mountpoint)[0] ?? '', new RegExp(`^${other.volume} `))
  assert.equal(mountLines(place.mountpoint).length, 1)
  await succeed(['unmount', place.mountpoint])
})

test('a volume that has gone is not made again', TEST, async (context) => {
  const place = await mountPlace(context, 'create')
  const away = join(place.folder, 'away')
  await whileDead(place, async () => rename(place.volume, away))
  await untilOver(place)
  assert.ok(!existsSync(place.volume))
  assert.match(readFileSync(logOf(place), 'utf8'), /"level":50,.*there is none.*cannot mount again/)
  await rename(away, place.volume)
})
