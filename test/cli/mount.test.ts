/** The life of a mount as its user sees it, on a real one. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { volumeHolder } from '../../src/device/volume-lock.ts'
import { openVolumeAt } from '../../src/volume/path.ts'
import {
  ENTRY,
  type Place,
  daemonOf,
  endDaemon,
  makePlace,
  oatomic,
  refuse,
  sh,
  start,
  succeed,
  waitUntil,
} from './support/command.ts'

const TEST = { timeout: 90_000 }

async function mountPlace(context: TestContext, ...options: string[]): Promise<Place> {
  const place = await makePlace(context)
  assert.equal(await succeed(['mount', place.volume, place.mountpoint, ...options]), '')
  return place
}

function mountLine(mountpoint: string): string {
  const lines = readFileSync('/proc/self/mounts', 'latin1').split('\n')
  return lines.find((line) => line.includes(` ${mountpoint} `)) ?? ''
}

async function checkClean(volume: string): Promise<void> {
  const { status, stdout } = await oatomic(['check', volume])
  assert.equal(status, 0, stdout)
  assert.match(stdout, /^clean: /)
}

test('mount returns when the mount is live, and leaves a daemon behind', TEST, async (context) => {
  const { volume, mountpoint } = await mountPlace(context, '-o', 'noexec,atomic')
  assert.match(mountLine(mountpoint), new RegExp(`^${volume} .* fuse\\.oatomic rw,noexec,`))
  assert.match(mountLine(mountpoint), /default_permissions/)
  await sh(`echo text > ${mountpoint}/file && grep text ${mountpoint}/file`)
  const state = `getfattr --only-values -n user.atomic ${mountpoint}/file`
  assert.match(await sh(state), /^(1|shared)/)
  const proc = `/proc/${daemonOf(volume)}`
  assert.equal(readlinkSync(`${proc}/cwd`), '/')
  for (const fd of [0, 1, 2]) assert.equal(readlinkSync(`${proc}/fd/${fd}`), '/dev/null')
  const [, , , , session] = readFileSync(`${proc}/stat`, 'utf8')
    .replace(/^.*\) /, '0 ')
    .split(' ')
  assert.equal(session, proc.slice('/proc/'.length), 'the daemon has a session of its own')
  assert.match(readFileSync(`${proc}/environ`, 'latin1'), /UV_THREADPOOL_SIZE=16/)
})

test('unmount returns when the volume is closed, and it is clean', TEST, async (context) => {
  const { volume, mountpoint } = await mountPlace(context)
  await sh(`cp -r ${import.meta.dirname} ${mountpoint}/copy`)
  assert.equal(await succeed(['unmount', mountpoint]), '')
  assert.equal(volumeHolder(volume), undefined)
  assert.equal(mountLine(mountpoint), '')
  await checkClean(volume)
  assert.ok(!existsSync(join(volume, 'oatomic.log')), 'there was nothing to log')
  await succeed(['mount', volume, mountpoint])
  await sh(`diff -r ${import.meta.dirname} ${mountpoint}/copy`)
})

test(
  'umount(8) leaves a clean volume too, and a mount right after it waits',
  TEST,
  async (context) => {
    const { volume, mountpoint } = await mountPlace(context)
    for (let round = 0; round < 3; round++) {
      await sh(`echo ${round} > ${mountpoint}/file && umount ${mountpoint}`)
      await succeed(['mount', volume, mountpoint])
      assert.equal(await sh(`cat ${mountpoint}/file`), `${round}\n`)
    }
    await sh(`umount ${mountpoint}`)
    await waitUntil(() => volumeHolder(volume) === undefined, 'the daemon closes the volume')
    await checkClean(volume)
  },
)

test('mount waits for a process that is only just closing the volume', TEST, async (context) => {
  const { volume, mountpoint } = await makePlace(context)
  const held = await openVolumeAt(volume, false)
  const mounting = oatomic(['mount', volume, mountpoint])
  await sleep(1000)
  await held.device.close()
  assert.deepEqual(await mounting, { status: 0, stdout: '', stderr: '' })
})

test('a mount that is interrupted before it is live leaves nothing', TEST, async (context) => {
  const { volume, mountpoint } = await makePlace(context)
  const held = await openVolumeAt(volume, false)
  const { child, ended } = start(process.execPath, [ENTRY, 'mount', volume, mountpoint])
  await sleep(1000)
  child.kill('SIGINT')
  await held.device.close()
  const { status, stderr } = await ended
  assert.match(stderr, /^oatomic: Cannot mount ".*volume": interrupted\n$/)
  assert.equal(status, 5)
  assert.equal(mountLine(mountpoint), '')
  await checkClean(volume)
})

test('unmount refuses while a file is open, and --lazy does not', TEST, async (context) => {
  const { volume, mountpoint } = await mountPlace(context)
  const user = await useFile(context, mountpoint)
  await refuse(['unmount', mountpoint], 3, /Cannot unmount ".*": .*busy/)
  assert.equal(await succeed(['unmount', '--lazy', mountpoint]), '')
  assert.equal(mountLine(mountpoint), '')
  user.kill()
  await waitUntil(() => volumeHolder(volume) === undefined, 'the daemon closes the volume')
  await checkClean(volume)
})

test('unmount says who keeps the mount in another namespace', TEST, async (context) => {
  const { volume, mountpoint } = await mountPlace(context)
  const other = start('unshare', ['-m', 'sh', '-c', 'echo; exec sleep 60'])
  context.after(() => other.child.kill())
  const { child } = other
  if (child.stdout !== null) await once(child.stdout, 'data')
  const unmounting = start(process.execPath, [ENTRY, 'unmount', mountpoint])
  const told = (): boolean => unmounting.stderr().includes('\n')
  await waitUntil(told, 'unmount tells what it waits for')
  child.kill()
  const { status, stderr } = await unmounting.ended
  assert.equal(status, 0)
  assert.match(stderr, /^oatomic: waiting until ".*" is closed: process (\d+) has it in a mount /)
  await checkClean(volume)
})

test('a second mount is refused at once', TEST, async (context) => {
  const { folder, volume, mountpoint } = await mountPlace(context)
  const other = await makePlace(context)
  const started = performance.now()
  await refuse(['mount', volume, other.mountpoint], 3, /it is mounted on ".*mnt"/)
  await refuse(['mount', other.volume, mountpoint], 3, /is mounted there/)
  await refuse(['mount', volume, mountpoint], 3, /is mounted there/)
  await refuse(['check', volume], 3, /is in use/)
  assert.ok(performance.now() - started < 8000)
  await sh(`ln -s ${volume} ${folder}/alias`)
  await refuse(['mount', `${folder}/alias`, other.mountpoint], 3, /it is mounted on/)
})

test('the next mount clears away what a killed daemon leaves', TEST, async (context) => {
  const { volume, mountpoint } = await mountPlace(context)
  await sh(`echo kept > ${mountpoint}/file && sync ${mountpoint}/file`)
  await endDaemon(volume, 'SIGKILL')
  assert.notEqual(mountLine(mountpoint), '')
  await succeed(['mount', volume, mountpoint])
  assert.equal(await sh(`cat ${mountpoint}/file`), 'kept\n')
  await endDaemon(volume, 'SIGKILL')
  await succeed(['unmount', mountpoint])
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} closes the volume in order`, TEST, async (context) => {
    const { volume, mountpoint } = await mountPlace(context)
    await sh(`echo text > ${mountpoint}/file`)
    await endDaemon(volume, signal)
    assert.equal(mountLine(mountpoint), '')
    await checkClean(volume)
  })
}

test(
  'SIGTERM closes the volume while a file is open, even if sent twice',
  TEST,
  async (context) => {
    const { volume, mountpoint } = await mountPlace(context)
    await useFile(context, mountpoint)
    const pid = daemonOf(volume)
    process.kill(pid, 'SIGTERM')
    await endDaemon(volume, 'SIGTERM')
    assert.equal(mountLine(mountpoint), '')
    await checkClean(volume)
    await succeed(['mount', volume, mountpoint])
    assert.equal(await sh(`cat ${mountpoint}/open`), 'written\n')
  },
)

test('SIGHUP does not end a daemon in the background', TEST, async (context) => {
  const { volume, mountpoint } = await mountPlace(context)
  process.kill(daemonOf(volume), 'SIGHUP')
  await sleep(200)
  await sh(`echo text > ${mountpoint}/file`)
})

test('log=FILE has the life of the mount as JSON lines', TEST, async (context) => {
  const { folder, volume, mountpoint } = await makePlace(context)
  const log = join(folder, 'a log')
  for (let round = 0; round < 2; round++) {
    await succeed(['mount', volume, mountpoint, '-o', `log=${log}`])
    await succeed(['unmount', mountpoint])
  }
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n')
  const messages = lines.map((line) => {
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- a line of pino's
    const { msg } = JSON.parse(line) as { msg: string }
    return msg
  })
  assert.deepEqual(messages, ['mounted', 'unmounted', 'mounted', 'unmounted'])
})

test('without log=FILE problems go to a file in the volume', TEST, async (context) => {
  const { volume, mountpoint } = await mountPlace(context)
  await useFile(context, mountpoint)
  await endDaemon(volume, 'SIGTERM')
  const log = await readFile(join(volume, 'oatomic.log'), 'utf8')
  assert.match(log, /^\{"level":40,.*"the mount is in use; ending it anyway"\}\n$/)
})

test('in the foreground the command lives as long as the mount', TEST, async (context) => {
  const { volume, mountpoint } = await makePlace(context)
  const command = start(process.execPath, [ENTRY, 'mount', '-f', volume, mountpoint])
  await waitUntil(() => command.stderr().includes('"mounted"'), 'it is mounted')
  await sh(`echo text > ${mountpoint}/file`)
  command.child.kill('SIGTERM')
  const { status, stderr } = await command.ended
  assert.equal(status, 0)
  const messages = stderr.trimEnd().split('\n')
  assert.equal(messages.length, 2)
  assert.match(messages[1] ?? '', /"unmounted"/)
  await checkClean(volume)
})

test('in the foreground the mount ends with its command', TEST, async (context) => {
  const { volume, mountpoint } = await makePlace(context)
  const command = start(process.execPath, [ENTRY, '-o', 'foreground', volume, mountpoint])
  await waitUntil(() => command.stderr().includes('"mounted"'), 'it is mounted')
  command.child.kill('SIGKILL')
  await waitUntil(() => volumeHolder(volume) === undefined, 'the daemon closes the volume')
  assert.equal(mountLine(mountpoint), '')
  await checkClean(volume)
})

test('a daemon that crashes says so and ends with 5', TEST, async (context) => {
  const { folder, volume, mountpoint } = await makePlace(context)
  const bug = `process.on('SIGUSR2',()=>{throw(new(Error)('made'))})`
  const log = join(folder, 'log')
  const command = start(
    process.execPath,
    [ENTRY, 'mount', '-f', volume, mountpoint, '-o', `log=${log}`],
    { env: { NODE_OPTIONS: `--import=data:text/javascript,${bug}` } },
  )
  await waitUntil(() => existsSync(log) && readFileSync(log, 'utf8') !== '', 'it is mounted')
  process.kill(daemonOf(volume), 'SIGUSR2')
  assert.equal((await command.ended).status, 5)
  assert.match(await readFile(log, 'utf8'), /"level":60,.*"message":"made".*the daemon has crashed/)
  await succeed(['mount', volume, mountpoint])
})

test('a daemon that cannot start is an error with its reason', TEST, async (context) => {
  const { volume, mountpoint } = await makePlace(context)
  const code = `if(process.send)throw(new(Error)('made'))`
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${code}` }
  await refuse(['mount', volume, mountpoint], 5, /the daemon has ended with .*made/, { env })
  assert.equal(mountLine(mountpoint), '')
})

test('a mount that fails is told with 32', TEST, async (context) => {
  const { volume, mountpoint } = await makePlace(context)
  const env = { PATH: '/nowhere' }
  await refuse(['mount', volume, mountpoint], 32, /Cannot run mount; install it with/, { env })
  await checkClean(volume)
})

test('-o create makes the volume', TEST, async (context) => {
  const { folder, mountpoint } = await makePlace(context)
  const volume = join(folder, 'new')
  await succeed(['mount', volume, mountpoint, '-o', 'create'])
  await sh(`echo text > ${mountpoint}/file`)
  await succeed(['unmount', mountpoint])
  await succeed(['mount', volume, mountpoint, '-o', 'create,ro'])
  assert.equal(await sh(`cat ${mountpoint}/file`), 'text\n')
  await assert.rejects(sh(`echo text > ${mountpoint}/file`), /Read-only file system/)
  await succeed(['unmount', mountpoint])
})

test('mount(8) may call with options last or first, and without PATH', TEST, async (context) => {
  const { volume, mountpoint } = await makePlace(context)
  for (const line of [
    [volume, mountpoint, '-o', 'rw,nodev,relatime'],
    ['-o', 'rw,user=me', volume, mountpoint, '-n', '-v'],
    [volume, mountpoint, '-s', '-t', 'fuse.oatomic', '-o', 'rw'],
  ]) {
    assert.deepEqual(await oatomic(line, { env: {} }), { status: 0, stdout: '', stderr: '' })
    await sh(`echo text > ${mountpoint}/file`)
    await succeed(['unmount', mountpoint])
  }
})

/** Has a process write to a file and keep it open. */
async function useFile(context: TestContext, mountpoint: string): Promise<{ kill(): void }> {
  const script = `exec 3> ${mountpoint}/open; echo written >&3; echo ready >&2; exec sleep 60`
  const { child, stderr } = start('sh', ['-c', script])
  const kill = () => {
    child.kill('SIGKILL')
  }
  context.after(kill)
  await waitUntil(() => stderr() !== '', 'the file is open')
  return { kill }
}
