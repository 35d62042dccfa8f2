/** A disk that is full: the writer hears of it in time, and nothing that was published suffers. */
import assert from 'node:assert/strict'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Mount, mounted } from './support/mount.ts'
import { python, run, start } from './support/run.ts'

const TEST = { timeout: 120_000 }

/** A volume on a filesystem in memory that is as large as it says. */
async function mountedOnSmall(context: TestContext, size: string): Promise<Mount> {
  const folder = await mkdtemp(join(tmpdir(), 'oatomic-small-'))
  await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', folder])
  // Ends after the mount that has its volume here.
  const mount = mounted(context, { volume: join(folder, 'volume') })
  context.after(async () => {
    await start('umount', ['-l', folder]).ended
    await rmdir(folder)
  })
  return mount
}

const COMMON = `
os.chdir(sys.argv[1])
def fill(fd, sync=False):
    written = 0
    while True:
        try: count = os.write(fd, b'f' * 1000000)
        except OSError as error: assert error.errno == errno.ENOSPC, error; return written
        written += count
        if sync:
            try: os.fsync(fd)
            except OSError as error: assert error.errno == errno.ENOSPC, error; return written
def free(): status = os.statvfs('.'); return status.f_bavail * status.f_bsize
def content(path):
    with open(path, 'rb') as file: return file.read()
def until(done, seconds=20):
    end = time.time() + seconds
    while not done(): assert time.time() < end, free(); time.sleep(0.2)
`

test('ENOSPC reaches who fills the disk, and space comes back', TEST, async (context) => {
  const mount = await mountedOnSmall(context, '300m')
  const program = `${COMMON}
empty = free()
for n in range(50):
    with open('kept%d' % n, 'wb') as file: file.write(b'%d' % n * 5000); os.fsync(file.fileno())
for round in range(3):
    fd = os.open('large', os.O_WRONLY | os.O_CREAT)
    written = fill(fd, sync=True); assert written > 100e6, written
    os.close(fd)
    for n in range(50): assert content('kept%d' % n) == b'%d' % n * 5000, n
    os.unlink('large'); until(lambda: free() > empty - 30e6)
`
  await python(program, [mount.path], { timeoutMs: 110_000 })
  await mount.crash()
  const check = `${COMMON}
for n in range(50): assert content('kept%d' % n) == b'%d' % n * 5000, n
with open('kept0', 'wb') as file: file.write(b'm' * 50000000); os.fsync(file.fileno())
`
  await python(check, [mount.path])
  await mount.unmount()
})

test('a disk that was full and emptied takes new files', TEST, async (context) => {
  const mount = await mountedOnSmall(context, '300m')
  const program = `${COMMON}
for round in range(3):
    fd = os.open('large', os.O_WRONLY | os.O_CREAT); fill(fd, sync=True); os.close(fd)
    os.unlink('large'); until(lambda: free() > 200e6)
`
  await python(program, [mount.path])
  await mount.crash()
  await python(`${COMMON}\nfor n in range(200): os.close(os.open('new%d' % n, os.O_CREAT))`, [
    mount.path,
  ])
})

test('an atomic file that runs out of space keeps its content', TEST, async (context) => {
  const mount = await mountedOnSmall(context, '300m')
  const program = `${COMMON}
old = b'published' * 100000
with open('file', 'wb') as file: file.write(old)
os.setxattr('file', 'user.atomic', b'1'); os.fsync(os.open('file', os.O_RDONLY))
fd = os.open('file', os.O_RDWR); failed = False
# With a write cache below it, write(2) may accept what only fsync finds to have no room.
try:
    for n in range(400): os.write(fd, b'n' * 1000000)
    os.fsync(fd)
except OSError as error: assert error.errno == errno.ENOSPC, error; failed = True
assert failed
try: os.fsync(fd)
except OSError as error: pass
else: assert False, 'a file with a hole in its update was published'
os.setxattr('file', 'user.atomic.rollback', b'1')
assert content('file') == old and os.fstat(fd).st_size == len(old)
os.pwrite(fd, b'NEW', 0); os.fsync(fd); assert content('file') == b'NEW' + old[3:]
`
  await python(program, [mount.path], { timeoutMs: 110_000 })
  await mount.crash()
  assert.match(await run('head', ['-c', '12', mount.at('file')]), /^NEWlishedpub/)
  await mount.unmount()
})

test('names and removals on a full disk', TEST, async (context) => {
  const mount = await mountedOnSmall(context, '200m')
  const program = `${COMMON}
os.mkdir('folder')
for n in range(300):
    with open('folder/%d' % n, 'wb') as file: file.write(b'x' * 20000)
fd = os.open('large', os.O_WRONLY | os.O_CREAT); fill(fd, sync=True); os.close(fd)
made = 0
try:
    for n in range(2000): os.close(os.open('folder/new%d' % n, os.O_CREAT)); made += 1
except OSError as error: assert error.errno == errno.ENOSPC, error
for n in range(300): assert len(content('folder/%d' % n)) == 20000; os.unlink('folder/%d' % n)
for n in range(made): os.unlink('folder/new%d' % n)
os.rmdir('folder'); os.unlink('large'); until(lambda: free() > 80e6)
with open('more', 'wb') as file: file.write(b'm' * 30000000); os.fsync(file.fileno())
`
  await python(program, [mount.path], { timeoutMs: 110_000 })
  await mount.unmount()
  await mount.remount()
  assert.equal((await run('stat', ['-c', '%s', mount.at('more')])).trim(), '30000000')
})
