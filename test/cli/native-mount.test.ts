/** The life of a mount with the transport fuse-native. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { volumeHolder } from '../../src/device/volume-lock.ts'
import {
  ENTRY,
  type Place,
  daemonOf,
  endDaemon,
  makePlace,
  refuse,
  sh,
  start,
  succeed,
  waitUntil,
} from './support/command.ts'
import {
  checkClean,
  killDaemon,
  logOf,
  mountLines,
  mountPlace,
  untilBack,
} from './support/restarting.ts'

const TEST = { timeout: 90_000 }

async function mountNative(context: TestContext, ...options: string[]): Promise<Place> {
  const place = await makePlace(context)
  await succeed(['mount', place.volume, place.mountpoint, '--transport', 'fuse-native', ...options])
  return place
}

test('it mounts, says what is missing, and unmounts', TEST, async (context) => {
  const place = await makePlace(context)
  const { volume, mountpoint } = place
  const options = `transport=fuse-native,noexec,relatime,atomic,loglevel=info,log=${logOf(place)}`
  await succeed(['mount', volume, mountpoint, '-o', options])
  const [line = ''] = mountLines(mountpoint)
  assert.match(line, new RegExp(`^${volume} .* fuse\\.oatomic rw,noexec,relatime,`))
  assert.match(line, /default_permissions,allow_other/)
  assert.match(readFileSync(logOf(place), 'utf8'), /"missing":"shared memory maps, .*"mounted"/)
  await sh(`echo text > ${mountpoint}/file && grep text ${mountpoint}/file`)
  await refuse(['mount', volume, mountpoint], 3, /is mounted/)
  await succeed(['unmount', mountpoint])
  assert.equal(volumeHolder(volume), undefined)
  await checkClean(volume)
  await succeed(['mount', volume, mountpoint, '-o', 'transport=fuse-native,ro'])
  assert.equal(await sh(`cat ${mountpoint}/file`), 'text\n')
  await assert.rejects(sh(`echo text > ${mountpoint}/file`), /Read-only file system/)
})

test('a transport that is not there is refused', TEST, async (context) => {
  const { volume, mountpoint } = await makePlace(context)
  for (const options of [
    ['--transport', 'pigeon'],
    ['-o', 'transport=pigeon'],
  ]) {
    const message = /the transports are kernel and fuse-native/
    await refuse(['mount', volume, mountpoint, ...options], 1, message)
  }
})

test('SIGTERM while a file is open: the mount ends all the same', TEST, async (context) => {
  const { volume, mountpoint } = await mountNative(context)
  const script = `exec 3> ${mountpoint}/open; echo written >&3; echo ready >&2; exec sleep 60`
  const { child, stderr } = start('sh', ['-c', script])
  context.after(() => child.kill('SIGKILL'))
  await waitUntil(() => stderr() !== '', 'the file is open')
  await endDaemon(volume, 'SIGTERM')
  assert.deepEqual(mountLines(mountpoint), [])
  await checkClean(volume)
  await succeed(['mount', volume, mountpoint])
  assert.equal(await sh(`cat ${mountpoint}/open`), 'written\n')
})

test('what a killed daemon leaves is cleared away', TEST, async (context) => {
  const { volume, mountpoint } = await mountNative(context)
  await sh(`echo text > ${mountpoint}/file`)
  process.kill(daemonOf(volume), 'SIGKILL')
  await waitUntil(() => volumeHolder(volume) === undefined, 'the daemon is gone')
  await succeed(['mount', volume, mountpoint, '--transport', 'fuse-native'])
  assert.equal(await sh(`cat ${mountpoint}/file`), 'text\n')
  assert.equal(mountLines(mountpoint).length, 1)
})

test('with the option restart it comes back', TEST, async (context) => {
  const place = await mountPlace(context, 'transport=fuse-native')
  for (let round = 0; round < 2; round++) {
    await killDaemon(place)
    await untilBack(place)
    assert.equal(mountLines(place.mountpoint).length, 1)
  }
  await succeed(['unmount', place.mountpoint])
  await checkClean(place.volume)
})

test('a user mounts for himself, through fusermount', TEST, async (context) => {
  const { folder, volume, mountpoint } = await makePlace(context)
  const asUser = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']
  if ((await start('setpriv', [...asUser.slice(1), 'test', '-r', ENTRY]).ended).status !== 0) {
    context.skip(`others cannot read ${ENTRY}`)
    return
  }
  // A device for everybody, in this namespace only: it is not so on every machine.
  const script = `set -eu
    cd ${folder}; chmod 1777 .; chown 65534:65534 mnt; rm -r volume; mkdir device
    mount -t tmpfs tmpfs device; mknod -m 666 device/fuse c 10 229
    mount --bind device/fuse /dev/fuse
    as_user() { ${asUser.join(' ')} "$@"; }
    as_user $node $entry make ${volume} --ring-size 1M > /dev/null
    as_user $node $entry mount ${volume} ${mountpoint} --transport fuse-native
    grep -q 'user_id=65534,group_id=65534,default_permissions 0 0' /proc/self/mounts
    as_user sh -ec 'cd ${mountpoint}; mkdir folder; exec 3> open; rm open; echo text >&3'
    test "$(as_user stat -c %u:%g ${mountpoint}/folder)" = 65534:65534
    ! stat ${mountpoint}/folder 2> /dev/null
    as_user $node $entry unmount ${mountpoint}`
  const environment = { ...process.env, node: process.execPath, entry: ENTRY }
  const parameters = ['-m', '--propagation', 'private', 'sh', '-c', script]
  const { status, stderr } = await start('unshare', parameters, { env: environment }).ended
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  await checkClean(volume)
})
