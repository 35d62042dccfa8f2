/**
 * Handles of an isolated file, on the filesystem and on the model: each publish is a step of the oracle,
 * and one that is refused is none.
 */
import assert from 'node:assert/strict'
import { FsError } from '../../src/errors.ts'
import { ReferenceFile, ReferenceHandle } from '../isolation/reference.ts'
import { Random } from '../support/random.ts'
import { CALLER, O_RDWR, writeRequest } from '../support/volume.ts'
import { current } from './content-steps.ts'
import { setAtomicTo } from './file-steps.ts'
import { changeNode, inoAt } from './model.ts'
import type { Session } from './session.ts'

const WRITER_COUNT = 3
/** No other process has such a number. */
const FIRST_PID = 900_000
/** As long as what spills to the disk at once. */
const LARGE = 70 * 4096

interface Writer {
  readonly fh: number
  readonly pid: number
  readonly model: ReferenceHandle
}

/**
 * Isolates a file that nobody has open, has handles change and publish it so many times, and makes it what
 * it was before. Requires: there is space.
 */
export async function useIsolated(
  session: Session,
  path: string,
  count: number,
  random: Random,
): Promise<void> {
  const { fs, oracle } = session
  const ino = inoAt(oracle.live, path)
  const before = oracle.live.nodes.get(ino)?.xattrs.get('user.atomic')
  await setAtomicTo(session, path, 'isolated')
  const content = Buffer.from(current(session, ino))
  const file = new ReferenceFile(content)
  const reader = await fs.open(ino, 0, CALLER)
  const writers = await openWriters(session, ino, file)
  for (let i = 0; i < count; i++) {
    const writer = random.pick(writers)
    if (random.oneIn(8)) session.engine.checkpointer.start()
    await change(session, ino, writer, random)
    if (random.oneIn(2)) await publish(session, ino, random.pick(writers), file)
  }
  for (const writer of writers) await close(session, ino, writer, file)
  const seen = Buffer.concat(await fs.read(reader.fh, 0, content.length + 1))
  assert.ok(seen.equals(content), 'a reader sees what was published when it opened')
  await fs.release(reader.fh)
  await setAtomicTo(session, path, before)
}

async function openWriters(session: Session, ino: number, file: ReferenceFile): Promise<Writer[]> {
  const writers: Writer[] = []
  for (let i = 0; i < WRITER_COUNT; i++) {
    const pid = FIRST_PID + i
    const { fh } = await session.fs.open(ino, O_RDWR, { ...CALLER, pid })
    session.processes.states.set(pid, 'running')
    writers.push({ fh, pid, model: new ReferenceHandle(file) })
  }
  return writers
}

async function change(
  { fs }: Session,
  ino: number,
  { fh, model }: Writer,
  random: Random,
): Promise<void> {
  if (random.oneIn(6)) {
    const size = random.int(model.seen.length + 5000)
    await fs.setAttributes(ino, { size, fh })
    model.truncate(size)
    return
  }
  const isLarge = random.oneIn(8)
  const at = isLarge ? random.int(4) * 4096 : random.int(model.seen.length + 100)
  const data = random.bytes(isLarge ? LARGE : 1 + random.int(3000))
  await fs.write(fh, writeRequest(at, data))
  model.write(at, data)
}

async function publish(
  { fs, oracle }: Session,
  ino: number,
  { fh, model }: Writer,
  file: ReferenceFile,
): Promise<void> {
  const isStaged = model.isStaged
  if (!model.publish()) {
    await assert.rejects(
      fs.fsync(fh),
      (error) => error instanceof FsError && error.code === 'EBUSY',
    )
    return
  }
  const content = file.newest
  await oracle.step({
    apply: (state) => {
      if (isStaged) changeNode(state, ino, { content })
    },
    isDurable: true,
    run: async () => fs.fsync(fh),
  })
}

/** One that has something staged publishes it, or dies where that is refused. */
async function close(
  session: Session,
  ino: number,
  writer: Writer,
  file: ReferenceFile,
): Promise<void> {
  const { fs, processes } = session
  await publish(session, ino, writer, file)
  const caller = { ...CALLER, pid: writer.pid }
  if (writer.model.isStaged) processes.states.set(writer.pid, 'died')
  await fs.flush(writer.fh, caller)
  await fs.release(writer.fh)
}
