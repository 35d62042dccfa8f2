/** The atomic-write ioctls of F2FS as programs use them: through the kernel's cache, and over deaths. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mounted } from './support/mount.ts'
import { python, shell, startPython } from './support/run.ts'

const TEST = { timeout: 90_000 }

const IOCTLS = `
START, COMMIT, ABORT, FEATURES, REPLACE = 0xf501, 0xf502, 0xf505, 0x8004f50c, 0xf519
path = sys.argv[1]
def opened(flags=os.O_RDWR): return os.open(path, flags)
def content():
    with open(path, 'rb') as file: return file.read()
def code(fd, command):
    try: fcntl.ioctl(fd, command); return 0
    except OSError as error: return errno.errorcode[error.errno]
`

const CACHED = `
def fill(fd, byte, size): os.ftruncate(fd, size); os.pwrite(fd, byte * size, 0)
fd = opened(os.O_RDWR | os.O_CREAT)
assert struct.unpack('I', fcntl.ioctl(fd, FEATURES, b'\\0' * 4)) == (4,)
other = opened(os.O_RDONLY)
for size, more in ((10000, 50000), (50000, 10000), (50000, 50000)):
    fill(fd, b'o', size)
    # Not synced: what the kernel has dirty before START belongs to before.
    fcntl.ioctl(fd, START)
    with mmap.mmap(other, 0, prot=mmap.PROT_READ) as view:
        fill(fd, b'n', more)
        with mmap.mmap(fd, 0) as stored: stored[5000:5010] = b'm' * 10
        assert view[5000:5010] == b'm' * 10
        fcntl.ioctl(fd, START)
        os.pwrite(fd, b's' * 9000, 8000)
        fcntl.ioctl(fd, ABORT)
        assert os.fstat(other).st_size == more, (os.fstat(other).st_size, more)
        assert content() == b'n' * 5000 + b'm' * 10 + b'n' * (more - 5010)
        os.fsync(fd)
        fcntl.ioctl(fd, ABORT)
        assert os.fstat(fd).st_size == os.fstat(other).st_size == size
        assert content() == b'o' * size, content().count(b'o')
        assert view[5000:5010] == b'o' * 10
        assert os.pread(other, 10, 8000) == b'o' * 10
fcntl.ioctl(fd, REPLACE)
assert os.fstat(other).st_size == 0 and content() == b''
os.write(fd, b'short')
fcntl.ioctl(fd, ABORT)
assert content() == b'o' * 50000
fcntl.ioctl(fd, REPLACE)
os.pwrite(fd, b'short', 0)
fcntl.ioctl(fd, COMMIT)
assert content() == b'short'
reader = opened(os.O_RDONLY)
assert [code(reader, command) for command in (START, COMMIT, ABORT)] == ['EBADF'] * 3
assert code(fd, 0xf503) == 'ENOTTY'
`

test('START, ABORT and COMMIT are right with what the kernel caches', TEST, async (context) => {
  const mount = await mounted(context)
  await python(IOCTLS + CACHED, [mount.at('a')])
  assert.equal(await shell('cat a', { cwd: mount.path }), 'short')
  await mount.unmount()
})

test(
  'a program may be the last to use the mount, with a transaction open',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    await shell('echo old > a', { cwd: mount.path })
    await python(`${IOCTLS}
fd = opened()
for turn in range(3):
    fcntl.ioctl(fd, START); os.pwrite(fd, b'n' * 5000, 0); fcntl.ioctl(fd, COMMIT if turn == 1 else ABORT)
fcntl.ioctl(fd, START); os.pwrite(fd, b'x' * 50000, 0)
`, [mount.at('a')]) // prettier-ignore
    await mount.unmount()
    await mount.remount()
    assert.equal(await shell('wc -c < a', { cwd: mount.path }), '5000\n')
  },
)

const ENDS = {
  SIGKILL: 'os.kill(os.getpid(), signal.SIGKILL)',
  'exit 0': 'os._exit(0)',
  'close(2)': 'os.close(fd); say("closed"); wait()',
  'another program': "os.execvp('sleep', ['sleep', '0.2'])",
}

/** Waits for the lock that a transaction is made under, in turn with others. */
const WAITER = `
fd = opened(); say('ready')
fcntl.lockf(fd, fcntl.LOCK_EX)
seen = content()
assert seen == b'o' * 20000, (len(seen), seen.count(b'n'))
`

test(
  'who waits for the lock of an ended transaction sees it rolled back',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    await python('with open(sys.argv[1], "wb") as file: file.write(b"o" * 20000)', [mount.at('a')])
    for (let round = 0; round < 2; round++) {
      for (const [name, end] of Object.entries(ENDS)) {
        const writer = startPython(
          `${IOCTLS}
fd = opened()
fcntl.lockf(fd, fcntl.LOCK_EX)
fcntl.ioctl(fd, START); os.pwrite(fd, b'n' * 50000, 0); os.ftruncate(fd, 30000)
say('staged'); wait(); ${end}`,
          [mount.at('a')],
        )
        await writer.said('staged')
        const waiters = [1, 2].map(() => startPython(IOCTLS + WAITER, [mount.at('a')]))
        await Promise.all(waiters.map((waiter) => waiter.said('ready')))
        writer.tell('end')
        for (const waiter of waiters) {
          const { status, stderr } = await waiter.ended
          assert.equal(status, 0, `${name}: ${stderr}`)
        }
        writer.tell('end')
        await writer.ended
        assert.equal(await shell('tr -d o < a | wc -c', { cwd: mount.path }), '0\n', name)
      }
    }
    await mount.unmount()
  },
)

test(
  'a daemon that is killed in a transaction leaves the file before it',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    await python('with open(sys.argv[1], "wb") as file: file.write(b"o" * 20000)', [mount.at('a')])
    for (const end of [
      'say("staged")',
      'fcntl.ioctl(fd, COMMIT); fcntl.ioctl(fd, START); os.pwrite(fd, b"l" * 9, 0); say("staged")',
    ]) {
      // prettier-ignore
      const writer = startPython(
      `${IOCTLS}
fd = opened(); os.fsync(fd)
fcntl.ioctl(fd, START); os.pwrite(fd, b'n' * 20000, 0); os.fsync(fd); ${end}; wait()`,
      [mount.at('a')],
    )
      await writer.said('staged')
      await mount.kill()
      await writer.killed()
      await mount.remount()
      const wanted = end.includes('COMMIT') ? 'n' : 'o'
      assert.equal(await shell('cat a', { cwd: mount.path }), wanted.repeat(20_000))
    }
    await mount.unmount()
  },
)
