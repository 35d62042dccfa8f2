/** Recovers volumes in a process of its own: see recover-server.ts. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Lifetime, atEnd } from '../support/devices/at-end.ts'
import type { RecoverAnswer, RecoverRequest, Recovered } from './recover-server.ts'

const SERVER = fileURLToPath(new URL('recover-server.js', import.meta.url))
const TIMEOUT_MS = 60_000

export class Recoverer {
  #child: ChildProcess | undefined
  #lastNumber = 0

  constructor(context: Lifetime) {
    atEnd(context, () => {
      this.#child?.kill('SIGKILL')
    })
  }

  /** Opens a volume, reads all of it, closes and checks it. Throws what opening it throws. */
  async recover(volume: string): Promise<Recovered> {
    const { recovered } = await this.#tell({ verb: 'recover', volume })
    if (recovered === undefined) throw new Error('Recovering has no result')
    return recovered
  }

  /** Makes a small volume. Throws what that throws. */
  async make(volume: string): Promise<void> {
    await this.#tell({ verb: 'make', volume })
  }

  async #tell(request: Omit<RecoverRequest, 'number'>): Promise<RecoverAnswer> {
    const number = ++this.#lastNumber
    const child = (this.#child ??= start())
    let timer: NodeJS.Timeout | undefined
    const answer = await new Promise<RecoverAnswer>((resolve) => {
      const end = (error: string): void => {
        child.kill('SIGKILL')
        this.#child = undefined
        resolve({ number, error })
      }
      timer = setTimeout(() => {
        end('Recovery does not end')
      }, TIMEOUT_MS)
      child.removeAllListeners()
      child.once('message', resolve)
      child.once('exit', (status, signal) => {
        end(`Recovery has ended the process with ${signal ?? String(status)}`)
      })
      child.send({ ...request, number }, () => undefined)
    })
    clearTimeout(timer)
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
}

function start(): ChildProcess {
  return fork(SERVER, [], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
}

/** What was read. Fails unless recovery and check were content. */
export function stateOf({ state, damage, findings }: Recovered): Recovered['state'] {
  assert.equal(damage, undefined)
  assert.deepEqual(findings, [])
  return state
}
