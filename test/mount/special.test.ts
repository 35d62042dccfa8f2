/** Calls that few programs make and those rely on: O_TMPFILE, holes, fallocate, file handles. */
import { test } from 'node:test'
import { mounted } from './support/mount.ts'
import { needs, python, shell } from './support/run.ts'

const TEST = { timeout: 60_000 }

test('O_TMPFILE and linkat make a file appear whole', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
os.chdir(sys.argv[1])
fd = os.open('.', os.O_RDWR | os.O_TMPFILE, 0o640)
os.write(fd, b'content')
assert os.fstat(fd).st_nlink == 0 and os.listdir('.') == []
os.fsync(fd)
libc = ctypes.CDLL(None, use_errno=True)
def link(fd, name):
    FOLLOW = 0x400
    if libc.linkat(-100, b'/proc/self/fd/%d' % fd, -100, name, FOLLOW) == 0: return 0
    return ctypes.get_errno()
assert link(fd, b'name') == 0
assert os.stat('name').st_nlink == 1 and open('name').read() == 'content'
secret = os.open('.', os.O_RDWR | os.O_TMPFILE | os.O_EXCL, 0o600)
assert link(secret, b'other') == errno.ENOENT
os.fsync(fd)
`
  await python(program, [mount.path])
  await mount.crash()
  await shell('test "$(cat name)" = content && test "$(ls)" = name', { cwd: mount.path })
})

test('SEEK_DATA and SEEK_HOLE see what is only in the cache yet', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 30)
os.pwrite(fd, b'x' * 5000, 1 << 20)
for published in (False, True):
    if published: os.fsync(fd)
    assert os.lseek(fd, 0, os.SEEK_DATA) == 1 << 20
    assert os.lseek(fd, 1 << 20, os.SEEK_HOLE) == (1 << 20) + 8192
    assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
    try: os.lseek(fd, 1 << 21, os.SEEK_DATA)
    except OSError as error: assert error.errno == errno.ENXIO
    else: raise AssertionError('content in a hole')
    assert os.pread(fd, 5000, 1 << 20) == b'x' * 5000
`
  await python(program, [mount.at('sparse')])
  await shell(
    'cp --sparse=auto sparse copy && cmp sparse copy && test "$(du -k copy | cut -f1)" -lt 100',
    {
      cwd: mount.path,
    },
  )
})

test('fallocate: space, zeros and holes', TEST, async (context) => {
  const mount = await mounted(context)
  await shell(
    `fallocate -l 3000000 a
     test "$(stat -c %s a)" = 3000000
     cmp -n 3000000 a /dev/zero
     test "$(stat -c %b a)" -ge 5856
     fallocate -n -l 9000000 a
     test "$(stat -c %s a)" = 3000000
     printf content | dd of=a bs=1 seek=1000 conv=notrunc status=none
     fallocate -p -o 4096 -l 1000000 a
     test "$(dd if=a bs=1 skip=1000 count=7 status=none)" = content
     test "$(stat -c %b a)" -lt 5000
     fallocate -z -o 0 -l 5000 a
     cmp -n 3000000 a /dev/zero
     sync a`,
    { cwd: mount.path },
  )
})

test('a file handle finds its file when the kernel has forgotten it', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(sys.argv[1])
os.mkdir('d'); open('d/file', 'w').write('content')
class Handle(ctypes.Structure):
    _fields_ = [('size', ctypes.c_uint), ('type', ctypes.c_int), ('bytes', ctypes.c_ubyte * 128)]
handle, place = Handle(128), ctypes.c_int()
assert libc.name_to_handle_at(-100, b'd/file', ctypes.byref(handle), ctypes.byref(place), 0) == 0
open('/proc/sys/vm/drop_caches', 'w').write('2')
root = os.open('.', os.O_RDONLY)
fd = libc.open_by_handle_at(root, ctypes.byref(handle), os.O_RDONLY)
assert fd >= 0, ctypes.get_errno()
assert os.read(fd, 99) == b'content'
os.close(fd); os.unlink('d/file')
# The kernel may still be releasing what was open.
for attempt in range(100):
    again = libc.open_by_handle_at(root, ctypes.byref(handle), os.O_RDONLY)
    if again < 0: break
    os.close(again)
    time.sleep(0.05)
assert again < 0 and ctypes.get_errno() == errno.ESTALE
`
  await python(program, [mount.path])
})

test('chattr protects files and directories', TEST, async (context) => {
  const mount = await mounted(context)
  await needs('chattr', 'e2fsprogs')
  await shell(
    `echo content > file
     chattr +i file
     lsattr file | grep -q '^----i'
     refused rm -f file
     refused sh -c 'echo > file'
     refused mv file other
     refused chmod 600 file
     refused ln file other
     test "$(cat file)" = content
     chattr -i +a file
     refused sh -c 'echo > file'
     echo more >> file
     refused truncate -s 0 file
     test "$(cat file)" = "$(printf 'content\\nmore')"
     mkdir d
     touch d/kept
     chattr +a d
     touch d/new
     refused rm -f d/kept
     chattr -a d
     chattr +i d
     refused touch d/newer
     refused setpriv --reuid 1234 --clear-groups --regid 1234 chattr -i d
     sync file`,
    { cwd: mount.path },
  )
  await mount.crash()
  await shell(
    `lsattr file | grep -q '^-----a'
     lsattr -d d | grep -q '^----i'
     chattr -R -i -a d file
     rm -r d file`,
    { cwd: mount.path },
  )
})

test('cp takes no space, whatever happens to the original', TEST, async (context) => {
  const mount = await mounted(context)
  const used = `df -k --output=used . | tail -1`
  await shell(
    `head -c 50000000 /dev/urandom > a
     sync a
     before=$(${used})
     cp a b
     cp a c
     sync b c
     test $(($(${used}) - before)) -lt 1000
     sha256sum < a > ../sum
     printf changed | dd of=a bs=1 seek=4000000 conv=notrunc status=none
     sync a
     sha256sum < b | cmp - ../sum
     truncate -s 1000 c
     rm a
     sync b`,
    { cwd: mount.path },
  )
  await mount.crash()
  await shell(`sha256sum < b | cmp - ../sum; test "$(stat -c %s c)" = 1000; rm b c`, {
    cwd: mount.path,
  })
  await mount.unmount()
})
