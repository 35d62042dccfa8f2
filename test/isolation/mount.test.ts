/** Isolated files as programs see them through the kernel: sizes, times, mappings, splices, deaths. */
import { test } from 'node:test'
import { type Mount, mounted } from '../mount/support/mount.ts'
import { python, shell, startPython } from '../mount/support/run.ts'
import { testOnEach } from '../mount/support/transports.ts'

const TEST = { timeout: 60_000 } as const

const PRELUDE = `
path = sys.argv[1]
def make(content):
    with open(path, 'wb') as file: file.write(content)
    os.setxattr(path, 'user.atomic', b'isolated')
def opened(flags=os.O_RDWR): return os.open(path, flags)
def content():
    with open(path, 'rb') as file: return file.read()
def stranger(program, *more):
    # A process that is no child of this one and shares no descriptor with it.
    out = path.replace('/mount/', '/') + '.out'
    os.spawnlp(os.P_WAIT, 'setsid', 'setsid', '-f', 'sh', '-c', f'{program} > {out}.new; mv {out}.new {out}')
    while not os.path.exists(out): time.sleep(0.01)
    with open(out) as file: answer = file.read().strip()
    os.unlink(out)
    return answer
`

async function play(mount: Mount, program: string): Promise<void> {
  await python(PRELUDE + program, [mount.at('file')])
}

testOnEach(
  'sizes and times follow what is published, and what the asker has staged',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    await play(
      mount,
      `
make(b'0123456789')
before = os.stat(path)
w, r = opened(), opened(os.O_RDONLY)
time.sleep(0.02)
os.pwrite(w, b'x' * 100, 0)
assert os.fstat(w).st_size == 100
assert stranger(f'stat -c %s {path}') == '10'
assert os.fstat(w).st_size == 100 and os.lseek(w, 0, os.SEEK_END) == 100
assert os.stat(path).st_mtime_ns > before.st_mtime_ns
assert stranger(f'stat -c %Y.%y {path}') != '' and content() == b'0123456789'
os.fsync(w)
assert stranger(f'stat -c %s {path}') == '100'
after = os.stat(path)
assert after.st_mtime_ns > before.st_mtime_ns
assert int(stranger(f'date -r {path} +%s%N')) == after.st_mtime_ns
assert os.pread(r, 200, 0) == b'0123456789'
os.ftruncate(w, 7)
assert os.fstat(w).st_size == 7 and os.lseek(w, 0, os.SEEK_END) == 7
assert stranger(f'stat -c %s {path}') == '100'
os.fdatasync(w)
assert stranger(f'wc -c < {path}') == '7'
os.utime(path, ns=(5, 1234567890123456789))
assert os.stat(path).st_mtime_ns == 1234567890123456789
os.pwrite(w, b'y', 0); os.fsync(w)
assert os.stat(path).st_mtime_ns != 1234567890123456789
`,
    )
    await mount.unmount()
  },
)

testOnEach('appending, O_TRUNC and O_SYNC go by what the handle sees', TEST, async (context) => {
  const mount = await mounted(context)
  await play(
    mount,
    `
make(b'one')
a = opened(os.O_WRONLY | os.O_APPEND); b = opened()
os.pwrite(b, b'LONGER', 3)
os.write(a, b'two'); os.write(a, b'three')
os.fsync(a)
assert content() == b'onetwothree', content()
os.setxattr(path, 'user.atomic.rollback', b'1')
t = opened(os.O_RDWR | os.O_TRUNC)
assert os.read(t, 10) == b'' and content() == b'onetwothree'
os.write(t, b'new'); os.close(t)
time.sleep(0.2)
assert content() == b'new', content()
s = opened(os.O_RDWR | os.O_SYNC)
os.pwrite(s, b'N', 0)
assert content() == b'New'
# RWF_DSYNC is told with the write.
os.pwritev(s, [b'W'], 2, os.RWF_DSYNC)
assert content() == b'NeW'
`,
  )
  await mount.unmount()
})

test('a large write through O_SYNC is published whole', TEST, async (context) => {
  const mount = await mounted(context)
  await play(
    mount,
    `
size = 5 * 2 ** 20 + 5000
make(b'0' * size)
if os.fork() == 0:
    s = opened(os.O_RDWR | os.O_SYNC)
    for n in range(12):
        data = bytes([97 + n]) * size
        # On a page and off it, which the kernel divides in different ways.
        memory = mmap.mmap(-1, size + 4096); start = n % 2 * 123; memory[start:start + size] = data
        with memoryview(memory) as view:
            assert os.pwrite(s, view[start:start + size], 0) == size
        assert content() == data
    os._exit(0)
seen = set()
while os.waitpid(-1, os.WNOHANG) == (0, 0):
    data = content()
    assert data == data[:1] * size, [data[i] for i in range(0, size, 2 ** 20)]
    seen.add(data[0])
assert len(seen) > 2, seen
`,
  )
  await mount.unmount()
})

test(
  'mappings and splices show what is published and no byte that nobody wrote',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    await play(
      mount,
      `
make(b'a' * 5000)
w, r = opened(), opened(os.O_RDONLY)
for fd, access in (w, mmap.ACCESS_WRITE), (r, mmap.ACCESS_READ):
    try: mmap.mmap(fd, 5000, access=access); assert False
    except OSError as error: assert error.errno == errno.ENODEV
private = mmap.mmap(r, 5000, mmap.MAP_PRIVATE, mmap.PROT_READ)
assert private[:] == b'a' * 5000
def spliced(fd, count=5000, at=0):
    out, into = os.pipe()
    sent = os.sendfile(into, fd, at, count)
    return os.read(out, sent)
os.pwrite(w, b'b' * 5000, 0)
assert spliced(w) == b'a' * 5000 and spliced(r) == b'a' * 5000
os.fsync(w)
end = time.time() + 10
while private[:] != b'b' * 5000 or spliced(r) != b'b' * 5000:
    assert time.time() < end
    time.sleep(0.01)
os.pwrite(w, b'c' * 9000, 0)
try: assert spliced(r, 9000, 0)[4096:].strip(b'b') == b''
except OSError as error: assert error.errno == errno.EIO
`,
    )
    await shell(
      `cp /bin/true tool
     setfattr -n user.atomic -v isolated tool
     ./tool
     cp tool copy
     cmp tool copy
     cat tool | cmp - copy
     rm tool copy`,
      { cwd: mount.path },
    )
    await mount.unmount()
  },
)

test('killed and failed writers leave nothing, and others go on', TEST, async (context) => {
  const mount = await mounted(context)
  await play(mount, "make(b'0' * 100)")
  for (const end of ['os.kill(os.getpid(), signal.SIGKILL)', 'os._exit(3)']) {
    const dying = startPython(`${PRELUDE}\nw = opened(); os.pwrite(w, b'dead', 0); ${end}`, [
      mount.at('file'),
    ])
    await dying.ended
  }
  await play(
    mount,
    `
w = opened(); os.pwrite(w, b'alive', 50); os.close(w)
time.sleep(0.2)
assert content() == b'0' * 50 + b'alive' + b'0' * 45, content()
`,
  )
  await mount.crash()
  await play(mount, "assert content() == b'0' * 50 + b'alive' + b'0' * 45")
  await mount.unmount()
})

test('commands of a shell work on what the shell has staged', TEST, async (context) => {
  const mount = await mounted(context, { newFiles: 'isolated' })
  await shell(
    `printf 0123456789 > file
     exec 3<>file
     printf ab >&3
     getfattr --only-values -n user.atomic.state file | grep -q state=staged
     setsid -w sh -c 'getfattr --only-values -n user.atomic.state file' | grep -q state=staged
     test "$(cat file)" = 0123456789
     setfattr -n user.atomic.commit -v 1 file
     test "$(cat file)" = ab23456789
     printf cd >&3
     setfattr -n user.atomic.rollback -v 1 file
     exec 3>&-
     test "$(cat file)" = ab23456789`,
    { cwd: mount.path },
  )
  await mount.unmount()
})
