/**
 * A mount is ended by force while programs publish: Linux drops what it has not sent, and tells nobody.
 * What is published is whole all the same.
 */
import { test } from 'node:test'
import { Random, testSeed } from '../support/random.ts'
import { mounted } from './support/mount.ts'
import { python, startPython } from './support/run.ts'

const TEST = { timeout: 90_000 }
const ROUNDS = 4
const FILE_COUNT = 3

const WRITER = `
folder, count, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
names = [f'f{i}' for i in range(count)]
fds = [os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT, 0o644) for name in names]
for fd in fds:
    os.setxattr(fd, 'user.atomic', b'1')
    if how == 'group': os.setxattr(fd, 'user.atomic.group', b'all')
def commit():
    if how == 'files': os.setxattr(folder, 'user.atomic.commit', '\\n'.join(names).encode())
    elif how == 'file': os.setxattr(fds[0], 'user.atomic.commit', b'1')
    else: os.fsync(fds[0])
for n in range(1, 100000):
    for fd in fds[:1] if how == 'file' else fds:
        for page in range(0, 600, 2): os.pwrite(fd, b'%8d' % n * 512, page * 4096)
    commit(); say(n)
`

const CHECK = `
folder, count, acknowledged = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
versions = set()
for i in range(count):
    with open(os.path.join(folder, f'f{i}'), 'rb') as file: found = file.read()
    versions |= {int(found[at:at + 8]) for at in range(0, len(found), 8192)}
assert len(versions) == 1, f'mixed: {versions}'
assert versions <= {acknowledged, acknowledged + 1}, (versions, acknowledged)
`

for (const how of ['file', 'files', 'group'] as const) {
  test(`a mount that ends in the middle of a commit: ${how}`, TEST, async (context) => {
    const random = new Random(testSeed())
    context.diagnostic(`seed ${random.seed}`)
    const mount = await mounted(context)
    for (let round = 0; round < ROUNDS; round++) {
      const folder = mount.at(`round${round}`)
      await python('os.mkdir(sys.argv[1])', [folder])
      const writer = startPython(WRITER, [folder, String(FILE_COUNT), how])
      await writer.said('2')
      await new Promise((resolve) => setTimeout(resolve, random.int(60)))
      await mount.cut()
      const { stdout } = await writer.killed()
      await mount.remount()
      const acknowledged = stdout.trim().split('\n').at(-1) ?? '0'
      await python(CHECK, [folder, how === 'file' ? '1' : String(FILE_COUNT), acknowledged])
    }
    await mount.unmount()
  })
}
