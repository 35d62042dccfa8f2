/** Rollback by attribute: what every opener sees afterwards, in all ways in which one can look. */
import { test } from 'node:test'
import { mounted } from './support/mount.ts'
import { python, startPython } from './support/run.ts'
import { testOnEach } from './support/transports.ts'

const TEST = { timeout: 90_000 }

const PROGRAM = `
path, old_size, new_size, round_count, is_mapped = sys.argv[1], *map(int, sys.argv[2:])
old = bytes(i * 7 % 251 for i in range(old_size)); new = bytes(i * 5 % 241 + 1 for i in range(new_size))
with open(path, 'wb') as file: file.write(old)
os.setxattr(path, 'user.atomic', b'1')
fd = os.open(path, os.O_RDWR); other = os.open(path, os.O_RDONLY)
view = mmap.mmap(other, old_size, mmap.MAP_SHARED, mmap.PROT_READ) if old_size and is_mapped else b''
def stage():
    os.pwrite(fd, new, 0); os.ftruncate(fd, new_size)
    assert os.fstat(other).st_size == new_size and os.pread(other, new_size + 9, 0) == new
    assert not view or view[:min(old_size, new_size)] == new[:old_size]
def check(content):
    assert os.fstat(fd).st_size == os.fstat(other).st_size == os.stat(path).st_size == len(content)
    for which in (fd, other):
        got = os.pread(which, len(content) + 9, 0)
        assert got == content, (len(got), len(content))
    assert not view or view[:] == content[:old_size]
    assert open(path, 'rb').read() == content
    assert os.lseek(fd, 0, os.SEEK_END) == len(content)
for n in range(round_count):
    stage()
    os.setxattr(path, 'user.atomic.rollback', b'1')
    assert os.getxattr(path, 'user.atomic.state').startswith(b'state=clean')
    check(old)
    stage()
    os.setxattr(path, 'user.atomic.rollback', b'1')
    # Writing right behind the rollback, before anybody has looked.
    tail = b'tail%d' % n
    os.pwrite(fd, tail, old_size)
    check(old + tail)
    os.setxattr(path, 'user.atomic.rollback', b'1')
    check(old)
os.pwrite(fd, b'+' * 10, old_size); os.fsync(fd)
check(old + b'+' * 10)
`

for (const [oldSize, newSize] of [
  [10_000, 10_000],
  [10_000, 50_000],
  [50_000, 10_000],
  [0, 5000],
  [5000, 0],
  [4096, 8192],
  [700_000, 2_000_001],
  [2_000_001, 3],
] as const) {
  testOnEach(`rollback from ${newSize} to ${oldSize} bytes`, TEST, async (context, transport) => {
    const mount = await mounted(context)
    await python(PROGRAM, [
      mount.at('file'),
      String(oldSize),
      String(newSize),
      '10',
      transport === 'kernel' ? '1' : '0',
    ])
    await mount.unmount()
  })
}

testOnEach('appending with O_APPEND right behind a rollback', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
path = sys.argv[1]
open(path, 'wb').write(b'old'); os.setxattr(path, 'user.atomic', b'1')
fd = os.open(path, os.O_WRONLY | os.O_APPEND)
for n in range(50):
    os.write(fd, b'staged' * 1000)
    os.setxattr(path, 'user.atomic.rollback', b'1')
    os.write(fd, b'new'); content = open(path, 'rb').read()
    assert content == b'oldnew', (n, len(content), content[:20])
    os.setxattr(path, 'user.atomic.rollback', b'1')
`
  await python(program, [mount.at('file')])
})

testOnEach(
  'rollback while others look: sizes are right as soon as it returns',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    const program = `
path = sys.argv[1]
old, new = b'a' * 30000, b'b' * 90000
open(path, 'wb').write(old); os.setxattr(path, 'user.atomic', b'1')
reader = os.fork()
if reader == 0:
    while True: os.stat(path); open(path, 'rb').read()
try:
    fd = os.open(path, os.O_RDWR)
    for n in range(1000):
        os.pwrite(fd, new, 0); os.setxattr(path, 'user.atomic.rollback', b'1')
        assert os.fstat(fd).st_size == 30000, (n, os.fstat(fd).st_size)
        got = os.pread(fd, 100000, 0); assert got == old, (n, len(got), got.count(b'b'))
finally: os.kill(reader, signal.SIGKILL)
`
    await python(program, [mount.at('file')])
  },
)

testOnEach('a daemon that is killed during rollbacks ends', TEST, async (context) => {
  const mount = await mounted(context)
  const program = `
path = sys.argv[1]
open(path, 'wb').write(b'old'); os.setxattr(path, 'user.atomic', b'1'); os.sync()
os.fsync(os.open(path, os.O_RDONLY)); say('ready')
fd = os.open(path, os.O_RDWR)
while True:
    os.pwrite(fd, b'x' * 200000, 0); os.setxattr(path, 'user.atomic.rollback', b'1')
`
  for (let round = 0; round < 10; round++) {
    const path = mount.at(`file${round}`)
    const running = startPython(program, [path])
    await running.said('ready')
    await new Promise((resolve) => setTimeout(resolve, 50 + 13 * round))
    await mount.kill()
    await running.killed()
    await mount.remount()
    await python("assert open(sys.argv[1], 'rb').read() == b'old'", [path])
  }
})

const ASKING = `
path = sys.argv[1]
fd = os.open(path, os.O_RDONLY)
say('ready')
end = time.time() + 4
while time.time() < end:
    os.setxattr(path, 'user.other', b'x'); os.lseek(fd, 0, os.SEEK_END); os.stat(path)
`

test(
  'a rollback waits for nobody who asks for the size with the file locked',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    const path = mount.at('file')
    await python(
      "open(sys.argv[1], 'w').write('old')\nos.setxattr(sys.argv[1], 'user.atomic', b'1')",
      [path],
    )
    const asking = [1, 2, 3].map(() => startPython(ASKING, [path]))
    await Promise.all(asking.map(async (program) => program.said('ready')))
    await python(
      `
fd = os.open(sys.argv[1], os.O_RDWR)
end = time.time() + 3
while time.time() < end:
    os.pwrite(fd, b'x' * 50000, 0)
    os.setxattr(sys.argv[1], 'user.atomic.rollback', b'1')
`,
      [path],
    )
    for (const program of asking) await program.ended
  },
)
