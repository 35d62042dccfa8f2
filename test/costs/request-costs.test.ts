/**
 * Goal: operations cost what the design says, in requests of the kernel. Counted, not timed: each is a
 * round trip, so a change that has the kernel ask again for what it knew fails here, and has to say why.
 * The mount is served by this process; what uses it runs in another.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pino } from 'pino'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import { IoRing } from '../../src/fuse/kernel/io-ring.ts'
import { KernelLink } from '../../src/fuse/kernel/kernel-link.ts'
import { KernelSession } from '../../src/fuse/kernel/session.ts'
import { startPython } from '../mount/support/run.ts'
import * as v from '../support/volume.ts'

const TEST = { timeout: 60_000 }
const FILE_COUNT = 100

type Counts = Readonly<Record<string, number>>

/**
 * What the kernel sends whenever it likes, with times if its clock has ticked since; and what a listing
 * does for itself.
 */
const UNCOUNTED = new Set(['forget', 'release', 'releaseDirectory', 'setAttributes', 'remember'])

/** Counts calls by name. */
function counted(filesystem: Filesystem, counts: Map<string, number>): Filesystem {
  return new Proxy(filesystem, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...parameters: unknown[]): unknown => {
        const key = String(name)
        if (!UNCOUNTED.has(key)) counts.set(key, (counts.get(key) ?? 0) + 1)
        return Reflect.apply(value, target, parameters)
      }
    },
  })
}

/** Runs a program on a new mount, and holds each part of it, up to a `say`, to what it may cost. */
async function costs(
  context: TestContext,
  program: string,
  expected: readonly (readonly [name: string, Counts])[],
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'oatomic-costs-'))
  const device = new MemoryDevice(emptyImage(1024))
  await v.makeTestVolume(device)
  const link = new KernelLink()
  const { fs } = await v.openTestFilesystem(device, { kernel: link, newFiles: 'shared' })
  const counts = new Map<string, number>()
  const session = await KernelSession.start({
    filesystem: counted(fs, counts),
    link,
    mountpoint: folder,
    source: 'costs',
    log: pino({ enabled: false }),
    onBug: (error) => {
      throw error
    },
    mount: { standard: [], allowOther: false },
  })
  const client = startPython(program, [folder])
  context.after(async () => {
    await client.killed()
    await session.unmount()
    await rm(folder, { recursive: true })
  })
  for (const [name, wanted] of expected) {
    await client.said(`before ${name}`)
    counts.clear()
    client.tell('go on')
    await client.said(name)
    assert.deepEqual(Object.fromEntries(counts), wanted, name)
    client.tell('go on')
  }
  assert.equal((await client.ended).status, 0)
}

const PRELUDE = `
import time
path = sys.argv[1]
page = b'x' * 4096
def at(name): return os.path.join(path, name)
def part(name, work):
    say('before ' + name)
    sys.stdin.readline()
    work()
    say(name)
    sys.stdin.readline()
`

test('requests of one file', TEST, async (context) => {
  const program = `${PRELUDE}
def make(): os.close(os.open(at('file'), os.O_CREAT | os.O_RDWR, 0o644))
part('a new file', make)
fd = os.open(at('file'), os.O_RDWR)
os.pwrite(fd, page * 256, 0)
os.fsync(fd)
def pages(count):
    for i in range(count): os.pwrite(fd, page, i * 3 * 4096)
    os.fsync(fd)
pages(1)
part('1 page', lambda: pages(1))
part('16 pages', lambda: pages(16))
part('nothing', lambda: os.fsync(fd))
part('reading what is cached', lambda: os.pread(fd, 1 << 20, 0))
part('attributes', lambda: [os.stat(at('file')) for i in range(10)])
def again():
    with open(at('file'), 'rb') as file: file.read()
again()
part('opening again', again)
part('a name that is not there', lambda: [os.path.exists(at('absent')) for i in range(10)])
os.close(fd)
`
  await costs(context, program, [
    ['a new file', { lookup: 1, create: 1, flush: 1 }],
    ['1 page', { write: 1, fsync: 1 }],
    ['16 pages', { write: 16, fsync: 1 }],
    ['nothing', { fsync: 1 }],
    ['reading what is cached', {}],
    ['attributes', {}],
    // Linux asks for the space after each close, and Python whether it is a terminal.
    ['opening again', { open: 1, getAttributes: 1, ioctl: 1, flush: 1 }],
    ['a name that is not there', { lookup: 1 }],
  ])
})

test('requests of many files', TEST, async (context) => {
  // Without, notifications have the kernel send the pages, and forget the attributes.
  const ring = await IoRing.open(1)
  ring?.close()
  const hasRing = ring !== undefined
  const program = `${PRELUDE}
names = [f'f{i}' for i in range(${FILE_COUNT})]
def make():
    for name in names: os.close(os.open(at(name), os.O_CREAT | os.O_RDWR, 0o644))
part('new files', make)
fds = [os.open(at(name), os.O_RDWR) for name in names]
def commit():
    for fd in fds: os.pwrite(fd, page, 0)
    os.setxattr(path, 'user.atomic.commit', '\\n'.join(names).encode())
# Behind the second the daemon opens the files for itself.
for i in range(20):
    commit()
    time.sleep(0.1)
${hasRing ? "part('a commit of all', commit)" : ''}
def look():
    for entry in os.scandir(path): entry.stat()
look()
part('listing with attributes', look)
for fd in fds: os.close(fd)
`
  await costs(context, program, [
    // Linux forgets the attributes of the folder with each of them.
    [
      'new files',
      {
        lookup: FILE_COUNT,
        getAttributes: FILE_COUNT - 1,
        create: FILE_COUNT,
        flush: FILE_COUNT,
      },
    ],
    ...(hasRing ? [['a commit of all', { setXattr: 1, writeCached: FILE_COUNT }] as const] : []),
    ['listing with attributes', { openDirectory: 1, getAttributes: 1, readDirectory: 2 }],
  ])
})
