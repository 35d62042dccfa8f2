import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { ACCESS_ACL, encodeAcl } from '../../src/fs/acl.ts'
import {
  type Credentials,
  mapHas,
  parseCredentials,
  readCredentials,
} from '../../src/fs/credentials.ts'
import type { Caller } from '../../src/fs/operations.ts'
import { MAY, assertMay, assertOwns, may, owns } from '../../src/fs/permission.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, directory, fileWith, refuses } from './fixture.ts'

const { READ, WRITE, EXECUTE } = MAY
const OWNER = 1000
const GROUP = 2000
const NOBODY = 65_534
const UNNAMED = { uid: 0xffff_ffff, gid: 0xffff_ffff }
const DAC_OVERRIDE = 1n << 1n
const DAC_READ_SEARCH = 1n << 2n
const FOWNER = 1n << 3n
const LINUX_IMMUTABLE = 1n << 9n
const SYS_ADMIN = 1n << 21n

const caller = (uid: number, gid = uid, pid = 7): Caller => ({ uid, gid, pid })

function credentials(uid: number, more: Partial<Credentials> = {}): Credentials {
  return {
    uid,
    gid: uid,
    groups: [],
    capabilities: 0n,
    covers: () => true,
    ...more,
  }
}

const entry = (tag: number, permissions: number, id = 0xffff_ffff) => ({ tag, permissions, id })

async function oneFile(mode: number) {
  const { fs, processes } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'file', 'content')
  await fs.setAttributes(ino, { uid: OWNER, gid: GROUP })
  await fs.setAttributes(ino, { mode })
  const { context } = fs
  const inode = () => context.engine.inodes.get(ino)
  const allowed = (who: Caller) =>
    [READ, WRITE, EXECUTE].reduce(
      (all, bit) => all | (may(context, inode(), who, bit) ? bit : 0),
      0,
    )
  return { fs, processes, ino, inode, context, allowed }
}

test('may() goes by the first class of the mode that fits', TIMEOUT, async () => {
  for (const mode of [0o754, 0o457, 0o070, 0o707, 0o007, 0o640, 0o000]) {
    const { allowed, processes } = await oneFile(mode)
    assert.equal(allowed(caller(OWNER)), mode >>> 6)
    assert.equal(allowed(caller(1001, GROUP)), (mode >>> 3) & 7)
    assert.equal(allowed(caller(NOBODY)), mode & 7)
    processes.known.set(7, credentials(1001, { groups: [5, GROUP] }))
    assert.equal(allowed(caller(1001)), (mode >>> 3) & 7)
  }
})

test('may() wants all that is asked for at once', TIMEOUT, async () => {
  const { context, inode } = await oneFile(0o640)
  assert.equal(may(context, inode(), caller(OWNER), READ | WRITE), true)
  assert.equal(may(context, inode(), caller(1, GROUP), READ | WRITE), false)
})

test('may() follows an access ACL, within its mask', TIMEOUT, async () => {
  const { fs, ino, allowed, processes } = await oneFile(0o600)
  const [userObj, user, groupObj, group, mask, other] = [1, 2, 4, 8, 16, 32]
  const acl = [
    entry(userObj, 6),
    entry(user, 7, 1001),
    entry(user, 0, 1002),
    entry(groupObj, 4),
    entry(group, 2, 3000),
    entry(group, 1, 3001),
    entry(mask, 6),
    entry(other, 1),
  ]
  await fs.setXattr(ino, ACCESS_ACL, encodeAcl(acl), 0)
  assert.equal(allowed(caller(OWNER)), 6)
  assert.equal(allowed(caller(1001)), 6, 'what the mask leaves')
  assert.equal(
    allowed(caller(1002, GROUP)),
    0,
    'an entry of his own comes before that of his group',
  )
  assert.equal(allowed(caller(NOBODY, GROUP)), 4)
  assert.equal(allowed(caller(NOBODY, 3001)), 0, 'what the mask takes is not given by others')
  processes.known.set(7, credentials(NOBODY, { groups: [GROUP, 3000] }))
  assert.equal(allowed(caller(NOBODY)), 6, 'each of his groups may allow')
  assert.equal(allowed(caller(1003)), 1)
})

test('capabilities count as on any filesystem', TIMEOUT, async () => {
  const { allowed, context, inode, processes } = await oneFile(0o640)
  const withCapabilities = (capabilities: bigint, more: Partial<Credentials> = {}): Caller => {
    processes.known.set(7, credentials(NOBODY, { capabilities, ...more }))
    return caller(NOBODY)
  }
  assert.equal(allowed(withCapabilities(DAC_OVERRIDE)), 6, 'nobody executes what is no program')
  assert.equal(allowed(withCapabilities(DAC_READ_SEARCH)), 4)
  assert.equal(allowed(withCapabilities(FOWNER)), 0)
  assert.equal(owns(context, inode(), withCapabilities(FOWNER)), true)
  assert.equal(owns(context, inode(), withCapabilities(DAC_OVERRIDE)), false)
  assert.equal(owns(context, inode(), caller(OWNER)), true)
  const elsewhere = withCapabilities(DAC_OVERRIDE | FOWNER, { covers: () => false })
  assert.equal(allowed(elsewhere), 0, 'of another user namespace')
  assert.equal(owns(context, inode(), elsewhere), false)
})

test('a directory is searched by whoever may read all', TIMEOUT, async () => {
  const { fs, processes } = await v.freshFilesystem()
  const ino = await directory(fs, 'd')
  await fs.setAttributes(ino, { mode: 0o700 })
  const inode = fs.context.engine.inodes.get(ino)
  processes.known.set(7, credentials(NOBODY, { capabilities: DAC_READ_SEARCH }))
  assert.equal(may(fs.context, inode, caller(NOBODY), READ | EXECUTE), true)
  assert.equal(may(fs.context, inode, caller(NOBODY), WRITE), false)
  processes.known.set(7, credentials(NOBODY, { capabilities: DAC_OVERRIDE }))
  assert.equal(may(fs.context, inode, caller(NOBODY), READ | WRITE | EXECUTE), true)
})

test(
  'root is root where /proc does not tell, and not without its capabilities',
  TIMEOUT,
  async () => {
    const { allowed, processes } = await oneFile(0o600)
    assert.equal(allowed(caller(0)), 6)
    processes.known.set(7, credentials(0))
    assert.equal(allowed(caller(0)), 0)
    // The kernel asks in the name of root for somebody else's thread.
    processes.known.set(7, credentials(NOBODY))
    assert.equal(allowed(caller(0)), 6)
  },
)

test('a caller whom the kernel does not name is looked up', TIMEOUT, async () => {
  const { allowed, processes } = await oneFile(0o640)
  assert.equal(allowed({ ...UNNAMED, pid: 7 }), 0)
  processes.known.set(7, credentials(OWNER))
  assert.equal(allowed({ ...UNNAMED, pid: 7 }), 6)
  processes.known.set(7, credentials(NOBODY, { gid: GROUP }))
  assert.equal(allowed({ ...UNNAMED, pid: 7 }), 4)
})

test('ids of a caller who may come through a mapped mount do not count', TIMEOUT, async () => {
  for (const [mode, left] of [
    [0o646, 6],
    [0o660, 0],
  ] as const) {
    const { allowed, processes } = await oneFile(mode)
    processes.isMapped = true
    processes.known.set(7, credentials(OWNER, { groups: [GROUP] }))
    assert.equal(allowed({ ...UNNAMED, pid: 7 }), left)
    processes.known.set(7, credentials(0, { capabilities: DAC_OVERRIDE }))
    assert.equal(allowed({ ...UNNAMED, pid: 7 }), 6)
  }
})

test('what is asserted says why', TIMEOUT, async () => {
  const { context, inode } = await oneFile(0o640)
  assertMay(context, inode(), undefined, WRITE)
  assertMay(context, inode(), caller(OWNER), WRITE)
  assertOwns(context, inode(), undefined)
  await refuses('EACCES', () => {
    assertMay(context, inode(), caller(NOBODY), READ)
  })
  await refuses('EPERM', () => {
    assertOwns(context, inode(), caller(NOBODY))
  })
})

test('flags are set by the owner, and protecting ones by root', TIMEOUT, async () => {
  const { fs, ino, processes } = await oneFile(0o666)
  const setFlags = (flags: number, who: Caller) => {
    const input = Buffer.alloc(4)
    input.writeUInt32LE(flags)
    return fs.ioctl({ ino, fh: 0, isDirectory: false, command: 0x4008_6602, input }, who)
  }
  await refuses('EPERM', () => setFlags(0x40, caller(NOBODY)))
  await refuses('EPERM', () => setFlags(0x10, caller(OWNER)))
  await setFlags(0x40, caller(OWNER))
  processes.known.set(7, credentials(OWNER, { capabilities: LINUX_IMMUTABLE }))
  await setFlags(0x50, caller(OWNER))
  processes.known.clear()
  await refuses('EPERM', () => setFlags(0x40, caller(OWNER)))
  await setFlags(0, caller(0))
})

test('names that are for root are listed for root', TIMEOUT, async () => {
  const { fs, ino, processes } = await oneFile(0o666)
  for (const name of ['user.a', 'trusted.b']) await fs.setXattr(ino, name, Buffer.from('1'), 0)
  assert.deepEqual(await fs.listXattr(ino, caller(OWNER)), ['user.a'])
  assert.deepEqual(await fs.listXattr(ino, caller(0)), ['trusted.b', 'user.a'])
  processes.known.set(7, credentials(OWNER, { capabilities: SYS_ADMIN }))
  assert.deepEqual(await fs.listXattr(ino, caller(OWNER)), ['trusted.b', 'user.a'])
})

test('parseCredentials() reads what counts for files', TIMEOUT, () => {
  const status =
    'Name:\tGroups:\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \nCapEff:\t000001ffffffffff\n'
  assert.deepEqual(parseCredentials(status), {
    uid: 4,
    gid: 8,
    groups: [9, 10],
    capabilities: 0x1ffffffffffn,
  })
  assert.deepEqual(parseCredentials(status.replace('9 10 ', ' '))?.groups, [])
  for (const gone of ['Uid:\t1', 'Gid:', 'CapEff:', '000001ffffffffff']) {
    assert.equal(parseCredentials(status.replace(gone, 'x')), undefined, gone)
  }
})

test('mapHas() knows the ids of a user namespace', TIMEOUT, () => {
  const map = '         0     100000      65536\n     65536       1000          1\n'
  for (const id of [100_000, 165_535, 1000]) assert.equal(mapHas(map, '0 0 4294967295\n', id), true)
  for (const id of [0, 99_999, 165_536, 1001]) {
    assert.equal(mapHas(map, '0 0 4294967295\n', id), false)
  }
  assert.equal(mapHas(map, map, 5), true, 'our own namespace has all that we see')
  assert.equal(mapHas('', '0 0 4294967295\n', 0), false, 'one without a map has nobody')
})

test('readCredentials() of real threads', TIMEOUT, async () => {
  const own = readCredentials(process.pid)
  assert.ok(own !== undefined)
  assert.equal(own.uid, process.getuid?.())
  assert.ok(own.covers(4711, 4712))
  assert.equal(readCredentials(0), undefined)
  assert.equal(readCredentials(2 ** 30), undefined)
  const users = ['--reuid=65534', '--regid=65534', '--groups=5,1234']
  const child = spawn('setpriv', [...users, 'unshare', '-Ur', 'sh', '-c', 'echo; read _'])
  try {
    await once(child.stdout, 'data')
    const found = readCredentials(child.pid ?? 0)
    assert.ok(found !== undefined)
    assert.equal(found.uid, NOBODY)
    assert.deepEqual(found.groups, [5, 1234])
    assert.notEqual(found.capabilities & DAC_OVERRIDE, 0n, 'root in its own namespace')
    assert.equal(found.covers(NOBODY, NOBODY), true)
    assert.equal(found.covers(0, NOBODY), false)
    assert.equal(found.covers(NOBODY, 0), false)
  } finally {
    child.kill()
    await once(child, 'close')
  }
})
