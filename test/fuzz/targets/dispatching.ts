/**
 * The whole program between the kernel and the disk: any bytes that the device could give are
 * answered once each, no bug is reported, and in the end the volume is in order and what was not
 * addressed is as it was.
 */
import assert from 'node:assert/strict'
import { OPCODE } from '../../../src/fuse/kernel/protocol.ts'
import { type DeviceImage, MemoryDevice } from '../../../src/device/memory-device.ts'
import { u64FromKey } from '../../../src/store/keys.ts'
import { structureFaults } from '../../crash/structure.ts'
import type { Random } from '../../support/random.ts'
import { openTestFilesystem } from '../../support/volume.ts'
import { inTurns, waitUntil } from '../kit/settle.ts'
import type { Input, Target } from '../kit/target.ts'
import { answerFault, isAnswered, opcodeOf } from './answers.ts'
import { type BaseVolume, baseVolume } from './base-volume.ts'
import { DispatchBench } from './dispatch-bench.ts'
import { RequestMaker, WAIT_AT, sealRequest } from './requests.ts'

const base: BaseVolume = await baseVolume()
const QUIET = ['quiet', 'quiet/one', 'quiet/two'].map((path) => base.inos.get(path) ?? 0)

async function run(input: Input): Promise<void> {
  const bench = await DispatchBench.open(base.closed)
  const waiting = new Set<number>()
  const areAnswered = (): boolean => {
    for (const unique of waiting) if (bench.answers.has(unique)) waiting.delete(unique)
    return waiting.size === 0
  }
  for (const [index, request] of input.entries()) {
    if (isAnswered(request)) waiting.add(index)
    bench.send(request, index)
    if (((request[WAIT_AT] ?? 0) & 1) === 0) await mustCome(bench, areAnswered)
  }
  await mustCome(bench, areAnswered)
  checkAnswers(bench, input)
  const { fs } = bench.opened
  await inTurns('finish', fs.finish())
  assert.ok(!fs.context.engine.health.failed, 'the volume is healthy')
  await checkVolume(bench, input)
}

async function mustCome(bench: DispatchBench, areAnswered: () => boolean): Promise<void> {
  const came = await waitUntil(() => areAnswered() || bench.bugs.length > 0)
  // What was thrown tells more than anything that follows from it.
  if (bench.bugs.length > 0) throw bench.bugs[0]
  assert.ok(came, 'every request is answered')
}

function checkAnswers(bench: DispatchBench, input: Input): void {
  assert.deepEqual(bench.faults, [])
  for (const [unique, answer] of bench.answers) {
    const request = input[unique]
    assert.ok(request !== undefined && isAnswered(request), 'an answer belongs to a request')
    const fault = answerFault(request, answer)
    if (fault !== undefined) assert.fail(`opcode ${opcodeOf(request)} is answered by ${fault}`)
  }
}

async function checkVolume(bench: DispatchBench, input: Input): Promise<void> {
  const image = await withoutOrphans(bench.device.image())
  assert.deepEqual(structureFaults(image), [])
  if (QUIET.some((ino) => isAddressed(input, ino))) return
  for (const [key, value] of base.closed.index) {
    if (!'IDXE'.includes(key.slice(0, 1)) || !QUIET.includes(u64FromKey(key, 1))) continue
    assert.ok(Buffer.compare(value, image.index.get(key) ?? Buffer.alloc(0)) === 0, 'is as it was')
  }
}

/** Files without a name that were still open; the next mount frees them. */
async function withoutOrphans(image: DeviceImage): Promise<DeviceImage> {
  if (![...image.index.keys()].some((key) => key.startsWith('O'))) return image
  const device = new MemoryDevice(image)
  const { fs } = await openTestFilesystem(device)
  await inTurns('finish', fs.finish())
  return device.image()
}

/** Whether some request names an inode, wherever a number may stand. */
function isAddressed(input: Input, ino: number): boolean {
  return input.some((request) => {
    const bytes = Buffer.from(request)
    if (bytes.length < 48) return bytes.length >= 24 && bytes.readBigUInt64LE(16) === BigInt(ino)
    const isLink = opcodeOf(request) === OPCODE.LINK || opcodeOf(request) === OPCODE.RENAME
    const ends = [16, 40].slice(0, isLink || opcodeOf(request) === OPCODE.RENAME2 ? 2 : 1)
    return ends.some((at) => bytes.readBigUInt64LE(at) === BigInt(ino))
  })
}

export const dispatching: readonly Target[] = [
  {
    name: 'dispatcher',
    weight: 40,
    generate: (random: Random) => new RequestMaker(random, base).sequence(),
    seal: (input: Input) => input.map(sealRequest),
    run,
  },
]
