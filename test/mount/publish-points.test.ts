/**
 * What makes staged content the file. The program itself kills the daemon right behind the call that
 * must have published, or that must not.
 */
import assert from 'node:assert/strict'
import { TRANSPORTS } from '../../src/fuse/transport.ts'
import { mounted } from './support/mount.ts'
import { python, startPython } from './support/run.ts'
import { testOn, testOnEach } from './support/transports.ts'

const TEST = { timeout: 60_000 }

const PRELUDE = `
path, daemon = sys.argv[1], int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
old, new = b'o' * 30000, b'n' * 70000
with open(path, 'wb') as file: file.write(old); os.fsync(file.fileno())
os.setxattr(path, 'user.atomic', b'1')
os.fsync(os.open(path, os.O_RDONLY))
def opened(flags=0): return os.open(path, os.O_RDWR | flags)
def mapped():
    fd = opened(); os.ftruncate(fd, 70000); memory = mmap.mmap(fd, 70000); memory[:] = new
    return fd, memory
`

const POINTS: Readonly<Record<string, readonly [string, 'old' | 'new']>> = {
  fsync: ['fd = opened(); os.pwrite(fd, new, 0); os.fsync(fd)', 'new'],
  fdatasync: ['fd = opened(); os.pwrite(fd, new, 0); os.fdatasync(fd)', 'new'],
  'a write with O_DSYNC': ['os.pwrite(opened(os.O_DSYNC), new, 0)', 'new'],
  'a write with O_SYNC': ['os.pwrite(opened(os.O_SYNC), new, 0)', 'new'],
  'a write with O_DIRECT and O_DSYNC': [
    'memory = mmap.mmap(-1, 1 << 17); memory[:70000] = new\n' +
      'fd = opened(os.O_DIRECT | os.O_DSYNC); os.pwrite(fd, memory[:65536], 0)',
    'new',
  ],
  'pwritev2 with RWF_DSYNC': ['fd = opened(); os.pwritev(fd, [new], 0, os.RWF_DSYNC)', 'new'],
  'msync(MS_SYNC)': ['fd, memory = mapped(); memory.flush()', 'new'],
  'msync(MS_ASYNC)': [
    'fd, memory = mapped(); at = ctypes.addressof(ctypes.c_char.from_buffer(memory))\n' +
      'assert libc.msync(ctypes.c_void_p(at), 70000, 1) == 0',
    'old',
  ],
  sync_file_range: [
    'fd = opened(); os.pwrite(fd, new, 0)\n' +
      'assert libc.sync_file_range(fd, ctypes.c_long(0), ctypes.c_long(70000), 7) == 0',
    'old',
  ],
  'fsync through another descriptor': [
    'fd = opened(); os.pwrite(fd, new, 0); os.fsync(os.open(path, os.O_RDONLY))',
    'new',
  ],
  'fsync of the folder': [
    'fd = opened(); os.pwrite(fd, new, 0); os.fsync(os.open(os.path.dirname(path), os.O_RDONLY))',
    'old',
  ],
  'sync(2)': ['fd = opened(); os.pwrite(fd, new, 0); os.sync()', 'old'],
  'user.atomic.commit': [
    "fd = opened(); os.pwrite(fd, new, 0); os.setxattr(path, 'user.atomic.commit', b'1')",
    'new',
  ],
  'user.atomic.commit of the folder, with the name': [
    "fd = opened(); os.pwrite(fd, new, 0); os.setxattr(os.path.dirname(path), 'user.atomic.commit', b'file')",
    'new',
  ],
  'user.atomic.commit of the folder, with another name': [
    "open(path + '2', 'w').close(); fd = opened(); os.pwrite(fd, new, 0)\n" +
      "os.setxattr(os.path.dirname(path), 'user.atomic.commit', b'file2')",
    'old',
  ],
  'fsync of another file of its group': [
    "other = os.open(path + '2', os.O_RDWR | os.O_CREAT); os.setxattr(path + '2', 'user.atomic', b'1')\n" +
      "for each in (path, path + '2'): os.setxattr(each, 'user.atomic.group', b'g')\n" +
      'fd = opened(); os.pwrite(fd, new, 0); os.fsync(other)',
    'new',
  ],
  'close(2), and fsync of another file': [
    'fd = opened(); os.pwrite(fd, new, 0); os.close(fd); time.sleep(0.2)\n' +
      "os.fsync(os.open(path + '2', os.O_RDWR | os.O_CREAT))",
    'new',
  ],
  'close(2) and munmap after stores': [
    'fd, memory = mapped(); os.close(fd); memory.close(); time.sleep(0.3)\n' +
      "os.fsync(os.open(path + '2', os.O_RDWR | os.O_CREAT))",
    'new',
  ],
}

for (const [what, [lines, wanted]] of Object.entries(POINTS)) {
  // A shared map takes the kernel's cache.
  const transports = lines.includes('mapped()') ? (['kernel'] as const) : TRANSPORTS
  testOn(transports, `${what}: the ${wanted} content after a crash`, TEST, async (context) => {
    const mount = await mounted(context)
    const program = `${PRELUDE}\n${lines}\nos.kill(daemon, signal.SIGKILL)\n`
    await python(program, [mount.at('file'), String(mount.pid)])
    await mount.crash()
    const content = await python("print(open(sys.argv[1]).read()[:70000], end='')", [
      mount.at('file'),
    ])
    const isNew = /^n+$/.test(content)
    assert.equal(isNew ? 'new' : content === 'o'.repeat(30_000) ? 'old' : content, wanted)
  })
}

const WRITER = `
path, size = sys.argv[1], int(sys.argv[2])
fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DSYNC, 0o644)
os.pwrite(fd, bytes([0]) * size, 0); os.setxattr(path, 'user.atomic', b'1'); os.fsync(fd)
say('ready')
for n in range(1, 100000):
    assert os.pwrite(fd, bytes([n % 256]) * size, 0) == size; say(n)
`

const CHECK = `
content = open(sys.argv[1], 'rb').read(); acknowledged = int(sys.argv[2])
assert len(content) == int(sys.argv[3]) and len(set(content)) == 1, [len(content), set(content)]
assert content[0] in (acknowledged % 256, (acknowledged + 1) % 256), (content[0], acknowledged)
`

for (const whom of ['the daemon', 'the writer'] as const) {
  testOnEach(
    `a large write with O_DSYNC is old or new when ${whom} is killed`,
    TEST,
    async (context, transport) => {
      const roundCount = transport === 'kernel' ? 12 : 4
      const sizes =
        transport === 'kernel' ? [1 << 20, 3_000_001, 70_000] : [100_000, 126_976, 70_000]
      const mount = await mounted(context)
      for (let round = 0; round < roundCount; round++) {
        const path = mount.at(`file${round}`)
        const size = sizes[round % 3] ?? 0
        const writer = startPython(WRITER, [path, String(size)])
        await writer.said('ready')
        await new Promise((resolve) => setTimeout(resolve, 40 + round * 17))
        if (whom === 'the daemon') await mount.kill()
        const { stdout } = await writer.killed()
        if (whom === 'the daemon') await mount.remount()
        const acknowledged = stdout.trim().split('\n').at(-1) ?? '0'
        await python(CHECK, [path, acknowledged === 'ready' ? '0' : acknowledged, String(size)])
      }
    },
  )
}
