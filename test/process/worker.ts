/** A process that works on a mount: whatever hangs there hangs it, and it can be killed. */
import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { startPython } from '../mount/support/run.ts'
import { type Lifetime, atEnd } from '../support/devices/at-end.ts'
import { type State, emptyState } from '../crash/model.ts'
import {
  type ObservedNode,
  WORKER_PROGRAM,
  type WorkerAnswer,
  type WorkerCommand,
} from './worker-program.ts'

const ANSWER_TIMEOUT_MS = 60_000
const LIFE_MS = 3_600_000

export class Worker {
  readonly #running: ReturnType<typeof startPython>
  readonly #lines: AsyncIterator<string>

  constructor(
    context: Lifetime,
    mountpoint: string,
    environment: Readonly<Record<string, string>> = {},
  ) {
    const options = { timeoutMs: LIFE_MS, environment }
    this.#running = startPython(WORKER_PROGRAM, [mountpoint], options)
    const { stdout } = this.#running.process
    assert.ok(stdout !== null)
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
    atEnd(context, () => {
      this.#running.process.kill('SIGKILL')
    })
  }

  /** Fails when the call fails. */
  async run(command: WorkerCommand): Promise<WorkerAnswer> {
    this.#running.tell(JSON.stringify(command))
    const answer = await this.#answer(command)
    const { path = '' } = 'path' in command ? command : {}
    assert.equal(answer.error, undefined, `${command.do} ${path}`)
    return answer
  }

  async observe(): Promise<State> {
    const { nodes = [] } = await this.run({ do: 'observe' })
    return stateOf(nodes)
  }

  /** Ends it, so that it uses the mount no more. */
  async end(): Promise<void> {
    this.#running.process.stdin?.end()
    await this.#running.ended
  }

  async #answer(command: WorkerCommand): Promise<WorkerAnswer> {
    const timer = setTimeout(() => {
      this.#running.process.kill('SIGKILL')
    }, ANSWER_TIMEOUT_MS)
    const line = await this.#lines.next()
    clearTimeout(timer)
    if (line.done === true) {
      const { stderr, signal = '' } = await this.#running.ended
      assert.fail(`The worker has ended during ${command.do}: ${signal} ${stderr}`)
    }
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by worker-program.ts
    return JSON.parse(line.value) as WorkerAnswer
  }
}

function stateOf(nodes: readonly ObservedNode[]): State {
  const state = emptyState()
  for (const { path, ino, mode, content, xattrs } of nodes) {
    state.names.set(path, ino)
    state.nodes.set(ino, {
      mode,
      content: decode(content),
      xattrs: new Map(xattrs.map(([name, value]) => [name, decode(value).toString('latin1')])),
    })
  }
  return state
}

function decode(text: string): Buffer {
  return Buffer.from(text, 'base64')
}
