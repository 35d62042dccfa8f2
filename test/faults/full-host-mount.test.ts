/**
 * Goal: when others fill the disk below a mount, who writes more than there is room for gets ENOSPC
 * from the write, or what stands for it, and nothing else suffers: publishes of what fits, names,
 * unmounting, mounting again and recovery all work, and when there is space again so does everything.
 * Method: a small ext4 on a loop device, filled to the last block by another program.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { BadDisk, FATAL, assertKept, assertRecovers, write } from './support/bad-disk.ts'
import { attempt } from '../support/loop-disk/commands.ts'

const TEST = { timeout: 120_000 }
const MIB = 1024 * 1024

/** Takes every block of the host that root can get. */
async function fillHost(bad: BadDisk): Promise<void> {
  const program = `
import errno, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_APPEND)
for size in (1 << 20, 4096, 512):
    try:
        while True: os.write(fd, b'x' * size)
    except OSError as error: assert error.errno == errno.ENOSPC, error
os.fsync(fd)`
  const { status, stderr } = await attempt('python3', ['-c', program, join(bad.host, 'filler')])
  assert.equal(status, 0, stderr)
}

async function emptyHost(bad: BadDisk): Promise<void> {
  assert.equal((await attempt('rm', ['--', join(bad.host, 'filler')])).status, 0)
}

/** Overwrites, changes names, publishes; then asks for more than there is. */
const USE = `
fd = os.open('atomic', os.O_RDWR)
for n in range(30):
    os.pwrite(fd, b'v' * 5000, n * 100); os.fsync(fd)
for n in range(20):
    os.rename('f%d' % (n % 3 + 1), 'g'); os.rename('g', 'f%d' % (n % 3 + 1))
fd = os.open('more', os.O_RDWR | os.O_CREAT)
step = 'nothing'
try:
    for n in range(400):
        step = 'write'; os.pwrite(fd, b'm' * 1000000, n * 1000000)
        step = 'fsync'; os.fsync(fd)
except OSError as error: print(errno.errorcode[error.errno], 'after', n)
os.close(fd)`

test('a disk that others fill while it is used', TEST, async (context) => {
  const bad = await BadDisk.make(context, 320 * MIB)
  await bad.mount(60)
  const before = await write(bad, 0.5)
  await fillHost(bad)
  const used = await bad.python(USE)
  assert.equal(used.status, 0, used.stderr)
  assert.match(used.stdout, /^ENOSPC after \d+$/m)
  // What fits goes on: small changes of what is there take no space of the disk below.
  const during = await write(bad, 0.5, before.atomic)
  assert.equal(during.error, undefined)
  assert.deepEqual(bad.loud(FATAL), [])
  const left = await bad.oatomic(['unmount', bad.mountpoint])
  assert.equal(left.status, 0, left.stderr)
  assert.equal(await bad.ended(), 0)

  await bad.mount(60)
  await assertKept(bad, during)
  const again = await write(bad, 0.5, during.atomic)
  assert.equal(again.error, undefined)
  await bad.kill()
  await bad.mount(60)
  await assertKept(bad, again)
  assert.equal((await bad.python(`os.unlink('more')`)).status, 0)
  await emptyHost(bad)
  const large = `
fd = os.open('large', os.O_RDWR | os.O_CREAT)
for n in range(60): os.write(fd, b'l' * 1000000)
os.fsync(fd)`
  const { status, stderr } = await bad.python(large)
  assert.equal(status, 0, stderr)
  assert.equal((await bad.oatomic(['unmount', bad.mountpoint])).status, 0)
  assert.equal(await bad.ended(), 0)
  await assertRecovers(bad, again)
})

test(
  'a cached write that is lost is told to every opener, and lost once',
  TEST,
  async (context) => {
    const bad = await BadDisk.make(context, 200 * MIB)
    await bad.mount(60)
    await fillHost(bad)
    const program = `
def fails(call):
    try: call()
    except OSError as error: return errno.errorcode[error.errno]
    return 'nothing'
first = os.open('shared', os.O_RDWR | os.O_CREAT); second = os.open('shared', os.O_RDWR)
for n in range(120):
    if fails(lambda: os.pwrite(first, b's' * 1000000, n * 1000000)) != 'nothing': break
print(fails(lambda: os.fsync(first)), fails(lambda: os.fsync(second)))
print(fails(lambda: os.fsync(first)), fails(lambda: os.fsync(second)))`
    const { stdout, stderr } = await bad.python(program)
    assert.equal(stdout, 'ENOSPC ENOSPC\nnothing nothing\n', stderr)
    assert.deepEqual(bad.loud(FATAL), [])
    assert.equal((await bad.oatomic(['unmount', bad.mountpoint])).status, 0)
    assert.equal(await bad.ended(), 0)
  },
)
