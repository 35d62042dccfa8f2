/**
 * Runs commands as a user does. Nothing here looks into a mount: a mount that hangs would take the
 * test with it, so that is left to commands that can be killed.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { supervisorOf } from '../../../src/cli/supervisor.ts'
import { volumeHolder } from '../../../src/device/volume-lock.ts'

export const ENTRY = fileURLToPath(new URL('../../../mount.js', import.meta.url))

const COMMAND_TIMEOUT_MS = 45_000
const CLOSED_TIMEOUT_MS = 20_000

export interface Result {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Starts a command whose output is collected; `ended` resolves when it has ended. */
export function start(
  command: string,
  parameters: readonly string[],
  options: RunOptions = {},
): {
  readonly child: ChildProcess
  readonly ended: Promise<Result>
  readonly stderr: () => string
} {
  const child = spawn(command, parameters, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: COMMAND_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = new Promise<Result>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => {
      resolve({ status, stdout, stderr })
    })
  })
  return { child, ended, stderr: () => stderr }
}

export function oatomic(parameters: readonly string[], options: RunOptions = {}): Promise<Result> {
  return start(process.execPath, [ENTRY, ...parameters], options).ended
}

/** Runs a line of shell and returns what it prints. Throws when it fails. */
export async function sh(line: string): Promise<string> {
  const { status, stdout, stderr } = await start('sh', ['-c', line]).ended
  assert.equal(status, 0, `${line}: ${stderr}`)
  return stdout
}

/** Runs a command that must succeed without a word on stderr. */
export async function succeed(parameters: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await oatomic(parameters)
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' }, parameters.join(' '))
  return stdout
}

/** Runs a command that must fail with this exit code and one line. */
export async function refuse(
  parameters: readonly string[],
  exitCode: number,
  message: RegExp,
  options: RunOptions = {},
): Promise<void> {
  const { status, stdout, stderr } = await oatomic(parameters, options)
  assert.equal(stdout, '')
  assert.match(stderr, message)
  assert.match(stderr, /^oatomic: [^\n]+\n$/)
  assert.equal(status, exitCode)
}

export async function makeFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'oatomic-cli-'))
  context.after(() => rm(folder, { recursive: true }))
  return folder
}

export interface Place {
  readonly folder: string
  readonly volume: string
  readonly mountpoint: string
}

/** A new volume and a mount point; whatever is mounted there ends with the test. */
export async function makePlace(context: TestContext): Promise<Place> {
  assert.ok(existsSync('/dev/fuse'), 'This test needs /dev/fuse: run "modprobe fuse"')
  assert.equal(process.getuid?.(), 0, 'This test must run as root')
  const folder = await mkdtemp(join(tmpdir(), 'oatomic-cli-'))
  const place = { folder, volume: join(folder, 'volume'), mountpoint: join(folder, 'mnt') }
  context.after(async () => {
    const supervisor = supervisorOf([place.mountpoint])
    if (supervisor !== undefined) process.kill(supervisor, 'SIGKILL')
    await start('umount', ['-i', '-l', place.mountpoint]).ended
    await endDaemon(place.volume, 'SIGKILL')
    await rm(folder, { recursive: true })
  })
  await mkdir(place.mountpoint)
  await succeed(['make', place.volume, '--ring-size', '1M'])
  return place
}

/** The daemon of a volume that is mounted. */
export function daemonOf(volume: string): number {
  const pid = volumeHolder(volume)
  assert.ok(pid !== undefined && pid > 0 && pid !== process.pid, 'the volume has a daemon')
  return pid
}

export async function endDaemon(volume: string, signal: NodeJS.Signals): Promise<void> {
  const pid = volumeHolder(volume)
  if (pid === undefined || pid === process.pid) return
  process.kill(pid, signal)
  await waitUntil(() => volumeHolder(volume) === undefined, 'the daemon closes the volume')
}

export async function waitUntil(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + CLOSED_TIMEOUT_MS
  while (!condition()) {
    assert.ok(performance.now() < deadline, `It does not happen that ${what}`)
    await sleep(10)
  }
}
