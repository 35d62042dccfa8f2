/**
 * Goal: whatever a command does under `oatomic run`, others see the whole old folder until it has
 * succeeded, and the whole new one from then on; and so does everybody after a crash.
 * Method: real commands on a real mount, killed at moments that they say themselves.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Mount, mounted } from './support/mount.ts'
import { type Ended, type RunOptions, type Running, needs, shell, start } from './support/run.ts'

const TEST = { timeout: 120_000 }
const ENTRY = fileURLToPath(new URL('../../mount.js', import.meta.url))

async function prepared(context: TestContext, script: string): Promise<Mount> {
  await needs('setpriv', 'util-linux')
  const mount = await mounted(context)
  await shell(script, { cwd: mount.path })
  return mount
}

/** `oatomic run FOLDER -- bash -c SCRIPT`, with the mount as the working directory. */
function startRun(mount: Mount, folder: string, script: string, options: RunOptions = {}): Running {
  // Bash takes a socket as its input for a login from afar, and would read its settings.
  const command = ['bash', '--norc', '-euo', 'pipefail', '-c', script]
  return start(process.execPath, [ENTRY, 'run', folder, '--', ...command], {
    cwd: mount.path,
    ...options,
  })
}

const run = (...parameters: Parameters<typeof startRun>): Promise<Ended> =>
  startRun(...parameters).ended

/** Names, types, modes, links and contents below a folder. */
const digest = (mount: Mount, folder: string): Promise<string> =>
  shell(
    `cd ${folder} && { find . -printf '%p %y %m %l %s %T@\\n'; find . -type f -print0 |
     xargs -0 -r md5sum; } | sort`,
    { cwd: mount.path },
  )

/** Lines of one text that another does not have. */
const linesBut = (text: string, other: string): string[] =>
  text.split('\n').filter((line) => !other.split('\n').includes(line))

async function isGone(pid: number): Promise<void> {
  for (let i = 0; existsSync(`/proc/${pid}`); i++) {
    assert.ok(i < 500, `process ${pid} does not end`)
    await sleep(10)
  }
}

test('others see the old folder to the end, and the new one at once', TEST, async (context) => {
  const mount = await prepared(context, 'mkdir -p f/sub; echo old > f/a; echo deep > f/sub/b')
  const script = `echo new > f/a; rm -r f/sub; mkdir f/other; echo x > ${mount.path}/f/other/c
    test "$(cat f/a)" = new; setfattr -n user.x -v 1 f; echo ready; read -r`
  const running = startRun(mount, 'f', script)
  await running.said('ready')
  await shell(
    `test "$(cat f/a)$(cat f/sub/b)" = olddeep; test ! -e f/other; test "$(ls -A)" = f; ! mv f g`,
    { cwd: mount.path },
  )
  running.tell('')
  const { status, stderr } = await running.ended
  assert.equal(status, 0, stderr)
  await shell(
    `test "$(cat f/a)$(cat f/other/c)" = newx; test ! -e f/sub
     test "$(getfattr --only-values -n user.x f)" = 1`,
    { cwd: mount.path },
  )
  await mount.crash()
  await shell('test "$(cat f/a)$(cat f/other/c)" = newx; test ! -e f/sub', { cwd: mount.path })
  await mount.unmount()
})

test('the exit code is that of the command, and only 0 changes anything', TEST, async (context) => {
  const mount = await prepared(context, 'mkdir f; echo old > f/a')
  const before = await digest(mount, 'f')
  const cases: [string, number][] = [
    ['rm -rf f/*; exit 7', 7],
    ['echo new > f/a; kill -TERM $$', 143],
    ['echo new > f/a; kill -KILL $$', 137],
    ['exec /nowhere/at/all', 127],
    ['exec /etc/passwd', 126],
  ]
  for (const [script, expected] of cases) {
    assert.equal((await run(mount, 'f', script)).status, expected, script)
    assert.equal(await digest(mount, 'f'), before, script)
  }
  await mount.unmount()
})

test('a working directory in the folder is the one of the copy', TEST, async (context) => {
  const mount = await prepared(context, 'mkdir -p f/sub; echo old > f/sub/a')
  const script = `test "$PWD" = ${mount.path}/f/sub; test "$(/bin/pwd)" = "$PWD"; echo new > a`
  const { status, stderr } = await run(mount, '..', script, { cwd: mount.at('f', 'sub') })
  assert.equal(status, 0, stderr)
  await shell('test "$(cat f/sub/a)" = new', { cwd: mount.path })
  await mount.unmount()
})

test('make install, git and thousands of small files', TEST, async (context) => {
  await needs('git', 'git')
  await needs('make', 'make')
  const mount = await prepared(
    context,
    `mkdir -p source prefix/bin; echo old > prefix/bin/tool
     printf 'install:\\n\\tinstall -D -m 755 tool $(PREFIX)/bin/tool\\n' > source/Makefile
     printf '\\tinstall -D -m 644 doc $(PREFIX)/share/doc\\n\\t@test -z "$(FAIL)"\\n' >> source/Makefile
     echo new > source/tool; echo text > source/doc
     export HOME=/nowhere GIT_CONFIG_NOSYSTEM=1; git init -q -b main up; cd up
     git config user.name a; git config user.email a@b; seq 500 > n; git add .; git commit -qm one
     git clone -q ../up ../clone; seq 900 > n; mkdir d; for i in $(seq 100); do echo $i > d/$i; done
     git add .; git commit -qm two; cd ..; mkdir -p modules/old; echo 1 > modules/old/package`,
  )
  const environment = { HOME: '/nowhere', GIT_CONFIG_NOSYSTEM: '1' }
  const ok = async (folder: string, script: string): Promise<void> => {
    const { status, stderr, stdout } = await run(mount, folder, script, { environment })
    assert.equal(status, 0, stdout + stderr)
  }
  const install = 'make -s -C source install PREFIX=$PWD/prefix'
  const failed = await run(mount, 'prefix', `${install} FAIL=1`)
  assert.equal(failed.status, 2)
  await shell('test "$(cat prefix/bin/tool)" = old; test ! -e prefix/share', { cwd: mount.path })
  await ok('prefix', install)
  await shell('test "$(cat prefix/bin/tool)$(cat prefix/share/doc)" = newtext', { cwd: mount.path })
  await ok('clone', 'cd clone; git pull -q; git gc -q; git checkout -q -b side')
  await shell(
    'cd clone; git fsck; git status --porcelain | wc -l | grep -qx 0; diff -r d ../up/d',
    {
      cwd: mount.path,
      environment,
    },
  )
  await ok(
    'modules',
    `cd modules; rm -rf *; for i in $(seq 30); do mkdir -p m$i/lib; for j in $(seq 40); do
     echo "$i $j" > m$i/lib/f$j; done; ln -s lib/f1 m$i/main; done`,
  )
  await shell(
    'test $(find modules -type f | wc -l) = 1200; test "$(cat modules/m7/main)" = "7 1"',
    { cwd: mount.path },
  )
  await mount.crash()
  await shell('cd clone; git fsck; test $(find ../modules -type f | wc -l) = 1200', {
    cwd: mount.path,
    environment,
  })
  await mount.unmount()
})

test('a change by others meanwhile is a conflict, and is kept', TEST, async (context) => {
  const mount = await prepared(context, 'mkdir -p f/sub; echo old > f/a; echo b > f/sub/b')
  for (const change of ['echo other >> f/sub/b', 'mv f/a f/c', 'rm f/c', 'chmod 700 f/sub']) {
    const running = startRun(mount, 'f', 'echo mine > f/mine; echo ready; read -r')
    await running.said('ready')
    await shell(change, { cwd: mount.path })
    const after = await digest(mount, 'f')
    running.tell('')
    const { status, stderr } = await running.ended
    assert.equal(status, 124, change)
    assert.match(stderr, /^oatomic: Cannot change ".*\/f": others have changed it/)
    assert.equal(await digest(mount, 'f'), after, change)
  }
  await mount.unmount()
})

test('what somebody has written and not closed is a conflict, too', TEST, async (context) => {
  const mount = await prepared(context, 'mkdir f; echo old > f/a')
  const running = startRun(mount, 'f', 'echo mine > f/mine; echo ready; read -r')
  await running.said('ready')
  const writer = start('bash', ['-c', 'exec 3>> f/a; echo half >&3; echo open; read -r'], {
    cwd: mount.path,
  })
  await writer.said('open')
  running.tell('')
  assert.equal((await running.ended).status, 124)
  writer.tell('')
  await writer.ended
  await shell('test "$(cat f/a)" = "$(printf "old\\nhalf")"; test ! -e f/mine', { cwd: mount.path })
  await mount.unmount()
})

test('of two at once the second to end has the conflict', TEST, async (context) => {
  const mount = await prepared(context, 'mkdir -p f/sub')
  const [first, second] = [
    startRun(mount, 'f', 'echo 1 > f/sub/1; echo ready; read -r'),
    startRun(mount, 'f/sub', 'echo 1 > f/sub/2; echo ready; read -r'),
  ]
  await Promise.all([first.said('ready'), second.said('ready')])
  second.tell('')
  assert.equal((await second.ended).status, 0)
  first.tell('')
  assert.equal((await first.ended).status, 124)
  await shell('test "$(ls f/sub)" = 2', { cwd: mount.path })
  await mount.unmount()
})

test('one run within another is part of it', TEST, async (context) => {
  const mount = await prepared(context, 'mkdir -p f/sub')
  const oatomic = `"${process.execPath}" "${ENTRY}"`
  const script = `${oatomic} run f/sub -- sh -c 'echo 1 > f/sub/inner'; test -e f/sub/inner
    status=0; ${oatomic} run f -- true || status=$?; test $status = 125; echo ready; read -r`
  const running = startRun(mount, 'f', script)
  await running.said('ready')
  await shell('test -z "$(ls f/sub)"', { cwd: mount.path })
  running.tell('')
  const { status, stderr } = await running.ended
  assert.equal(status, 0, stderr)
  await shell('test "$(cat f/sub/inner)" = 1', { cwd: mount.path })
  await mount.unmount()
})

test('killed, the run leaves the folder as it was, and its command ends', TEST, async (context) => {
  const mount = await prepared(context, 'mkdir f; echo old > f/a')
  const before = await digest(mount, 'f')
  const running = startRun(mount, 'f', 'echo new > f/a; echo $$; echo ready; exec sleep 60')
  await running.said('ready')
  const { stdout } = await running.killed()
  await isGone(Number(stdout.split('\n')[0]))
  assert.equal(await digest(mount, 'f'), before)
  const signalled = startRun(mount, 'f', 'echo new > f/a; echo ready; exec sleep 60')
  await signalled.said('ready')
  signalled.process.kill('SIGTERM')
  assert.equal((await signalled.ended).status, 143)
  assert.equal(await digest(mount, 'f'), before)
  await mount.unmount()
})

test('the daemon may die at any moment', TEST, async (context) => {
  const mount = await prepared(
    context,
    'mkdir f; for i in $(seq 300); do mkdir f/$i; echo old > f/$i/a; done; sync f',
  )
  const old = await digest(mount, 'f')
  let fresh: string | undefined
  for (let round = 0; round < 6; round++) {
    const running = startRun(
      mount,
      'f',
      `for i in $(seq 300); do echo new > f/$i/a; done; mkdir -p f/new; touch -d @7 f/new f/*/a f/* f
       echo ready; read -r`,
    )
    if (round < 3) {
      await sleep(150 * round)
      await mount.kill()
      await running.killed()
    } else {
      await running.said('ready')
      running.tell('')
      await sleep(20 * (round - 3))
      await mount.kill()
      assert.ok([0, 125].includes((await running.ended).status ?? -1))
    }
    await mount.remount()
    const found = await digest(mount, 'f')
    if (found !== old) fresh ??= found
    // All of it is old or new.
    if (found !== old) assert.deepEqual(linesBut(found, fresh ?? ''), linesBut(fresh ?? '', found))
    await shell('test $(cat f/*/a | sort -u | wc -l) = 1; test $(ls f/*/a | wc -l) = 300', {
      cwd: mount.path,
    })
  }
  await mount.unmount()
})

test('an ordinary user may, with what is his', TEST, async (context) => {
  const mount = await prepared(
    context,
    'mkdir mine other; echo old > mine/a; mkdir other/sub; chown -R 1000:1000 mine; chown 1000 other',
  )
  await shell(`chmod 755 ${mount.folder}`)
  const entry = ENTRY
  const isReachable = await start('setpriv', ['--reuid=1000', 'test', '-r', entry]).ended
  assert.equal(isReachable.status, 0, 'the program can be read by others')
  const user = ['--reuid=1000', '--regid=1000', '--clear-groups', process.execPath, entry, 'run']
  const asUser = (folder: string, script: string): Promise<Ended> =>
    start('setpriv', [...user, folder, '--', 'bash', '--norc', '-euc', script], { cwd: mount.path })
      .ended
  const script = 'test $(id -u) = 1000; echo new > mine/a; echo b > mine/b; test ! -w /etc'
  const { status, stderr } = await asUser('mine', script)
  assert.equal(status, 0, stderr)
  await shell('test "$(cat mine/a)" = new; test $(stat -c %u:%g mine/b) = 1000:1000', {
    cwd: mount.path,
  })
  const refused = await asUser('other', 'true')
  assert.equal(refused.status, 125)
  assert.match(refused.stderr, /a folder of somebody else/)
  await mount.unmount()
})

test('what cannot be done is refused in one line', TEST, async (context) => {
  const mount = await prepared(context, 'mkdir -p f/sub g; echo a > file')
  const cases: [string, RegExp][] = [
    ['.', /it is the root of a mount/],
    ['file', /Cannot open ".*\/file" as a folder/],
    ['missing', /Cannot find "missing"/],
    [mount.folder, /something is mounted on/],
    ['/usr', /it is not in an oatomic mount|something is mounted on/],
  ]
  for (const [folder, message] of cases) {
    const { status, stderr } = await run(mount, folder, 'touch ran')
    assert.equal(status, 125, folder)
    assert.match(stderr, /^oatomic: [^\n]+\n$/)
    assert.match(stderr, message)
  }
  await shell('test ! -e ran', { cwd: mount.path })
  await mount.unmount()
})
