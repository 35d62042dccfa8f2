/** Child processes that answer each message with one, within a time, and die with this process. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { DAEMON_ENVIRONMENT, DAEMON_FLAGS } from '../src/cli/daemon-node.ts'

const live = new Set<ChildProcess>()

process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL')
})

export class Child {
  /** Resolves with how the process ended: 0 is in order. */
  readonly ended: Promise<number | string>
  readonly #name: string
  readonly #process: ChildProcess
  #waiting: { resolve(answer: unknown): void; reject(reason: Error): void } | undefined
  #failure: Error | undefined

  /** Starts a compiled program beside this one. */
  constructor(name: string, parameters: readonly string[] = []) {
    this.#name = name
    const program = fileURLToPath(new URL(`${name}.js`, import.meta.url))
    this.#process = fork(program, [...parameters], {
      serialization: 'advanced',
      // What the command gives its daemon.
      env: { ...process.env, ...DAEMON_ENVIRONMENT },
      execArgv: [...DAEMON_FLAGS],
    })
    live.add(this.#process)
    this.ended = new Promise((resolve) => {
      this.#process.on('exit', (status, signal) => {
        live.delete(this.#process)
        const outcome = status ?? signal ?? 0
        this.#failure = new Error(`The ${name} process has ended with ${outcome}`)
        this.#waiting?.reject(this.#failure)
        resolve(outcome)
      })
    })
    this.#process.on('message', (answer) => {
      this.#waiting?.resolve(answer)
    })
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Sends a message, if there is one, and waits for the next answer. */
  async ask(message: object | undefined, timeoutMs: number): Promise<unknown> {
    if (this.#failure !== undefined) throw this.#failure
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject }
        timer = setTimeout(() => {
          reject(new Error(`The ${this.#name} process did not answer within ${timeoutMs} ms`))
        }, timeoutMs)
        if (message !== undefined) this.#process.send(message)
      })
    } finally {
      clearTimeout(timer)
      this.#waiting = undefined
    }
  }

  /** Asks the process to end, by closing its channel; kills it when it does not within the time. */
  async stop(timeoutMs: number): Promise<number | string> {
    if (this.#process.connected) this.#process.disconnect()
    const timer = setTimeout(() => {
      this.kill()
    }, timeoutMs)
    const outcome = await this.ended
    clearTimeout(timer)
    return outcome
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}
