/** Runs a workload once and judges what crashes of it could leave. */
import type { TestContext } from 'node:test'
import { Random, testSeed } from '../support/random.ts'
import { type JudgeOptions, judgeLog } from './moments.ts'
import { type Session, type SessionOptions, assertLive, newSession } from './session.ts'

export const BLOCK = 4096

/** Plenty for one test; a workload that waits for ever is a failure. */
export const TIMEOUT = { timeout: 60_000 }

export async function runWorkload(
  context: TestContext,
  work: (session: Session, random: Random) => Promise<void>,
  options: SessionOptions & JudgeOptions = {},
): Promise<void> {
  const random = new Random(testSeed())
  context.diagnostic(`seed ${random.seed}`)
  const session = await newSession({ random: random.fork(), ...options })
  await work(session, random.fork())
  await assertLive(session)
  await judgeLog(context, { log: session.device.log, oracle: session.oracle }, random, options)
}
