/** What POSIX and Linux promise about files and names, where a filesystem easily gets it wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mounted } from './support/mount.ts'
import { python, shell, startPython } from './support/run.ts'
import { testOnEach } from './support/transports.ts'

const TEST = { timeout: 90_000 }

testOnEach('dd with O_DIRECT, conv=fsync and odd block sizes', TEST, async (context) => {
  const mount = await mounted(context)
  await shell(
    `head -c 5000000 /dev/urandom > ../random
     dd if=../random of=a bs=4096 conv=fsync
     dd if=../random of=b bs=1M oflag=direct conv=fsync
     cmp ../random b
     dd if=a of=c bs=64k iflag=direct oflag=direct
     cmp c ../random
     dd if=../random of=d bs=777 oflag=dsync count=50
     cmp -n 38850 d ../random
     dd if=../random of=c bs=1000 seek=3 skip=3 count=2000 conv=notrunc,fdatasync
     cmp c ../random
     dd if=/dev/zero of=c bs=4096 count=3 seek=100 conv=notrunc oflag=direct
     dd if=../random of=c bs=4096 count=3 seek=100 skip=100 conv=notrunc
     cmp c ../random`,
    { cwd: mount.path },
  )
})

test('mmap: stores are read, msync makes them last', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
path = sys.argv[1]
fd = os.open(path, os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 20)
shared = mmap.mmap(fd, 1 << 20)
for page in range(256): shared[page * 4096:page * 4096 + 5] = b'%05d' % page
assert os.pread(fd, 5, 77 * 4096) == b'00077'
os.pwrite(fd, b'write', 78 * 4096)
assert shared[78 * 4096:78 * 4096 + 5] == b'write'
private = mmap.mmap(fd, 4096, mmap.MAP_PRIVATE)
private[:5] = b'never'
shared.flush()
os.kill(os.getpid(), signal.SIGKILL)
`
  assert.equal((await startPython(program, [mount.at('mapped')]).ended).signal, 'SIGKILL')
  await mount.crash()
  const check = `
content = open(sys.argv[1], 'rb').read()
assert len(content) == 1 << 20
for page in range(256):
    wanted = b'write' if page == 78 else b'%05d' % page
    assert content[page * 4096:page * 4096 + 5] == wanted, page
`
  await python(check, [mount.at('mapped')])
})

testOnEach('a sparse file beyond 4 GiB', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
path, what = sys.argv[1:]
fd = os.open(path, os.O_RDWR | os.O_CREAT)
places = [0, (1 << 32) - 3, (1 << 32) + 4093, (1 << 40) + 1, (1 << 43) - 10]
for n, place in enumerate(places):
    if what == 'write': assert os.pwrite(fd, b'%06d' % n, place) == 6
for n, place in enumerate(places):
    assert os.pread(fd, 6, place) == b'%06d' % n, place
    assert os.pread(fd, 5, place + 4096 * 5) == (b'' if n == 4 else b'\\0' * 5), place
assert os.fstat(fd).st_size == places[-1] + 6
assert os.fstat(fd).st_blocks < 200
os.fsync(fd)
`
  await python(program, [mount.at('sparse'), 'write'])
  await mount.crash()
  await python(program, [mount.at('sparse'), 'read'])
  await shell('truncate -s 4294967290 sparse && test "$(tail -c 3 sparse | tr "\\0" z)" = zzz', {
    cwd: mount.path,
  })
})

testOnEach('names of 255 bytes that are no text, and none longer', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
os.chdir(sys.argv[1])
names = [bytes([byte]) * 255 for byte in range(1, 256) if byte not in b'/']
if sys.argv[2] == 'make':
    for name in names:
        with open(name, 'wb') as file: file.write(name)
        os.link(name, name[:200]); os.setxattr(name, 'user.n', name)
    os.sync(); os.fsync(os.open('.', os.O_RDONLY))
assert sorted(os.listdir(b'.')) == sorted(names + [name[:200] for name in names])
for name in names: assert open(name, 'rb').read() == name and os.getxattr(name, 'user.n') == name
for call in (lambda: os.mkdir(b'x' * 256), lambda: os.stat(b'x' * 256)):
    try: call()
    except OSError as error: assert error.errno == errno.ENAMETOOLONG
    else: assert False
`
  await python(program, [mount.path, 'make'])
  await mount.unmount()
  await mount.remount()
  await python(program, [mount.path, 'read'])
})

testOnEach('many open files, removed while open', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
os.chdir(sys.argv[1])
files = [os.open('f%d' % n, os.O_RDWR | os.O_CREAT) for n in range(900)]
for n, fd in enumerate(files): os.write(fd, b'%d' % n)
for n in range(900): os.unlink('f%d' % n)
assert os.listdir('.') == []
for n, fd in enumerate(files):
    assert os.pread(fd, 9, 0) == b'%d' % n and os.fstat(fd).st_nlink == 0
    os.ftruncate(fd, 5000); os.fsync(fd) if n % 50 == 0 else None
`
  await python(program, [mount.path])
  await mount.unmount()
})

testOnEach('O_APPEND of several processes loses and mixes nothing', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for n in range(400): os.write(fd, (b'%s-%03d' % (sys.argv[2].encode(), n)).ljust(60, b'.') + b'\\n')
`
  const writers = ['a', 'b', 'c', 'd']
  await Promise.all(writers.map((name) => python(program, [mount.at('log'), name])))
  const lines = (await shell('cat log', { cwd: mount.path })).split('\n').slice(0, -1)
  assert.ok(lines.every((line) => /^[a-d]-\d{3}\.+$/.test(line) && line.length === 60))
  for (const name of writers) {
    const own = lines.filter((line) => line.startsWith(name)).map((line) => line.slice(2, 5))
    assert.deepEqual(
      own,
      Array.from({ length: 400 }, (_, n) => String(n).padStart(3, '0')),
    )
  }
})

test('renameat2: NOREPLACE, EXCHANGE, directories and open files', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def rename(a, b, flags):
    return 0 if libc.renameat2(-100, a, -100, b, flags) == 0 else ctypes.get_errno()
for name in (b'a', b'b'): open(name, 'wb').write(name)
os.makedirs('d/inner'); open('d/inner/x', 'w').write('x')
assert rename(b'a', b'b', 1) == errno.EEXIST and open('b').read() == 'b'
assert rename(b'a', b'c', 1) == 0 and not os.path.exists('a')
fd = os.open('c', os.O_RDWR); os.pwrite(fd, b'C', 0)
assert rename(b'c', b'b', 2) == 0
assert open('c').read() == 'b' and open('b').read() == 'C'
assert rename(b'c', b'd', 2) == 0 and open('d').read() == 'b' and open('c/inner/x').read() == 'x'
assert os.stat('.').st_nlink == 3 and rename(b'c', b'missing', 2) == errno.ENOENT
assert rename(b'c', b'c/inner/y', 0) == errno.EINVAL
os.mkdir('e'); assert rename(b'e', b'c', 0) == errno.ENOTEMPTY and rename(b'c', b'e', 0) == 0
assert sorted(os.listdir('.')) == ['b', 'd', 'e']; os.pwrite(fd, b'D', 0); os.fsync(fd)
`
  await python(program, [mount.path])
  await mount.crash()
  await shell('test "$(cat b)" = D && test "$(cat d)" = b && test "$(cat e/inner/x)" = x', {
    cwd: mount.path,
  })
})
