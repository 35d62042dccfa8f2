/** Several users on one mount: nobody reaches what is not his. */
import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Mount, type MountOptions, mounted } from './support/mount.ts'
import { needs, run, shell } from './support/run.ts'

const TEST = { timeout: 90_000 }

/** Lines of shell find a user, another one, and one whom a group lets in, as commands before others. */
const USERS = `
user() { setpriv --reuid=1234 --regid=1234 --clear-groups "$@"; }
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
member() { setpriv --reuid=1235 --regid=1235 --groups=5000,5001 "$@"; }
refused() {
  local words=$1; shift
  local said; if said=$("$@" 2>&1); then echo "not refused: $*" >&2; return 1; fi
  case $said in *"$words"*) ;; *) echo "refused otherwise: $*: $said" >&2; return 1 ;; esac
}
`

async function openMount(context: TestContext, options: MountOptions = {}): Promise<Mount> {
  const mount = await mounted(context, options)
  await chmod(mount.folder, 0o755)
  await shell('chmod 1777 .', { cwd: mount.path })
  return mount
}

const asUsers = (mount: Mount, lines: string): Promise<string> =>
  shell(USERS + lines, { cwd: mount.path })

test('the control attributes of a file are its writers’', TEST, async (context) => {
  const mount = await openMount(context)
  await asUsers(
    mount,
    `user sh -c 'echo old > file && chmod 644 file && mkdir folder'
     user setfattr -n user.atomic -v 1 file
     user sh -c 'exec 3<>file; echo new >&3; sleep 0.2' &
     for control in '' .onclose .commit .rollback; do
       refused 'Permission denied' nobody setfattr -n user.atomic$control -v 1 file
       refused 'Permission denied' nobody setfattr -n user.atomic$control -v 1 folder
     done
     refused 'Permission denied' nobody setfattr -x user.atomic file
     nobody getfattr -n user.atomic.state file > /dev/null
     wait
     chmod 600 file
     refused 'Permission denied' nobody getfattr -n user.atomic.state file
     test "$(user cat file)" = new
     # In a folder that all may write to, and of a folder in which nobody removes another's files.
     refused 'Operation not permitted' user setfattr -n user.atomic -v 1 .
     for command in start stop; do
       refused 'ermi' user setfattr -n user.atomic.scrub -v $command .
     done`,
  )
})

test('a commit by names goes by what the caller may write', TEST, async (context) => {
  const mount = await openMount(context)
  await asUsers(
    mount,
    `mkdir mine
     chown 1235:1235 mine
     cd mine
     for name in others groups acls; do echo $name > $name; done
     chown 1234:5001 others groups acls
     chmod 644 others
     chmod 664 groups
     chmod 600 acls
     setfacl -m u:1235:rw acls
     commit() { member setfattr -n user.atomic.commit -v "$1" .; }
     refused 'Permission denied' commit others
     commit groups
     commit acls
     refused 'Permission denied' commit $'groups\\nothers'
     mkdir -p deep/er
     echo > deep/er/file
     chmod 666 deep/er/file
     commit deep/er/file
     chmod 700 deep
     refused 'Permission denied' commit deep/er/file
     cd ..
     mkdir blind
     chmod 722 blind
     cp -p mine/groups blind
     refused 'Permission denied' member setfattr -n user.atomic.commit -v groups blind`,
  )
})

test('flags belong to the owner, and protecting ones to root', TEST, async (context) => {
  const mount = await openMount(context)
  await needs('chattr', 'e2fsprogs')
  await asUsers(
    mount,
    `user sh -c 'echo > file && chmod 666 file'
     user chattr +d file
     refused 'not permitted' nobody chattr -d file
     refused 'not permitted' user chattr +i file
     refused 'not permitted' user unshare -Ur chattr +i file
     chattr +i file
     refused 'not permitted' user chattr -i file
     chattr -i file
     lsattr file | grep -q -- '-d-'`,
  )
})

test('trusted attributes are for root alone', TEST, async (context) => {
  const mount = await openMount(context)
  await asUsers(
    mount,
    `echo > file
     chmod 666 file
     setfattr -n trusted.secret -v 1 file
     setfattr -n user.known -v 1 file
     getfattr -m - file | grep -q trusted.secret
     user getfattr -m - file | grep -q user.known
     if user getfattr -m - file | grep trusted; then exit 1; fi
     if user unshare -Ur getfattr -m - file | grep trusted; then exit 1; fi`,
  )
})

/** Attaches a copy of a mount on a folder, in which one id of the filesystem is another one. */
const MAP = `
import ctypes, os, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *parameters):
    result = libc.syscall(number, *parameters)
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR, CLONE_NEWUSER = 428, 429, 442, 0x10000000
source, target, stored, shown = sys.argv[1:]
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    libc.unshare(CLONE_NEWUSER)
    os.write(writing, b'x')
    time.sleep(60)
os.read(reading, 1)
try:
    for kind in 'uid', 'gid':
        with open(f'/proc/{child}/{kind}_map', 'w') as file: file.write(f'{stored} {shown} 1')
    namespace = os.open(f'/proc/{child}/ns/user', os.O_RDONLY)
finally:
    os.kill(child, 9)
tree = call(OPEN_TREE, -100, source.encode(), 1)
attributes = struct.pack('QQQQ', 0x100000, 0, 0, namespace)
call(MOUNT_SETATTR, tree, b'', 0x1000, attributes, len(attributes))
call(MOVE_MOUNT, tree, b'', -100, target.encode(), 4)
`

test('a mount is mapped to other ids', TEST, async (context) => {
  const mount = await openMount(context, { allowIdmap: true })
  const map = join(mount.folder, 'map.py')
  await writeFile(map, MAP)
  const lines = `
    cd ${mount.path}
    mkdir ../mapped folder
    chown 1235:1235 folder
    chmod 777 folder
    echo theirs > folder/theirs
    chown 1234:1234 folder/theirs
    chmod 600 folder/theirs
    python3 ${map} ${mount.path} ${mount.folder}/mapped 1235 1234
    cd ${mount.folder}/mapped/folder
    user sh -c 'echo text > file; mkdir inner; ln -s x link; mkfifo pipe'
    test "$(stat -c %u:%g file inner link pipe | sort -u)" = 1234:1234
    test "$(cd ${mount.path}/folder && stat -c %u:%g file inner link pipe | sort -u)" = 1235:1235
    user chmod 600 file
    user chattr +d file
    user setfattr -n user.atomic -v 1 file
    user setfattr -n user.atomic.commit -v 1 file
    refused 'Value too large' nobody touch new
    refused 'Permission denied' member cat file
    refused 'Permission denied' member setfattr -n user.atomic.commit -v 1 file
    # Nor may he whose id another's file has in the volume.
    refused 'Permission denied' user cat theirs
    refused 'Permission denied' user setfattr -n user.atomic.commit -v theirs .
    setfattr -n user.atomic.commit -v $'theirs\\nfile' .
    setfattr -n user.atomic.scrub -v stop ${mount.path}
    cd ${mount.path}/folder
    umount ${mount.folder}/mapped
    member setfattr -n user.atomic.commit -v file .
    refused 'Permission denied' member setfattr -n user.atomic.commit -v theirs .`
  // In a namespace of its own, so that nothing is left mounted.
  await run('unshare', ['-m', 'bash', '-euxo', 'pipefail', '-c', USERS + lines])
})

test('without the option a mount is not mapped', TEST, async (context) => {
  const mount = await openMount(context)
  const map = join(mount.folder, 'map.py')
  await writeFile(map, MAP)
  const parameters = ['-m', 'python3', map, mount.path, mount.folder, '1235', '1234']
  await assert.rejects(run('unshare', parameters), /Invalid argument/)
})
