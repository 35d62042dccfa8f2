/** The process that measures: runs one job after another for its parent. */
import process from 'node:process'
import { JOBS, type Jobs } from './jobs.ts'
import { LostUpdateError } from './pages.ts'

export interface JobRequest {
  readonly name: keyof Jobs
  readonly parameters: unknown
}

export interface JobAnswer {
  readonly result?: unknown
  readonly error?: string
  readonly isLostUpdate?: boolean
}

function execute({ name, parameters }: JobRequest): JobAnswer {
  try {
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- checked where it was sent
    const job = JOBS[name] as (parameters: unknown) => unknown
    return { result: job(parameters) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { error: message, isLostUpdate: error instanceof LostUpdateError }
  }
}

process.on('message', (request: JobRequest) => {
  process.send?.(execute(request), undefined, undefined, (error) => {
    // Nobody waits for the answer any more.
    if (error !== null) process.exit(1)
  })
})
