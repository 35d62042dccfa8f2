/**
 * Starts the daemon in a process of its own, also for the foreground: the size of libuv's pool of
 * threads is settled before the first line of a program runs, so it must be in the environment.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { memfdCreate } from '../fuse/kernel/libc.ts'
import { resolveMountpoint } from '../fuse/kernel/mount-point.ts'
import type { DaemonReport, MountRequest } from './daemon-link.ts'
import { DAEMON_ENVIRONMENT, DAEMON_FLAGS } from './daemon-node.ts'
import { diskWaitOf, isEnding } from './end-process.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { supervised } from './supervisor.ts'

const DAEMON = fileURLToPath(new URL('daemon.js', import.meta.url))
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const LOOK_MS = 1000
const STUCK_LOOKS = 3

/** How a daemon has ended. */
interface End {
  readonly status: number | null
  readonly signal: string | null
  /** It has ended or was killed, and cannot go because the disk does not answer. */
  readonly isStuck?: boolean
}

/** Resolves when the mount is live, or in the foreground when it has ended. Throws CommandError. */
export async function startDaemon(request: MountRequest): Promise<ExitCode> {
  const { settings } = request
  const daemon = settings.restart ? await spawnSupervised(request) : spawnAlone(request)
  const ended = Promise.race([endOf(daemon), stuckEndOf(daemon, request)])
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
  ...DAEMON_FLAGS,
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
    env: { ...process.env, ...DAEMON_ENVIRONMENT },
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
  if (outcome.isStuck === true) {
    const reason = 'the disk does not answer, and the daemon cannot end before it does'
    throw new CommandError(EXIT.failed, `Cannot mount "${request.volume}": ${reason}`)
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

/**
 * Resolves when the daemon is seen ending again and again: nobody is told of the end of one that
 * cannot go. Until the mount is live, and the daemon watched from there on, it also ends one that waits
 * for the disk for too long.
 */
async function stuckEndOf(daemon: ChildProcess, request: MountRequest): Promise<End> {
  const { ioTimeoutSeconds } = request.settings
  let isLive = false
  daemon.once('message', () => (isLive = true))
  let endingCount = 0
  let wait = { since: 0, lookCount: 0 }
  for (;;) {
    await sleep(LOOK_MS, undefined, { ref: false })
    if (daemon.pid === undefined || daemon.exitCode !== null || daemon.signalCode !== null) continue
    endingCount = isEnding(daemon.pid) ? endingCount + 1 : 0
    if (endingCount === STUCK_LOOKS) return { status: null, signal: null, isStuck: true }
    const switches = diskWaitOf(daemon.pid)
    if (switches === undefined || isLive) wait = { since: 0, lookCount: 0 }
    else if (switches - wait.since > STUCK_LOOKS) wait = { since: switches, lookCount: 0 }
    else wait.lookCount++
    if (ioTimeoutSeconds > 0 && wait.lookCount >= ioTimeoutSeconds) daemon.kill('SIGKILL')
  }
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
