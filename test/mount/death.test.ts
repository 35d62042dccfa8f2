/** How a process ends decides what becomes of the update that it has not published. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TRANSPORTS } from '../../src/fuse/transport.ts'
import { type Mount, mounted } from './support/mount.ts'
import { python, shell, startPython } from './support/run.ts'
import { testOn, testOnEach } from './support/transports.ts'

const TEST = { timeout: 60_000 }

const ENDS = {
  'close(2)': 'os.close(fd); time.sleep(0.3)',
  'exit 0': 'os._exit(0)',
  'exit 1': 'os._exit(1)',
  SIGKILL: 'os.kill(os.getpid(), signal.SIGKILL)',
  'a bad access': 'ctypes.string_at(0)',
}

/** What a file holds afterwards, by its close policy and by the end of its only writer. */
const WANTED: readonly (readonly [string, keyof typeof ENDS, 'old' | 'new', 'clean' | 'staged'])[] =
  [
    ['publish', 'close(2)', 'new', 'clean'],
    ['publish', 'exit 0', 'new', 'clean'],
    ['publish', 'exit 1', 'old', 'clean'],
    ['publish', 'SIGKILL', 'old', 'clean'],
    ['publish', 'a bad access', 'old', 'clean'],
    ['discard', 'close(2)', 'old', 'clean'],
    ['discard', 'exit 0', 'old', 'clean'],
    ['discard', 'exit 1', 'old', 'clean'],
    ['discard', 'SIGKILL', 'old', 'clean'],
    ['keep', 'close(2)', 'new', 'staged'],
    ['keep', 'exit 0', 'new', 'staged'],
    ['keep', 'exit 1', 'old', 'clean'],
    ['keep', 'SIGKILL', 'old', 'clean'],
  ]

const OLD = 'o'.repeat(10_000)
const UPDATE = `fd = os.open(sys.argv[1], os.O_RDWR); os.pwrite(fd, b'n' * 20000, 0)\n`

/** Updates a file through a mapping that outlives the descriptor. */
const STORE = `
fd = os.open(sys.argv[1], os.O_RDWR); os.ftruncate(fd, 20000)
libc = ctypes.CDLL(None); libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(None, 20000, 3, 1, fd, ctypes.c_long(0)); os.close(fd)
ctypes.memmove(at, b'n' * 20000, 20000)
`

async function atomicFile(mount: Mount, name: string, onClose = 'publish'): Promise<string> {
  const program = `
with open(sys.argv[1], 'w') as file: file.write('o' * 10000); os.fsync(file.fileno())
os.setxattr(sys.argv[1], 'user.atomic', b'1')
os.setxattr(sys.argv[1], 'user.atomic.onclose', sys.argv[2].encode())
`
  await python(program, [mount.at(name), onClose])
  return mount.at(name)
}

async function contentOf(path: string): Promise<string> {
  const content = await shell('cat "$FILE"', { environment: { FILE: path } })
  if (content === OLD) return 'old'
  if (content === 'n'.repeat(20_000)) return 'new'
  return `${content.length} bytes, ${content.replaceAll(/[^n]/g, '').length} of them new`
}

const isStaged = async (path: string): Promise<boolean> =>
  (await python("print(os.getxattr(sys.argv[1], 'user.atomic.state'))", [path])).includes(
    'staged\\n',
  )

testOnEach('the only writer ends', TEST, async (context) => {
  const mount = await mounted(context)
  for (const [policy, end, content, state] of WANTED) {
    const path = await atomicFile(mount, `${policy} ${end.replaceAll(/\W/g, '')}`, policy)
    await startPython(UPDATE + ENDS[end], [path]).ended
    // What closing does follows soon after it; what dying does is done by then.
    const isClosed = end === 'close(2)' || end === 'exit 0'
    if (isClosed) await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(await contentOf(path), content, `${policy}, ${end}`)
    assert.equal(await isStaged(path), state === 'staged', `${policy}, ${end}`)
  }
  await mount.unmount()
  await mount.remount()
  for (const [policy, end, content, state] of WANTED) {
    const path = mount.at(`${policy} ${end.replaceAll(/\W/g, '')}`)
    const wanted = state === 'staged' ? 'old' : content
    assert.equal(await contentOf(path), wanted, `${policy}, ${end}, after the mount's end`)
  }
})

testOnEach(
  'one of two writers dies: the update stays until the other ends',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    for (const [end, wanted] of [
      ['exit 0', 'new'],
      ['SIGKILL', 'old'],
    ] as const) {
      const path = await atomicFile(mount, wanted)
      const other = startPython(
        `fd = os.open(sys.argv[1], os.O_RDWR); say('open'); wait(); ${ENDS[end]}`,
        [path],
      )
      await other.said('open')
      await startPython(UPDATE + ENDS.SIGKILL, [path]).ended
      assert.equal(await contentOf(path), 'new')
      assert.ok(await isStaged(path))
      other.tell('go')
      await other.ended
      await new Promise((resolve) => setTimeout(resolve, 100))
      assert.equal(await contentOf(path), wanted)
      assert.ok(!(await isStaged(path)))
    }
  },
)

testOnEach('a child that shares the descriptor dies: the parent decides', TEST, async (context) => {
  const mount = await mounted(context)
  for (const [end, wanted] of [
    ['close(2)', 'new'],
    ['exit 1', 'old'],
  ] as const) {
    const path = await atomicFile(mount, wanted)
    const program = `
fd = os.open(sys.argv[1], os.O_RDWR); pid = os.fork()
if pid == 0: os.pwrite(fd, b'n' * 20000, 0); os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(pid, 0)
assert os.getxattr(sys.argv[1], 'user.atomic.state').startswith(b'state=staged')
assert os.pread(fd, 30000, 0) == b'n' * 20000
${ENDS[end]}
`
    const { stderr } = await startPython(program, [path]).ended
    assert.equal(stderr, '')
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(await contentOf(path), wanted)
  }
})

testOnEach(
  'a child outlives the parent that was killed: the child decides',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    const path = await atomicFile(mount, 'file')
    const program = `
fd = os.open(sys.argv[1], os.O_RDWR); os.pwrite(fd, b'n' * 20000, 0); pid = os.fork()
if pid != 0: os.kill(os.getpid(), signal.SIGKILL)
time.sleep(1); os._exit(0)
`
    await startPython(program, [path]).ended
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(await contentOf(path), 'new')
    assert.ok(!(await isStaged(path)))
  },
)

test('stores through a mapping whose descriptor was closed', TEST, async (context) => {
  const mount = await mounted(context)
  for (const end of ['exit 1', 'SIGKILL', 'a bad access'] as const) {
    const path = await atomicFile(mount, end)
    await startPython(STORE + ENDS[end], [path]).ended
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.equal(await contentOf(path), 'old', end)
    assert.ok(!(await isStaged(path)))
  }
})

test('stores through a mapping, and an exit with 0', TEST, async (context) => {
  const mount = await mounted(context)
  for (let round = 0; round < 10; round++) {
    const path = await atomicFile(mount, `file${round}`)
    await startPython(STORE + ENDS['exit 0'], [path]).ended
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(await contentOf(path), 'new', `round ${round}`)
  }
})

testOnEach('who waits for the lock of a killed writer sees the old file', TEST, async (context) => {
  const mount = await mounted(context)
  const path = await atomicFile(mount, 'file')
  const program = `
path = sys.argv[1]
for n in range(20):
    reading, writing = os.pipe()
    writer = os.fork()
    if writer == 0:
        fd = os.open(path, os.O_RDWR); fcntl.lockf(fd, fcntl.LOCK_EX)
        os.pwrite(fd, b'n' * 300000, 0); os.write(writing, b'.'); time.sleep(60)
    os.read(reading, 1)
    waiter = os.fork()
    if waiter == 0:
        fd = os.open(path, os.O_RDONLY); fcntl.lockf(fd, fcntl.LOCK_SH)
        content = os.pread(fd, 400000, 0)
        os._exit(0 if content == b'o' * 10000 and os.fstat(fd).st_size == 10000 else 1)
    time.sleep(0.1); os.kill(writer, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(waiter, 0)[1]) == 0, n
    os.waitpid(writer, 0)
`
  await python(program, [path])
})

testOnEach('executing a program closes descriptors with staged content', TEST, async (context) => {
  const mount = await mounted(context)
  const path = await atomicFile(mount, 'file')
  // The descriptor is not passed on, so the kernel asks us while it holds the locks of execve(2).
  await python(`${UPDATE}os.execv('/bin/true', ['true'])`, [path])
  assert.equal(await contentOf(path), 'new')
  const both = `
fds = [os.open(name, os.O_RDWR) for name in sys.argv[1:]]
for fd in fds: os.pwrite(fd, b'n' * 20000, 0)
for n in range(20):
    if os.fork() == 0: os.execv('/bin/true', ['true'])
for n in range(20): os.wait()
os.kill(os.getpid(), signal.SIGKILL)
`
  const other = await atomicFile(mount, 'other')
  await startPython(both, [await atomicFile(mount, 'first'), other]).ended
  assert.equal(await contentOf(other), 'old')
  await mount.unmount()
})

testOnEach(
  'a state that is clean after a close that discards is what everybody sees',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    const path = await atomicFile(mount, 'file', 'discard')
    const program = `
path = sys.argv[1]
for size in [1, 5000, 300000] * 20:
    fd = os.open(path, os.O_RDWR); os.pwrite(fd, b'n' * 300000, 0); os.ftruncate(fd, size); os.close(fd)
    while b'state=clean' not in os.getxattr(path, 'user.atomic.state'): pass
    with open(path, 'rb') as file: content = file.read()
    assert content == b'o' * 10000, (size, len(content), content[:1])
`
    await python(program, [path])
  },
)

/** The kernel may then leave out to tell of the close; who opens the file next waits for the discard. */
for (const [which, before] of [
  ['', ''],
  [', with a descriptor closed before', 'os.close(os.dup(fd))'],
] as const) {
  // One of them is enough for the second transport: it is the kernel that is tried here.
  const transports = before === '' ? TRANSPORTS : (['kernel'] as const)
  testOn(
    transports,
    `a writer is killed while it sets attributes${which}`,
    TEST,
    async (context) => {
      const mount = await mounted(context)
      const path = await atomicFile(mount, 'file')
      const program = `
path = sys.argv[1]
for round in range(60):
    reading, writing = os.pipe()
    writer = os.fork()
    if writer == 0:
        fd = os.open(path, os.O_RDWR)
        ${before}
        os.pwrite(fd, b'n' * 20000, 0); os.write(writing, b'.')
        while True: os.pwrite(fd, b'n', 0); os.setxattr(path, 'user.x', b'%d' % round)
    os.read(reading, 1); os.close(reading); os.close(writing)
    time.sleep(round % 7 / 300); os.kill(writer, signal.SIGKILL); os.waitpid(writer, 0)
    with open(path, 'rb') as file: content = file.read()
    assert content == b'o' * 10000, (round, len(content))
`
      await python(program, [path])
    },
  )
}

testOnEach(
  'a rollback of what was kept is seen by whoever opens the file next',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    const path = await atomicFile(mount, 'file', 'keep')
    const program = `
path = sys.argv[1]
for round in range(300):
    fd = os.open(path, os.O_RDWR); os.ftruncate(fd, 65536); os.pwrite(fd, b'n' * 65536, 0); os.close(fd)
    fd = os.open(path, os.O_RDONLY); os.setxattr(fd, 'user.atomic.rollback', b'1'); os.close(fd)
    with open(path, 'rb') as file: content = file.read()
    assert content == b'o' * 10000, (round, len(content))
`
    await python(program, [path])
  },
)
