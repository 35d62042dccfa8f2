/**
 * The file by which workers know whether the mount has to work: "NUMBER MODE", the number odd while
 * it is harmed. It turns odd before any harm is done, and even after the mount has come back.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { invariant } from '../../src/errors.ts'

const NUMBER_WIDTH = 10

export class Control {
  readonly #fd: number
  #number = 1
  #mode = 'run'

  constructor(state: string) {
    this.#fd = openSync(join(state, 'control'), 'w')
    this.#write()
  }

  get isCalm(): boolean {
    return this.#number % 2 === 0
  }

  beginHarm(): void {
    invariant(this.isCalm, 'one harm at a time')
    this.#number++
    this.#write()
  }

  endHarm(): void {
    invariant(!this.isCalm, 'there was harm')
    this.#number++
    this.#write()
  }

  /** Has workers end as soon as they wait. */
  stop(): void {
    this.#mode = 'stop'
    this.#write()
  }

  close(): void {
    closeSync(this.#fd)
  }

  #write(): void {
    writeSync(this.#fd, `${String(this.#number).padStart(NUMBER_WIDTH, '0')} ${this.#mode}\n`, 0)
  }
}
