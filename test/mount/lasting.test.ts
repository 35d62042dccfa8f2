/** What stays: across an unmount in order, and against writers of a read-only mount. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mounted } from './support/mount.ts'
import { shell, start } from './support/run.ts'

const TEST = { timeout: 60_000 }

const FILL = `
mkdir -p folder/inner
echo text > folder/file
ln folder/file folder/second
ln -s ../folder folder/inner/link
mkfifo folder/pipe
chmod 4751 folder/second
head -c 3000000 /dev/zero | tr '\\0' x > folder/large
truncate -s 5G folder/sparse
echo end >> folder/sparse
setfattr -n user.mine -v value folder/file
setfattr -n user.atomic -v 1 folder/large
setfattr -n user.atomic.onclose -v keep folder/inner
touch -d '2001-02-03 04:05:06.123456789' folder/file
touch folder/"$(printf 'a\\377 b\\nc')"
`

/** Everything that can be seen of a tree, times of access and change apart. */
const DESCRIBE = `
find folder -printf '%p %y %m %n %U %G %s %b %T@ %i %l\\n' | sort
getfattr -hR -d -m - folder | sort; cat folder/file; sha256sum folder/large; tail -c 4 folder/sparse
`

test('unmount() and mount again keep everything', TEST, async (context) => {
  const mount = await mounted(context)
  await shell(FILL, { cwd: mount.path })
  const before = await shell(DESCRIBE, { cwd: mount.path })
  await mount.unmount()
  const { wasClean } = await mount.remount()
  assert.equal(await shell(DESCRIBE, { cwd: mount.path }), before)
  assert.ok(wasClean)
})

test('what is older than a sync survives a killed daemon', TEST, async (context) => {
  const mount = await mounted(context)
  await shell(`${FILL}\nsync folder/file`, { cwd: mount.path })
  const before = await shell(DESCRIBE, { cwd: mount.path })
  const { wasClean } = await mount.crash()
  assert.equal(await shell(DESCRIBE, { cwd: mount.path }), before)
  assert.ok(!wasClean)
})

test('a read-only mount shows everything and changes nothing', TEST, async (context) => {
  const mount = await mounted(context)
  await shell(FILL, { cwd: mount.path })
  const before = await shell(DESCRIBE, { cwd: mount.path })
  await mount.unmount()
  await mount.remount({ readOnly: true, mountOptions: ['ro'] })
  assert.equal(await shell(DESCRIBE, { cwd: mount.path }), before)
  const refused = [
    'echo > new',
    'echo >> folder/file',
    'rm folder/file',
    'mkdir new',
    'chmod 0 folder',
    'truncate -s 0 folder/file',
    'mv folder other',
    'ln folder/file new',
    'setfattr -n user.atomic -v 1 folder/file',
    'setfattr -n user.atomic.rollback -v 1 folder/large',
  ]
  for (const line of refused) {
    const { status, stderr } = await start('bash', ['-c', line], { cwd: mount.path }).ended
    assert.notEqual(status, 0, line)
    assert.match(stderr, /Read-only file system/, line)
  }
  await mount.unmount()
  await mount.remount()
  assert.equal(await shell(DESCRIBE, { cwd: mount.path }), before)
})
