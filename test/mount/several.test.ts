/** Many files that change together, while the daemon is killed: all of one version, or all of the next. */
import { test } from 'node:test'
import { mounted } from './support/mount.ts'
import { python, startPython } from './support/run.ts'

const TEST = { timeout: 60_000 }
const FILE_COUNT = 120
const ROUNDS = 4

const WRITER = `
folder, count, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
names = [f'f{i}' for i in range(count)]
def content(i, n): return (b'%d %d ' % (i, n)) * (1 + (i * 37 + n * 11) % 900)
fds = [os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT, 0o644) for name in names]
for fd in fds:
    os.setxattr(fd, 'user.atomic', b'1')
    if how == 'group': os.setxattr(fd, 'user.atomic.group', b'all')
def commit():
    if how == 'group': os.fsync(fds[-1])
    else: os.setxattr(folder, 'user.atomic.commit', '\\n'.join(names).encode())
for n in range(1, 100000):
    for i, fd in enumerate(fds): os.ftruncate(fd, 0); os.pwrite(fd, content(i, n), 0)
    commit(); say(n)
`

const CHECK = `
folder, count, acknowledged = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def content(i, n): return (b'%d %d ' % (i, n)) * (1 + (i * 37 + n * 11) % 900)
versions = set()
for i in range(count):
    with open(os.path.join(folder, f'f{i}'), 'rb') as file: found = file.read()
    version = int(found.split()[1]) if found else 0
    assert found == (content(i, version) if version else b''), f'f{i} is torn'
    versions.add(version)
assert len(versions) == 1, f'mixed: {versions}'
assert versions <= {acknowledged, acknowledged + 1}, (versions, acknowledged)
`

for (const how of ['by their names', 'as a group'] as const) {
  test(`files committed together ${how} survive together`, TEST, async (context) => {
    const mount = await mounted(context)
    for (let round = 0; round < ROUNDS; round++) {
      const folder = mount.at(`round${round}`)
      await python('os.mkdir(sys.argv[1])', [folder])
      const method = how === 'as a group' ? 'group' : 'names'
      const writer = startPython(WRITER, [folder, String(FILE_COUNT), method])
      await writer.said('1')
      await new Promise((resolve) => setTimeout(resolve, 30 + round * 53))
      await mount.kill()
      const { stdout } = await writer.killed()
      await mount.remount()
      const acknowledged = stdout.trim().split('\n').at(-1) ?? '0'
      await python(CHECK, [folder, String(FILE_COUNT), acknowledged])
    }
  })
}

const REPEATER = `
folder, count = sys.argv[1], int(sys.argv[2])
names = [f'f{i}' for i in range(count)]
fds = [os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT, 0o644) for name in names]
for fd in fds: os.setxattr(fd, 'user.atomic', b'1')
for n in range(6):
    for i, fd in enumerate(fds): os.pwrite(fd, b'%d %d ' % (i, n) * 1000, n * 100)
    os.setxattr(folder, 'user.atomic.commit', '\\n'.join(names).encode())
    for i in (0, count // 2, count - 1):
        with open(os.path.join(folder, names[i]), 'rb') as file: found = file.read()
        assert found[n * 100:].startswith(b'%d %d ' % (i, n) * 1000), f'f{i} is not what was written'
        assert b'state=clean' in os.getxattr(fds[i], 'user.atomic.state')
`

test(
  'files are committed together again and again, and leave nothing open',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    const folder = mount.at('folder')
    await python('os.mkdir(sys.argv[1])', [folder])
    await python(REPEATER, [folder, String(FILE_COUNT)])
    // A file that the daemon still had open would keep the mount busy.
    await mount.unmount()
    await mount.remount()
    await python(
      "i = sys.argv[2]; found = open(f'{sys.argv[1]}/f{i}', 'rb').read()\n" +
        "assert found[500:] == b'%d 5 ' % int(i) * 1000, len(found)",
      [folder, String(FILE_COUNT - 1)],
    )
  },
)
