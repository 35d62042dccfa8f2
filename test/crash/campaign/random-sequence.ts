/** Longer sequences of operations chosen by chance, in volumes of different sizes. */
import type { Random } from '../../support/random.ts'
import { Composer } from './composer.ts'
import type { Operation, Workload } from './operations.ts'
import { FILES, openFile, randomOperation } from './random-operation.ts'

/** Single blocks that do not fit a record of the smallest ring. */
const LARGE_BLOCKS = 4200

const FSYNC: Operation = { type: 'fsync', handles: ['a'] }
const EMPTY: Operation = { type: 'truncate', handle: 'a', size: 0 }

export interface RandomOptions {
  readonly ringBlocks?: number
  readonly length?: number
}

export function randomSequence(random: Random, options: RandomOptions = {}): Workload {
  const ringBlocks = options.ringBlocks ?? random.pick([256, 300, 1024])
  const spaceBlocks = random.oneIn(3) ? random.pick([400, 1000]) : 0
  const composer = new Composer(new Set(['/a', '/d/a']), spaceBlocks > 0)
  const length = options.length ?? 4 + random.int(28)
  for (const path of random.shuffle(FILES).slice(0, 3)) {
    composer.add(openFile(path, random))
    composer.add({ type: 'atomic', path, on: !random.oneIn(3) })
  }
  const setup = composer.take()
  const operations: Operation[] = []
  while (operations.length < length) {
    composer.add(randomOperation(composer.world, random))
    operations.push(...composer.take())
  }
  return { ringBlocks, spaceBlocks, timing: 1 + random.int(1_000_000), setup, operations }
}

/** Around commits that write the file's whole map anew, and one that drops it. */
export function largeSequence(random: Random): Workload {
  const composer = new Composer(new Set(['/a']))
  composer.add({ type: 'create', path: '/a', handle: 'a', process: 1 })
  composer.add({ type: 'atomic', path: '/a', on: random.oneIn(2) })
  const setup = composer.take()
  const last = random.oneIn(2) ? scatter(random) : EMPTY
  for (const operation of [scatter(random), FSYNC, last]) {
    composer.add(operation)
    while (random.oneIn(3)) composer.add(randomOperation(composer.world, random))
  }
  composer.add(FSYNC)
  const operations = composer.take()
  return { ringBlocks: 256, spaceBlocks: 0, timing: 1 + random.int(1000), setup, operations }
}

function scatter(random: Random): Operation {
  return { type: 'scatter', handle: 'a', blocks: LARGE_BLOCKS, data: random.int(1000) }
}
