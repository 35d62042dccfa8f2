/** Atomic files as programs see them: staged content, publish points, crashes and rollback. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Mount, mounted } from './support/mount.ts'
import { python, run, shell, start, startPython } from './support/run.ts'
import { testOnEach } from './support/transports.ts'

const TEST = { timeout: 30_000 }

async function atomicFile(mount: Mount, content: string): Promise<string> {
  await shell(`touch file; setfattr -n user.atomic -v 1 file`, { cwd: mount.path })
  await shell(`printf %s "$CONTENT" > file; sync file`, {
    cwd: mount.path,
    environment: { CONTENT: content },
  })
  return mount.at('file')
}

const state = (path: string): Promise<string> =>
  run('getfattr', ['--only-values', '-n', 'user.atomic.state', path])

const contentOf = (path: string): Promise<string> => run('cat', ['--', path])

/** Opens a file for as long as it is not told to go, and does what it is told line by line. */
const HOLDER = `
fd = os.open(sys.argv[1], os.O_RDWR)
say('open')
while True:
    line = wait()
    if not line: break
    exec(line)
    say('did ' + line)
`

testOnEach('setfattr, echo > and getfattr in a shell', TEST, async (context) => {
  const mount = await mounted(context)
  await shell(
    `echo old > file
     setfattr -n user.atomic -v 1 file
     test "$(getfattr --only-values -n user.atomic file)" = 1
     getfattr -d file | grep -x 'user.atomic="1"'
     getfattr --only-values -n user.atomic.state file | grep -x state=clean
     getfattr --only-values -n user.atomic.limits file | grep -x alignment=1
     echo new > file
     test "$(cat file)" = new
     cp -a file copy
     test "$(getfattr --only-values -n user.atomic copy)" = 1
     setfattr -x user.atomic file
     refused getfattr -n user.atomic file
     refused setfattr -n user.atomic -v maybe file
     refused setfattr -n user.atomic.unknown -v 1 file`,
    { cwd: mount.path },
  )
})

testOnEach('files and folders made in an atomic folder are atomic', TEST, async (context) => {
  const mount = await mounted(context)
  await shell(
    `mkdir folder
     setfattr -n user.atomic -v 1 folder
     setfattr -n user.atomic.onclose -v discard folder
     mkdir -p folder/one/two
     echo x > folder/one/two/file
     ln -s file folder/one/two/link
     for path in folder/one folder/one/two folder/one/two/file; do
       test "$(getfattr --only-values -n user.atomic $path)" = 1
       test "$(getfattr --only-values -n user.atomic.onclose $path)" = discard
     done
     test ! -s folder/one/two/file`,
    { cwd: mount.path },
  )
})

testOnEach('everybody sees staged content; only fsync makes it last', TEST, async (context) => {
  const mount = await mounted(context)
  const path = await atomicFile(mount, 'the published content')
  const holder = startPython(HOLDER, [path])
  await holder.said('open')
  const write = "os.pwrite(fd, b'A STAGED BEGINNING, AND MORE AT THE END', 0)"
  holder.tell(write)
  await holder.said(`did ${write}`)
  assert.equal(await contentOf(path), 'A STAGED BEGINNING, AND MORE AT THE END')
  assert.match(await state(path), /^state=staged\nstaged_bytes=[1-9]/)
  await mount.kill()
  await holder.killed()
  await mount.remount()
  assert.equal(await contentOf(path), 'the published content')
  assert.match(await state(path), /^state=clean\nstaged_bytes=0\n/)
})

testOnEach('fsync publishes, and what is written later is staged again', TEST, async (context) => {
  const mount = await mounted(context)
  const path = await atomicFile(mount, 'one')
  const holder = startPython(HOLDER, [path])
  await holder.said('open')
  for (const line of ["os.pwrite(fd, b'second', 0); os.fsync(fd)", "os.pwrite(fd, b'third!', 0)"]) {
    holder.tell(line)
    await holder.said(`did ${line}`)
  }
  assert.equal(await contentOf(path), 'third!')
  await mount.kill()
  await holder.killed()
  await mount.remount()
  assert.equal(await contentOf(path), 'second')
})

testOnEach('user.atomic.commit publishes what only the kernel has yet', TEST, async (context) => {
  const mount = await mounted(context)
  const path = await atomicFile(mount, 'one')
  const holder = startPython(HOLDER, [path])
  await holder.said('open')
  const write = "os.pwrite(fd, b'x' * 300000, 5)"
  holder.tell(write)
  await holder.said(`did ${write}`)
  await run('setfattr', ['-n', 'user.atomic.commit', '-v', '1', path])
  assert.match(await state(path), /^state=clean/)
  await mount.kill()
  await holder.killed()
  await mount.remount()
  assert.equal(await contentOf(path), `one\0\0${'x'.repeat(300000)}`)
})

test('nothing of an atomic file is written back by time', TEST, async (context) => {
  const mount = await mounted(context)
  const path = await atomicFile(mount, 'old')
  const holder = startPython(HOLDER, [path])
  await holder.said('open')
  const write = "os.pwrite(fd, b'new' * 500000, 0); os.ftruncate(fd, 999); time.sleep(7); os.sync()"
  holder.tell(write)
  await holder.said(`did ${write}`)
  await mount.kill()
  await holder.killed()
  await mount.remount()
  assert.equal(await contentOf(path), 'old')
})

for (const [what, command] of [
  ['two commands with one redirection', '{ echo first; read -r < ../pipe; echo second; } > file'],
  ['one command', 'cat - > file < ../pipe'],
  ['a pipe line', '{ echo first; read -r < ../pipe; echo second; } | cat > file'],
  ['O_TRUNC alone', 'exec 3> file; read -r < ../pipe; echo second >&3'],
  ['a descriptor that was duplicated', 'exec 3<> file; echo 1 >&3; echo 2 >&3; read -r < ../pipe'],
]) {
  testOnEach(`${what ?? ''}: a crash in the middle leaves the old file`, TEST, async (context) => {
    const mount = await mounted(context)
    const path = await atomicFile(mount, 'old')
    await shell('mkfifo ../pipe', { cwd: mount.path })
    const script = `cd ${mount.path}; echo start; ${command ?? ''}`
    const middle = start('bash', ['-c', script], { ownGroup: true })
    await middle.said('start')
    await new Promise((resolve) => setTimeout(resolve, 300))
    await mount.kill()
    await middle.killed()
    await mount.remount()
    assert.equal(await contentOf(path), 'old')
  })
}

testOnEach(
  'commands with a redirection publish when all of them are through',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    const path = await atomicFile(mount, 'old')
    await shell('{ echo first; date > /dev/null; echo second; } > file', { cwd: mount.path })
    assert.equal(await contentOf(path), 'first\nsecond\n')
    assert.match(await state(path), /^state=clean/)
    await shell('sync .', { cwd: mount.path })
    await mount.crash()
    assert.equal(await contentOf(path), 'first\nsecond\n')
  },
)

testOnEach('dup and close publish nothing before the last close', TEST, async (context) => {
  const mount = await mounted(context)
  const path = await atomicFile(mount, 'old')
  const program = `
def state(): return os.getxattr(sys.argv[1], 'user.atomic.state').split(b'\\n')[0]
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
os.write(fd, b'half'); os.close(os.dup(fd)); assert state() == b'state=staged'
os.write(fd, b' whole'); assert state() == b'state=staged'
os.close(fd); time.sleep(0.2); assert state() == b'state=clean', state()
`
  await python(program, [path])
  assert.equal(await contentOf(path), 'half whole')
})

testOnEach('removing user.atomic publishes what is staged', TEST, async (context) => {
  const mount = await mounted(context)
  const path = await atomicFile(mount, 'old')
  const holder = startPython(HOLDER, [path])
  await holder.said('open')
  const write =
    "os.pwrite(fd, b'new', 0); os.removexattr(fd, 'user.atomic'); os.pwrite(fd, b'er', 3)"
  holder.tell(write)
  await holder.said(`did ${write}`)
  await shell('sync .', { cwd: mount.path })
  await mount.kill()
  await holder.killed()
  await mount.remount()
  assert.match(await contentOf(path), /^new/)
})

testOnEach('mount option atomic: every new file is', TEST, async (context) => {
  const mount = await mounted(context, { newFiles: 'shared' })
  await shell('echo a > a && test "$(getfattr --only-values -n user.atomic a)" = 1', {
    cwd: mount.path,
  })
})
