/**
 * A volume on an ext4 on a disk that fails and hangs on demand, mounted by the real program. Whatever
 * looks at the mount or at the disk is a process of its own with a time limit, because it may hang.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { volumeHolder } from '../../../src/device/volume-lock.ts'
import { type Lifetime, atEnd } from '../../support/devices/at-end.ts'
import { type Outcome, attempt } from '../../support/loop-disk/commands.ts'
import {
  makeHostFilesystem,
  makeHostFolder,
  mountHost,
  removeMounts,
  unmountHost,
} from '../../support/loop-disk/host-filesystem.ts'
import { LoopDisk } from '../../support/loop-disk/loop-disk.ts'

const ENTRY = fileURLToPath(new URL('../../../mount.js', import.meta.url))
const MIB = 1024 * 1024
const WAIT_MS = 40_000
const POLL_MS = 50

/** A line of the daemon's log. */
export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly err?: { readonly message: string }
}

export const WARN = 40
export const FATAL = 60

export class BadDisk {
  readonly disk: LoopDisk
  readonly host: string
  readonly folder: string
  readonly mountpoint: string
  readonly volume: string
  #daemon: ChildProcess | undefined
  #ended: Promise<number | null> = Promise.resolve(null)

  private constructor(disk: LoopDisk, host: string, folder: string) {
    this.disk = disk
    this.host = host
    this.folder = folder
    this.mountpoint = join(folder, 'mount')
    this.volume = join(host, 'volume')
  }

  static async make(context: Lifetime, sizeBytes = 320 * MIB): Promise<BadDisk> {
    const disk = await LoopDisk.start(context, { sizeBytes })
    await makeHostFilesystem('ext4', disk.device)
    const host = await makeHostFolder(context)
    await mountHost('ext4', disk.device, host)
    const folder = await mkdtemp(join(tmpdir(), 'oatomic-bad-'))
    const bad = new BadDisk(disk, host, folder)
    atEnd(context, async () => {
      await disk.heal().catch(() => undefined)
      await removeMounts(bad.mountpoint)
      bad.#daemon?.kill('SIGKILL')
      await Promise.race([bad.#ended, sleep(10_000, undefined, { ref: false })])
      await rm(folder, { recursive: true, force: true })
    })
    await mkdir(bad.mountpoint)
    const made = await bad.oatomic(['make', bad.volume, '--ring-size', '4M'])
    assert.equal(made.status, 0, made.stderr)
    return bad
  }

  /** The daemon's log up to now. */
  get log(): readonly LogLine[] {
    const lines = readFileSync(this.logFile, 'utf8').trim().split('\n')
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by the daemon
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as LogLine)
  }

  get logFile(): string {
    return join(this.folder, 'log')
  }

  /** Lines of the log of a level from `level` on. */
  loud(level: number): string[] {
    return this.log.filter((line) => line.level >= level).map(({ msg }) => msg)
  }

  oatomic(parameters: readonly string[], timeoutMs = WAIT_MS): Promise<Outcome> {
    return attempt(process.execPath, [ENTRY, ...parameters], timeoutMs)
  }

  /** Mounts in the foreground; resolves when the mount is live. */
  async mount(ioTimeoutSeconds: number): Promise<void> {
    const before = this.countMounted()
    const options = `iotimeout=${ioTimeoutSeconds},log=${this.logFile}`
    const parameters = [ENTRY, 'mount', '-f', this.volume, this.mountpoint, '-o', options]
    const daemon = spawn(process.execPath, parameters, { stdio: ['ignore', 'ignore', 'inherit'] })
    this.#daemon = daemon
    this.#ended = new Promise((resolve) => daemon.once('exit', resolve))
    await this.until(() => this.countMounted() > before, 'the mount is live')
  }

  private countMounted(): number {
    try {
      return this.log.filter(({ msg }) => msg === 'mounted').length
    } catch {
      return 0
    }
  }

  /** What the program that has mounted in the foreground ends with. */
  async ended(): Promise<number | null> {
    const late = sleep(WAIT_MS, undefined, { ref: false }).then(() => {
      throw new Error('The daemon does not end')
    })
    return Promise.race([this.#ended, late])
  }

  signal(signal: NodeJS.Signals): void {
    this.#daemon?.kill(signal)
  }

  /** Kills the daemon, and with it the program that waits for it. */
  async kill(): Promise<void> {
    const pid = volumeHolder(this.volume)
    assert.ok(pid !== undefined && pid > 0, 'the volume has a daemon')
    process.kill(pid, 'SIGKILL')
    await this.ended()
  }

  /** Unmounts the host's filesystem and mounts it again: what its cache had is gone. */
  async remountHost(): Promise<void> {
    await unmountHost(this.host)
    await mountHost('ext4', this.disk.device, this.host)
  }

  /** Runs a Python program on the mount; its own lines are all that counts. */
  python(program: string, timeoutMs = WAIT_MS): Promise<Outcome> {
    const prelude = `import os, sys, time, errno\nos.chdir(${JSON.stringify(this.mountpoint)})\n`
    return attempt('python3', ['-c', prelude + program], timeoutMs)
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + WAIT_MS
    while (!condition()) {
      assert.ok(performance.now() < deadline, `It does not happen that ${what}`)
      await sleep(POLL_MS)
    }
  }
}

/** Changes an atomic file and makes new ones, and says what fsync has returned for. */
const WRITER = `
content = lambda n: (b'%08d' % n) * 2500
def run(seconds, first=0):
    end, n, step = time.time() + seconds, first, 'open'
    try:
        while time.time() < end:
            n += 1
            step = 'open'; fd = os.open('atomic', os.O_RDWR | os.O_CREAT)
            if n == 1: os.setxattr('atomic', 'user.atomic', b'1')
            step = 'write'; os.pwrite(fd, content(n), 0)
            step = 'fsync'; os.fsync(fd)
            print('atomic', n, flush=True)
            step = 'close'; os.close(fd)
            step = 'open'; fd = os.open('f%d' % (n % 40), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            step = 'write'; os.write(fd, content(n)[:7000])
            step = 'fsync'; os.fsync(fd)
            print('file', n, flush=True)
            step = 'close'; os.close(fd)
    except OSError as error: print('error', errno.errorcode[error.errno], step, flush=True)
`

export interface Written {
  /** The last number that was acknowledged for the atomic file, and for new files. */
  readonly atomic: number
  readonly file: number
  /** The errno that ended it, and in what call. */
  readonly error: string | undefined
}

/** Writes until an error, or for some seconds. */
export async function write(bad: BadDisk, seconds: number, first = 0): Promise<Written> {
  const { stdout } = await bad.python(`${WRITER}\nrun(${seconds}, ${first})`)
  const last = (name: string): string | undefined =>
    [...stdout.matchAll(new RegExp(`^${name} (.+)$`, 'gm'))].at(-1)?.[1]
  return {
    atomic: Number(last('atomic') ?? 0),
    file: Number(last('file') ?? 0),
    error: last('error'),
  }
}

/** Writes in vain in the end: `spoil` comes while it is at it. */
export async function writeWhile(bad: BadDisk, spoil: () => Promise<void>): Promise<Written> {
  const before = await write(bad, 0.3)
  assert.ok(before.file > 0 && before.error === undefined, 'the disk works at first')
  const writing = write(bad, 30, before.atomic)
  await sleep(700)
  await spoil()
  const { atomic, file, error } = await writing
  return { atomic: Math.max(atomic, before.atomic), file: Math.max(file, before.file), error }
}

/** Requires everything that was acknowledged, whole, and nothing else that is half there. */
export async function assertKept(bad: BadDisk, { atomic, file }: Written): Promise<void> {
  const program = `${WRITER}
with open('atomic', 'rb') as f: found = f.read()
n = int(found[:8]); assert found == content(n), len(found); assert ${atomic} <= n <= ${atomic} + 1, n
for n in range(max(1, ${file} - 38), ${file} + 1):
    with open('f%d' % (n % 40), 'rb') as f: assert f.read() == content(n)[:7000], n
print('kept')`
  const { stdout, stderr } = await bad.python(program)
  assert.equal(stdout, 'kept\n', stderr)
}

/** Mounts on the disk that works again, finds everything, writes on, and closes in order. */
export async function assertRecovers(bad: BadDisk, written: Written): Promise<void> {
  await bad.mount(60)
  await assertKept(bad, written)
  const { error } = await write(bad, 0.5, written.atomic + 1)
  assert.equal(error, undefined)
  const { status, stderr } = await bad.oatomic(['unmount', bad.mountpoint])
  assert.equal(status, 0, stderr)
  assert.equal(await bad.ended(), 0)
  const check = await bad.oatomic(['check', bad.volume])
  assert.equal(check.status, 0, check.stdout)
}
