/** The worker process, as the bench sees it: each job is a typed call. */
import { Child } from './child.ts'
import type { Jobs } from './jobs.ts'
import { LostUpdateError } from './pages.ts'
import type { JobAnswer } from './worker.ts'

const JOB_TIMEOUT_MS = 300_000

export class Worker {
  readonly #child = new Child('worker')

  /** Throws what the job threw; LostUpdateError as such. */
  async run<Name extends keyof Jobs>(
    name: Name,
    parameters: Parameters<Jobs[Name]>[0],
  ): Promise<ReturnType<Jobs[Name]>> {
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- what worker.ts sends
    const answer = (await this.#child.ask({ name, parameters }, JOB_TIMEOUT_MS)) as JobAnswer
    if (answer.isLostUpdate === true) throw new LostUpdateError(answer.error)
    if (answer.error !== undefined) throw new Error(answer.error)
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- the result of that job
    return answer.result as ReturnType<Jobs[Name]>
  }

  kill(): void {
    this.#child.kill()
  }
}
