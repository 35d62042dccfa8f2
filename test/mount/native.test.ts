/** What only the transport fuse-native has to get right, and what it says it cannot do. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { mounted } from './support/mount.ts'
import { python, shell, startPython } from './support/run.ts'
import { testOn } from './support/transports.ts'

const TEST = { timeout: 60_000 }

const testNative = (name: string, body: (context: TestContext) => Promise<void>): void => {
  testOn(['fuse-native'], name, TEST, body)
}

testNative('times have nanoseconds, may be set alone, and lie before 1970', async (context) => {
  const mount = await mounted(context)
  const program = `
path = sys.argv[1]; open(path, 'w')
libc = ctypes.CDLL(None, use_errno=True)
OMIT, NOW = (1 << 30) - 2, (1 << 30) - 1
def set_times(*times):
    fields = (ctypes.c_long * 4)(*[part for time in times for part in time])
    assert libc.utimensat(-100, path.encode(), fields, 0) == 0, ctypes.get_errno()
    status = os.stat(path); return status.st_atime_ns, status.st_mtime_ns
assert set_times((11, 123456789), (22, 987654321)) == (11123456789, 22987654321)
assert set_times((0, OMIT), (33, 1)) == (11123456789, 33000000001)
assert set_times((44, 2), (0, OMIT)) == (44000000002, 33000000001)
assert set_times((-3, 5), (0, OMIT)) == (-2999999995, 33000000001)
before = time.time_ns(); atime, mtime = set_times((0, OMIT), (0, NOW))
assert atime == -2999999995 and before - 50e6 < mtime < time.time_ns() + 50e6
assert set_times((0, OMIT), (0, OMIT)) == (atime, mtime)
fd = os.open(path, os.O_RDWR); os.unlink(path); os.utime(fd, ns=(7, 8))
assert os.fstat(fd).st_atime_ns == 7 and os.fstat(fd).st_mtime_ns == 8
`
  await python(program, [mount.at('file')])
  await mount.unmount()
})

testNative('files belong to who makes them', async (context) => {
  const mount = await mounted(context)
  await shell(
    `mkdir -m 1777 shared
     chmod 755 ..
     cd shared
     as() { setpriv --reuid "$1" --regid "$2" --clear-groups bash -euc "$3"; }
     as 1234 567 'umask 027; echo x > file; mkdir folder; ln -s file link; mkfifo pipe'
     for name in file folder link pipe; do test "$(stat -c %u:%g $name)" = 1234:567; done
     test "$(stat -c %a file folder)" = "$(printf '640\\n750')"
     refused as 1235 567 'echo y >> file'
     as 1235 567 'test "$(cat file)" = x'
     refused as 1235 568 'cat file'
     refused as 1235 567 'rm -f file'
     as 1234 567 'rm file'
     cp /bin/true program
     chmod 6777 program
     as 1234 567 'echo >> program'
     test "$(stat -c %a program)" = 777`,
    { cwd: mount.path },
  )
})

testNative('a removed file that is open has no name, and no other attributes', async (context) => {
  const mount = await mounted(context)
  const program = `
os.chdir(sys.argv[1]); os.mkdir('d')
fd = os.open('d/file', os.O_RDWR | os.O_CREAT); os.write(fd, b'one'); os.link('d/file', 'other')
assert os.fstat(fd).st_nlink == 2
os.unlink('d/file'); assert os.listdir('d') == [] and os.fstat(fd).st_nlink == 1
for root, _, names in os.walk('.'): assert names in ([], ['other']), names
for n in range(20):
    for name in ('d/.fuse_hidden%08x%08x' % (a, n) for a in range(20)): assert not os.path.exists(name)
try: os.rmdir('d')
except OSError as error: assert error.errno == errno.ENOTEMPTY
else: assert False
os.rename('d', 'e'); os.pwrite(fd, b'two', 3); os.fchmod(fd, 0o600); os.fsync(fd)
assert os.stat('other').st_mode & 0o777 == 0o600 and open('other').read() == 'onetwo'
os.unlink('other'); assert os.fstat(fd).st_nlink == 0 and os.pread(fd, 9, 0) == b'onetwo'
os.close(fd); os.rmdir('e'); assert os.listdir('.') == []
os.mknod('.fuse_hidden0123456789abcdef'); os.rename('.fuse_hidden0123456789abcdef', 'x')
os.rename('x', '.fuse_hidden0123456789abcdef'); assert os.listdir('.') == ['.fuse_hidden0123456789abcdef']
`
  await python(program, [mount.path])
  await mount.unmount()
})

testNative(
  'a rename over an open file is old or new when the daemon is killed',
  async (context) => {
    const mount = await mounted(context)
    const program = `
os.chdir(sys.argv[1])
with open('name', 'w') as file: file.write('0')
os.sync(); os.fsync(os.open('name', os.O_RDONLY)); say('ready')
for n in range(1, 100000):
    fd = os.open('name', os.O_RDONLY)
    with open('new', 'w') as file: file.write(str(n))
    os.rename('new', 'name'); say(n)
    assert os.read(fd, 9) == str(n - 1).encode(); os.close(fd)
`
    for (let round = 0; round < 5; round++) {
      const running = startPython(program, [mount.path])
      await running.said('ready')
      await new Promise((resolve) => setTimeout(resolve, 40 + round * 59))
      await mount.kill()
      const { stdout } = await running.killed()
      await mount.remount()
      const last = Number(stdout.trim().split('\n').at(-1)) || 0
      const content = Number(await shell('cat name', { cwd: mount.path }))
      assert.ok(content === last || content === last + 1, `${content} after ${last}`)
      assert.equal(await shell('ls -A | grep -vx new', { cwd: mount.path }), 'name\n')
    }
  },
)

testNative('a killed daemon leaves nothing of removed files that were open', async (context) => {
  const mount = await mounted(context)
  const program = `
os.chdir(sys.argv[1])
fds = [os.open('f%d' % n, os.O_RDWR | os.O_CREAT) for n in range(50)]
for n in range(50): os.write(fds[n], b'x' * 100000); os.unlink('f%d' % n)
os.fsync(os.open('.', os.O_RDONLY)); say('ready'); time.sleep(60)
`
  const running = startPython(program, [mount.path])
  await running.said('ready')
  await mount.kill()
  await running.killed()
  await mount.remount()
  assert.equal(await shell('ls -A', { cwd: mount.path }), '')
  await mount.unmount()
})

testNative('what it cannot do is refused, with an error that says so', async (context) => {
  const mount = await mounted(context)
  const program = `
os.chdir(sys.argv[1]); open('a', 'w').write('a'); open('b', 'w').write('b')
fd = os.open('a', os.O_RDWR); libc = ctypes.CDLL(None, use_errno=True)
def refused(number, call):
    try: call()
    except OSError as error: assert error.errno == number, error
    else: assert False, number
def checked(result):
    if result != 0: raise OSError(ctypes.get_errno(), '')
refused(errno.ENODEV, lambda: mmap.mmap(fd, 1, mmap.MAP_SHARED))
assert mmap.mmap(fd, 1, mmap.MAP_PRIVATE)[:] == b'a'
refused(errno.EOPNOTSUPP, lambda: checked(libc.fallocate(fd, 1, ctypes.c_long(0), ctypes.c_long(4096))))
refused(errno.EOPNOTSUPP, lambda: os.open('.', os.O_RDWR | os.O_TMPFILE))
refused(errno.EINVAL, lambda: checked(libc.renameat2(-100, b'a', -100, b'b', 2)))
refused(errno.EINVAL, lambda: checked(libc.renameat2(-100, b'a', -100, b'c', 1)))
refused(errno.ENOTTY, lambda: fcntl.ioctl(fd, 0x80086601, b'\\0' * 8))
for call in (os.setxattr, lambda *_: os.getxattr('a', 'system.posix_acl_access')):
    refused(errno.EOPNOTSUPP, lambda: call('a', 'system.posix_acl_access', b'\\2\\0\\0\\0'))
assert os.lseek(fd, 0, os.SEEK_HOLE) == 1 and os.lseek(fd, 0, os.SEEK_SET) == 0
assert os.copy_file_range(fd, os.open('b', os.O_RDWR), 1) == 1 and open('b').read() == 'a'
`
  await python(program, [mount.path])
  await mount.unmount()
})

testNative('who has an ACL keeps others out where nobody goes by it', async (context) => {
  const mount = await mounted(context)
  await mount.unmount()
  await mount.remount({ transport: 'kernel' })
  await shell(
    `echo secret > file
     chmod 640 file
     setfacl -m u:1234:r,g:4321:- file
     mkdir folder
     setfacl -d -m u:1234:rwx folder`,
    { cwd: mount.path },
  )
  await mount.unmount()
  await mount.remount()
  await shell(
    `test "$(stat -c %a file)" = 600
     test "$(stat -c %a folder)" = 755
     refused setpriv --reuid 99 --regid 0 --clear-groups cat file
     test -z "$(getfattr -m - file 2>/dev/null)"
     echo x > folder/new`,
    { cwd: mount.path },
  )
  await mount.unmount()
})
