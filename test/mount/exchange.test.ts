/** XFS's exchange of ranges, as programs on a mount see it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXCHANGE } from './support/exchange.ts'
import { mounted } from './support/mount.ts'
import { python, shell, startPython } from './support/run.ts'

const TEST = { timeout: 120_000 }

test('cache, mappings, sizes and times show what was exchanged', TEST, async (context) => {
  const mount = await mounted(context)
  await python(
    `${EXCHANGE}
folder = sys.argv[1]
def opened(name): return os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT)
a, b = opened('a'), opened('b')
for size1, size2 in ((100000, 30000), (30000, 100000), (50000, 50000), (1, 300000)):
    for fd, fill, size in ((a, b'a', size1), (b, b'b', size2)):
        os.ftruncate(fd, 0); os.pwrite(fd, fill * size, 0)
    memory = mmap.mmap(a, size1)
    assert memory[0:1] == b'a'
    os.utime(a, (1, 1)); os.utime(b, (1, 1))
    exchange(a, b)
    assert os.fstat(a).st_size == size2 and os.stat(os.path.join(folder, 'b')).st_size == size1
    assert os.pread(a, 400000, 0) == b'b' * size2, size2
    assert os.pread(b, 400000, 0) == b'a' * size1, size1
    assert memory[0:1] == b'b'
    for fd in (a, b): assert os.fstat(fd).st_mtime > 2
    # What is written and stored after it belongs to the new content.
    memory[0:1] = b'z'; os.pwrite(a, b'end', size2)
    os.fsync(a)
    assert os.pread(a, 400000, 0) == b'z' + b'b' * (size2 - 1) + b'end'
`,
    [mount.path],
  )
  await mount.unmount()
  await mount.remount()
  await python(
    `
content = open(sys.argv[1], 'rb').read()
assert content == b'z' + b'b' * 299999 + b'end', (len(content), content[:3], content[-3:])
assert open(sys.argv[2], 'rb').read() == b'a'
`,
    [mount.at('a'), mount.at('b')],
  )
})

test('a clone is edited and put back, unless the file has changed', TEST, async (context) => {
  const mount = await mounted(context)
  await python(
    `${EXCHANGE}
path = sys.argv[1]
fd = os.open(path, os.O_RDWR | os.O_CREAT)
old = bytearray(os.urandom(3_000_000))
os.pwrite(fd, old, 0); os.fsync(fd)
def edited(at):
    draft = os.open(os.path.dirname(path), os.O_TMPFILE | os.O_RDWR)
    argument = start_commit(draft, fd, flags=TO_EOF | DSYNC)
    while os.copy_file_range(fd, draft, 1 << 30): pass
    os.lseek(fd, 0, 0)
    os.pwrite(draft, b'edited', at); old[at:at + 6] = b'edited'
    return draft, argument
draft, argument = edited(70000)
commit(fd, argument)
assert os.pread(fd, 4_000_000, 0) == old
os.close(draft)
for change in (
    "os.pwrite(fd, b'other', 0)",
    "os.ftruncate(fd, 2_000_000)",
    "memory = mmap.mmap(fd, 4096); memory[9:10] = b'm'",
    "os.posix_fallocate(fd, 0, 4_000_000)",
):
    before = os.pread(fd, 5_000_000, 0)
    draft, argument = edited(100)
    exec(f"fd = os.open({path!r}, os.O_RDWR)\\n{change}\\nsay('changed')")
    assert error_of(commit, fd, argument) == 'EBUSY', change
    assert b'edited' not in os.pread(fd, 200, 0)[100:106]
    os.close(draft)
`,
    [mount.at('file')],
  )
})

test('a write during exchanges brings nothing back that was exchanged', TEST, async (context) => {
  const mount = await mounted(context)
  // A byte is written to a page of which the kernel has the rest in its cache, old or new. Whatever
  // the order, each file is of one letter in the end, apart from such bytes.
  await python(
    `${EXCHANGE}
import threading
folder = sys.argv[1]
def opened(name): return os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT)
a, b = opened('a'), opened('b')
for fd, fill in ((a, b'a'), (b, b'b')): os.pwrite(fd, fill * 65536, 0)
over, failed = False, []
def read():
    while not over:
        for fd in (a, b):
            page = os.pread(fd, 4096, 8192).replace(b'w', b'')
            assert len(set(page)) == 1, set(page)
def write():
    number = 0
    while not over: number += 1; os.pwrite(a, b'w', 8192 + number % 256)
def watched(work):
    try: work()
    except BaseException as error: failed.append(error)
threads = [threading.Thread(target=watched, args=(work,)) for work in (read, write)]
for thread in threads: thread.start()
for _ in range(300): exchange(a, b, length=65536, flags=0)
over = True
for thread in threads: thread.join()
assert not failed, failed
for fd in (a, b):
    os.fsync(fd)
    assert len(set(os.pread(fd, 65536, 0).replace(b'w', b''))) == 1
`,
    [mount.path],
  )
})

test('descriptors that are not files of the mount are refused', TEST, async (context) => {
  const mount = await mounted(context)
  const other = await mounted(context)
  await python(
    `${EXCHANGE}
import socket, threading
here, elsewhere, outside = sys.argv[1:4]
def opened(folder, flags=os.O_RDWR, name='file'): return os.open(os.path.join(folder, name), flags | os.O_CREAT, 0o644)
second = opened(here, name='second'); os.pwrite(second, b's' * 8192, 0)
os.pwrite(opened(here), b'f' * 8192, 0)
# The same inode numbers on another mount.
os.pwrite(opened(elsewhere, name='second'), b'x' * 8192, 0); os.pwrite(opened(elsewhere), b'y' * 8192, 0)
def refused(fd, wanted):
    found = error_of(exchange, fd, second, length=4096, flags=0)
    assert found == wanted, (found, wanted)
refused(opened(elsewhere), 'EXDEV'); refused(opened(outside), 'EXDEV')
refused(socket.socket().detach(), 'EXDEV'); refused(os.pipe()[0], 'EXDEV')
refused(os.memfd_create(here + '/file'), 'EXDEV')
refused(os.open(here, os.O_RDONLY), 'EISDIR')
refused(os.open(os.path.join(here, 'file'), os.O_PATH), 'EBADF')
for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_APPEND): refused(opened(here, flags), 'EBADF')
appending = opened(here); fcntl.fcntl(appending, fcntl.F_SETFL, os.O_APPEND); refused(appending, 'EBADF')
refused(999, 'EBADF'); refused(-1, 'EBADF'); refused(-2**31, 'EBADF')
closed = opened(here); os.close(closed); refused(closed, 'EBADF')
gone = opened(here, name='gone'); os.pwrite(gone, b'g' * 8192, 0); os.unlink(os.path.join(here, 'gone'))
# A file without a name is as good as any, and so is a table of descriptors of one thread only.
exchange(gone, second, length=4096, flags=0)
assert os.pread(second, 8192, 0) == b'g' * 4096 + b's' * 4096
def alone():
    assert ctypes.CDLL(None).unshare(0x400) == 0
    own = opened(here); os.dup2(own, 500); exchange(500, second, length=4096, flags=0)
thread = threading.Thread(target=alone); thread.start(); thread.join()
assert os.pread(second, 1, 0) == b'f'
refused(500, 'EBADF')
`,
    [mount.path, other.path, mount.folder],
  )
})

test('callers in other namespaces, and of bind mounts, are understood', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `import errno, fcntl, os, struct, sys${EXCHANGE}
a, b = (os.open(path, os.O_RDWR) for path in sys.argv[1:3])
argument = start_commit(a, b); commit(b, argument)
assert os.pread(b, 1, 0) == b'a'
`
  await shell(
    `cd ${mount.path}; mkdir ${mount.folder}/bound; mount --bind . ${mount.folder}/bound
trap 'cd /; umount ${mount.folder}/bound' EXIT
run() { printf aaaa > a; printf bbbb > b; "$@"; }
run unshare --pid --fork --mount-proc python3 -c "$PROGRAM" a b
run unshare --mount python3 -c "$PROGRAM" a b
run unshare --mount bash -c 'mkdir /run/own$$; mount --bind . /run/own$$; python3 -c "$PROGRAM" /run/own$$/a /run/own$$/b; rmdir /run/own$$ || true'
run unshare --user --map-root-user --mount python3 -c "$PROGRAM" a b
run python3 -c "$PROGRAM" ${mount.folder}/bound/a b
run python3 -c "$PROGRAM" a ${mount.folder}/bound/b`,
    { environment: { PROGRAM: program } },
  )
})

test('killed again and again, a file is always the one before or after', TEST, async (context) => {
  const mount = await mounted(context)
  const path = mount.at('file')
  const seconds = Number(process.env['OATOMIC_KILL_SECONDS'] ?? 6)
  const notes = `${mount.folder}/notes`
  const program = `${EXCHANGE}
path, notes = sys.argv[1:3]
def body(step): return (hashlib.sha256(str(step).encode()).digest() * 20000)[:100000 + step * 4567 % 300000]
step = int(open(notes).read().split()[-1])
fd = os.open(path, os.O_RDWR)
noting = open(notes, 'a')
say('ready')
while True:
    step += 1
    draft = os.open(os.path.dirname(path), os.O_TMPFILE | os.O_RDWR)
    argument = start_commit(draft, fd, flags=TO_EOF | DSYNC)
    os.lseek(fd, 0, 0)
    while os.copy_file_range(fd, draft, 1 << 30): pass
    os.pwrite(draft, body(step), 0); os.ftruncate(draft, len(body(step)))
    commit(fd, argument)
    noting.write(f'{step}\\n'); noting.flush()
    os.close(draft)
`
  const verify = `
path, notes = sys.argv[1:3]
def body(step): return (hashlib.sha256(str(step).encode()).digest() * 20000)[:100000 + step * 4567 % 300000]
step = int(open(notes).read().split()[-1])
content = open(path, 'rb').read()
for seen in (step, step + 1):
    if content == body(seen): break
else: raise SystemExit(f'{len(content)} bytes are neither step {step} nor the next')
with open(notes, 'a') as file: file.write(f'{seen}\\n')
print(seen)
`
  await python(
    `path, notes = sys.argv[1:3]
content = (hashlib.sha256(b'0').digest() * 20000)[:100000]
with open(path, 'wb') as file: file.write(content); os.fsync(file.fileno())
os.setxattr(path, 'user.atomic', b'1')
open(notes, 'w').write('0\\n')`,
    [path, notes],
  )
  const end = Date.now() + seconds * 1000
  let steps = 0
  for (let round = 0; Date.now() < end; round++) {
    const worker = startPython(program, [path, notes], { timeoutMs: 100_000 })
    await worker.said('ready')
    await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 400))
    if (round % 2 === 0) {
      await mount.kill()
      await worker.ended
      await mount.remount()
    } else {
      await worker.killed()
    }
    steps = Number(await python(verify, [path, notes]))
  }
  assert.ok(steps > 0, 'something was exchanged')
})
