/**
 * Starts the daemon in a process of its own, also for the foreground: the size of libuv's pool of
 * threads is settled before the first line of a program runs, so it must be in the environment.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { memfdCreate } from '../fuse/kernel/libc.ts'
import { resolveMountpoint } from '../fuse/kernel/mount-point.ts'
import type { DaemonReport, MountRequest } from './daemon-link.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { supervised } from './supervisor.ts'

const DAEMON = fileURLToPath(new URL('daemon.js', import.meta.url))
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const THREAD_COUNT = 16

/** How a daemon has ended. */
interface End {
  readonly status: number | null
  readonly signal: string | null
}

/** Resolves when the mount is live, or in the foreground when it has ended. Throws CommandError. */
export async function startDaemon(request: MountRequest): Promise<ExitCode> {
  const { settings } = request
  const daemon = settings.restart ? await spawnSupervised(request) : spawnAlone(request)
  const ended = endOf(daemon)
  const stopPassing = passSignals(daemon)
  try {
    await untilLive(daemon, ended, request)
    if (!settings.foreground) return EXIT.ok
    const { status } = await ended
    return status === EXIT.ok ? EXIT.ok : EXIT.failed
  } finally {
    stopPassing()
    letGo(daemon)
  }
}

function spawnAlone(request: MountRequest): ChildProcess {
  return spawnDaemon(process.execPath, parametersOf(request), request, [])
}

/** Starts the daemon below a supervisor; both have the note of all lives as their descriptor 4. */
async function spawnSupervised(request: MountRequest): Promise<ChildProcess> {
  const mountpoint = await resolveMountpoint(request.mountpoint)
  const note = memfdCreate('oatomic-note', 0)
  if (note < 0) throw new CommandError(EXIT.mountFailed, 'Cannot make a file in memory')
  const daemon = [process.execPath, ...parametersOf(request)]
  const [shell, parameters] = supervised(mountpoint, request.settings.foreground, daemon)
  try {
    return spawnDaemon(shell, parameters, request, [note])
  } finally {
    closeSync(note)
  }
}

const parametersOf = (request: MountRequest): readonly string[] => [
  '--enable-source-maps',
  DAEMON,
  JSON.stringify(request),
]

function spawnDaemon(
  command: string,
  parameters: readonly string[],
  { settings: { foreground } }: MountRequest,
  descriptors: readonly number[],
): ChildProcess {
  return spawn(command, parameters, {
    env: { ...process.env, UV_THREADPOOL_SIZE: String(THREAD_COUNT) },
    stdio: foreground
      ? ['ignore', 'inherit', 'inherit', 'ipc', ...descriptors]
      : ['ignore', 'ignore', 'pipe', 'ipc', ...descriptors],
    ...(!foreground && { cwd: '/', detached: true }),
  })
}

async function untilLive(daemon: ChildProcess, ended: Promise<End>, request: MountRequest) {
  let complaints = ''
  daemon.stderr?.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
  const reported = new Promise<DaemonReport>((resolve) => daemon.once('message', resolve))
  // The end comes after the report, if there was one.
  const outcome = await Promise.race([reported, ended])
  if ('type' in outcome) {
    if (outcome.type === 'live') return
    throw new CommandError(outcome.exitCode, outcome.message)
  }
  const how = outcome.signal ?? `exit code ${String(outcome.status)}`
  const reason = complaints === '' ? '' : `: ${complaints}`
  throw new CommandError(
    EXIT.failed,
    `Cannot mount "${request.volume}": the daemon has ended with ${how}${reason}`,
  )
}

function endOf(daemon: ChildProcess): Promise<End> {
  return new Promise((resolve, reject) => {
    daemon.once('error', reject)
    daemon.once('close', (status, signal) => {
      resolve({ status, signal })
    })
  })
}

/** Has the daemon end in order when this process is told to end. */
function passSignals(daemon: ChildProcess): () => void {
  const pass = (signal: NodeJS.Signals) => daemon.kill(signal)
  for (const signal of SIGNALS) process.on(signal, pass)
  return () => {
    for (const signal of SIGNALS) process.off(signal, pass)
  }
}

/** From here on the daemon keeps nothing of this process, nor this process waiting. */
function letGo(daemon: ChildProcess): void {
  daemon.stderr?.destroy()
  if (daemon.connected) daemon.disconnect()
  daemon.unref()
}
