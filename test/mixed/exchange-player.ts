/** Plays XFS's exchange ioctls. */
import { answerOf } from '../support/answer.ts'
import { COMMIT_RANGE, EXCHANGE_RANGE, START_COMMIT, encodeExchange } from '../support/exchange.ts'
import { type ExchangeStep, adoptHoles, apply, exchange, takeSample } from './exchange.ts'
import { type Doing, FILE_MAX, type World } from './world.ts'

const DESCRIPTOR = 7

export async function playSample(world: World, { slot }: Doing<'sample'>): Promise<boolean> {
  const handle = world.slots.get(slot)
  if (handle === undefined || handle.model.file.isIsolated) return false
  world.opened.processes.memoryContent = new Uint8Array(40)
  const bytes = Buffer.from(await world.ioctl(handle, START_COMMIT))
  world.sample = { bytes, model: takeSample(handle.model.file) }
  return true
}

export async function playExchange(world: World, step: ExchangeStep): Promise<boolean> {
  const [first, second] = [world.slots.get(step.first), world.slots.get(step.slot)]
  if (first === undefined || second === undefined) return false
  if (step.isCommit && world.sample === undefined) return false
  const sizes = [first, second].map(({ model }) => model.view.seen.length)
  if (Math.max(...sizes) > FILE_MAX / 2) return false
  const before = [first.model.view.seen, second.model.view.seen] as const
  const { answers, contents } = exchange(step, first.model, second.model, world.sample?.model)
  const { ino, flags } = first
  world.opened.processes.descriptors.set(DESCRIPTOR, { ino, flags })
  const argument = encodeExchange({ descriptor: DESCRIPTOR, ...step, flags: flagsOf(step) })
  const command = step.isCommit ? COMMIT_RANGE : EXCHANGE_RANGE
  const rest = step.isCommit ? (world.sample?.bytes.subarray(40) ?? []) : []
  const input = Buffer.concat([argument, Buffer.from(rest)])
  const answer = await answerOf(() => world.ioctl(second, command, input))
  world.assertAnswer(answer, answers)
  if (answer !== 'ok' || contents === undefined) return true
  if (!step.writtenOnly) {
    apply(world.model, step, first.model, second.model, contents)
    return true
  }
  const found = [await world.seen(first.fh), await world.seen(second.fh)] as const
  const adopted = adoptHoles(step, before, contents, found)
  apply(world.model, step, first.model, second.model, adopted)
  return true
}

function flagsOf({ toEnd, durable, dryRun, writtenOnly }: ExchangeStep): number {
  return Number(toEnd) | (Number(durable) << 1) | (Number(dryRun) << 2) | (Number(writtenOnly) << 3)
}
