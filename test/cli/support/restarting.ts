/** Mounts that come back by themselves. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { supervisorOf } from '../../../src/cli/supervisor.ts'
import { volumeHolder } from '../../../src/device/volume-lock.ts'
import { ENTRY, daemonOf, makePlace, oatomic, sh, start, waitUntil, type Place } from './command.ts'

export async function mountPlace(context: TestContext, options = '', env = {}): Promise<Place> {
  const place = await makePlace(context)
  const log = `log=${logOf(place)}`
  const { status, stderr } = await oatomic(
    ['mount', place.volume, place.mountpoint, '-o', `restart,${log},${options}`],
    { env: { ...process.env, ...env } },
  )
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  await sh(`echo kept > ${place.mountpoint}/file && sync ${place.mountpoint}/file`)
  return place
}

export const logOf = ({ folder }: Place): string => join(folder, 'log')

export function mountLines(mountpoint: string): string[] {
  const lines = readFileSync('/proc/self/mounts', 'latin1').split('\n')
  return lines.filter((line) => line.includes(` ${mountpoint} `))
}

export function supervisor({ mountpoint }: Place): number {
  const pid = supervisorOf([mountpoint])
  assert.ok(pid !== undefined, 'there is a supervisor')
  return pid
}

/** Ends the daemon as a crash would; resolves when another one has the volume. */
export async function killDaemon({ volume }: Place): Promise<void> {
  const pid = daemonOf(volume)
  process.kill(pid, 'SIGKILL')
  await waitUntil(() => ![undefined, pid].includes(volumeHolder(volume)), 'another daemon comes')
}

const isLive = (log: string): boolean => log.lastIndexOf('"mounted"') > log.lastIndexOf('again')

/** Resolves when the mount is live again, with what was on it. */
export async function untilBack(place: Place): Promise<void> {
  await waitUntil(() => isLive(readFileSync(logOf(place), 'utf8')), 'it is mounted again')
  await checkContent(place)
}

export async function checkContent({ mountpoint }: Place): Promise<void> {
  assert.equal(await sh(`cat ${mountpoint}/file`), 'kept\n')
}

export async function untilOver(place: Place): Promise<void> {
  await waitUntil(() => supervisorOf([place.mountpoint]) === undefined, 'the supervisor ends')
}

export async function checkClean(volume: string): Promise<void> {
  const { status, stdout } = await oatomic(['check', volume])
  assert.equal(status, 0, stdout)
}

/** Starts a mount that stays in the foreground, and waits until it is live. */
export async function mountForeground(
  context: TestContext,
): Promise<{ readonly place: Place; readonly command: ReturnType<typeof start> }> {
  const place = await makePlace(context)
  const options = `restart,log=${logOf(place)}`
  const line = [ENTRY, '-f', place.volume, place.mountpoint, '-o', options]
  const command = start(process.execPath, line)
  await waitUntil(() => existsSync(logOf(place)), 'there is a log')
  await waitUntil(() => readFileSync(logOf(place), 'utf8') !== '', 'it is mounted')
  await sh(`echo kept > ${place.mountpoint}/file && sync ${place.mountpoint}/file`)
  return { place, command }
}

/** Has the daemon dead, and the supervisor not know it yet, while \`meanwhile\` happens. */
export async function whileDead(place: Place, meanwhile: () => Promise<unknown>): Promise<void> {
  const pid = supervisor(place)
  process.kill(pid, 'SIGSTOP')
  process.kill(daemonOf(place.volume), 'SIGKILL')
  await waitUntil(() => volumeHolder(place.volume) === undefined, 'the daemon is dead')
  try {
    await meanwhile()
  } finally {
    process.kill(pid, 'SIGCONT')
  }
}

/** Directory for PATH in which mount(8) waits as long as there is a file \`hold\`. */
export async function slowMount(
  context: TestContext,
): Promise<{ readonly PATH: string; readonly hold: string }> {
  const { folder } = await makePlace(context)
  const bin = join(folder, 'bin')
  const hold = join(folder, 'hold')
  await mkdir(bin)
  const script = `#!/bin/sh\nwhile [ -e ${hold} ]; do sleep 0.02; done\nexec /usr/bin/mount "$@"\n`
  await writeFile(join(bin, 'mount'), script)
  await chmod(join(bin, 'mount'), 0o755)
  return { PATH: `${bin}:${process.env['PATH'] ?? ''}`, hold }
}
