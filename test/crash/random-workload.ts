/** Steps chosen by chance, over a few files in two directories. */
import type { Random } from '../support/random.ts'
import { expectFull } from './expect.ts'
import * as attributes from './attribute-steps.ts'
import * as files from './file-steps.ts'
import { inoAt } from './model.ts'
import * as names from './name-steps.ts'
import { BLOCK } from './run-workload.ts'
import type { Session } from './session.ts'

const FILES = ['/a', '/b', '/c', '/d/a', '/d/b', `/d/${'n'.repeat(230)}`]
const SIZE_MAX = 150 * BLOCK

type RandomStep = (session: Session, random: Random, path: string) => Promise<void>

/** Each kind as often as it stands here. */
const STEPS: readonly RandomStep[] = [
  ...Array<RandomStep>(6).fill(writeSmall),
  ...Array<RandomStep>(2).fill(writeLarge),
  truncate,
  reopen,
  reopen,
  ...Array<RandomStep>(3).fill(async (session, _, path) => files.fsync(session, path)),
  fsyncTogether,
  async (session, random, path) => files.setAtomic(session, path, random.oneIn(2)),
  async (session, _, path) => files.rollback(session, path),
  async (session, random, path) =>
    attributes.changeMode(session, path, random.pick([0o600, 0o644, 0o755])),
  link,
  rename,
  rename,
  remove,
  remove,
  async (session) => files.writeBack(session),
  async (session) => names.fsyncDirectory(session),
  async (session) => names.reap(session),
  async (session) => names.checkpoint(session),
  async (session) => {
    session.engine.checkpointer.start()
  },
]

export async function randomWorkload(
  session: Session,
  random: Random,
  stepCount: number,
): Promise<void> {
  await names.makeDirectory(session, '/d')
  for (let step = 0; step < stepCount; step++) {
    const path = random.pick(FILES)
    await ensureOpen(session, random, path)
    if (session.handles.has(path)) await random.pick(STEPS)(session, random, path)
  }
}

async function ensureOpen(session: Session, random: Random, path: string): Promise<void> {
  const { live } = session.oracle
  if (!live.names.has(path)) {
    await (random.oneIn(2) ? files.createAtomic(session, path) : files.create(session, path))
  } else if (![...session.handles.values()].some(({ ino }) => ino === inoAt(live, path))) {
    await files.open(session, path, random.oneIn(4)).catch(expectFull)
  }
}

async function writeSmall(session: Session, random: Random, path: string): Promise<void> {
  const at = random.oneIn(3) ? files.contentNow(session, path).length : random.int(SIZE_MAX)
  await files.write(session, path, at, random.bytes(1 + random.int(4 * BLOCK))).catch(expectFull)
}

async function writeLarge(session: Session, random: Random, path: string): Promise<void> {
  const data = random.bytes((60 + random.int(40)) * BLOCK)
  await files.write(session, path, random.int(60) * BLOCK, data).catch(expectFull)
}

async function truncate(session: Session, random: Random, path: string): Promise<void> {
  const { length } = files.contentNow(session, path)
  await files
    .truncate(session, path, random.int(random.oneIn(3) ? SIZE_MAX : length + 1))
    .catch(expectFull)
}

async function reopen(session: Session, random: Random, path: string): Promise<void> {
  await files.close(session, path)
  if (random.oneIn(2)) await files.open(session, path)
}

async function fsyncTogether(session: Session, random: Random): Promise<void> {
  await files.fsync(session, ...random.shuffle([...session.handles.keys()]).slice(0, 3))
}

async function link(session: Session, random: Random, path: string): Promise<void> {
  const newPath = random.pick(FILES)
  if (!session.oracle.live.names.has(newPath)) await names.link(session, path, newPath)
}

async function rename(session: Session, random: Random, path: string): Promise<void> {
  const to = random.pick(FILES)
  const { live } = session.oracle
  const replaced = live.names.get(to)
  if (replaced === inoAt(live, path)) return
  if (replaced !== undefined) await closeAll(session, replaced)
  await names.rename(session, path, to)
  forgetIfGone(session, replaced)
}

async function remove(session: Session, random: Random, path: string): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  const { nlink } = await session.fs.getAttributes(ino)
  // Some stay open, and so become orphans when the crash comes.
  const stays = nlink === 1 && random.oneIn(2)
  if (!stays) await closeAll(session, ino)
  await names.unlink(session, path)
  if (stays) session.handles.delete(path)
  else forgetIfGone(session, ino)
}

async function closeAll(session: Session, ino: number): Promise<void> {
  for (const [path, opened] of session.handles) {
    if (opened.ino === ino) await files.close(session, path)
  }
}

function forgetIfGone(session: Session, ino: number | undefined): void {
  if (ino !== undefined && !session.oracle.live.nodes.has(ino)) files.forget(session, ino)
}
