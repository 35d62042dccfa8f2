/**
 * libfuse's own example of a filesystem that passes everything on to a folder, passthrough_ll: what C costs
 * in our place, without any of what we are for. Debian's libfuse3-dev has it as a source file.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const SOURCE = '/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c'
const LIBRARY = ['-I/usr/include/fuse3', '-lfuse3', '-lpthread']
const POLL_MS = 20
const MOUNT_TIMEOUT_MS = 10_000
const COMMAND_TIMEOUT_MS = 60_000

export const PASSTHROUGH_NEEDS = 'apt-get install gcc libfuse3-dev'

/** Builds it in a folder; undefined where the machine lacks something for that. */
export function buildPassthrough(folder: string): string | undefined {
  const program = join(folder, 'passthrough_ll')
  if (process.geteuid?.() !== 0 || !existsSync(SOURCE)) return undefined
  const parameters = ['-O2', '-o', program, SOURCE, ...LIBRARY]
  const { status } = spawnSync('gcc', parameters, { timeout: COMMAND_TIMEOUT_MS })
  return status === 0 ? program : undefined
}

/** One mount of it; whatever happens, it does not outlive the bench. */
export class Passthrough {
  readonly path: string
  readonly #daemon: ChildProcess
  readonly #onExit = (): void => {
    this.stop()
  }

  private constructor(path: string, daemon: ChildProcess) {
    this.path = path
    this.#daemon = daemon
    process.on('exit', this.#onExit)
  }

  /** Mounts a new folder with options of its own, `cache=auto` for example. */
  static async start(program: string, folder: string, options: string): Promise<Passthrough> {
    const source = join(folder, 'source')
    const path = join(folder, 'mount')
    mkdirSync(source, { recursive: true })
    mkdirSync(path, { recursive: true })
    const { dev } = statSync(path)
    const parameters = ['-f', '-o', `source=${source},xattr,${options}`, path]
    const daemon = spawn(program, parameters, { stdio: 'ignore' })
    const mounted = new Passthrough(path, daemon)
    const end = performance.now() + MOUNT_TIMEOUT_MS
    while (statSync(path).dev === dev) {
      if (performance.now() > end || daemon.exitCode !== null) {
        mounted.stop()
        throw new Error(`passthrough_ll did not mount "${path}" with ${options}`)
      }
      await new Promise((resolve) => {
        setTimeout(resolve, POLL_MS)
      })
    }
    return mounted
  }

  /** Unmounts; the process ends with that. */
  stop(): void {
    process.off('exit', this.#onExit)
    const parameters = ['-i', '-l', '--', this.path]
    const { status } = spawnSync('umount', parameters, { timeout: COMMAND_TIMEOUT_MS })
    if (status !== 0) this.#daemon.kill('SIGKILL')
  }
}
