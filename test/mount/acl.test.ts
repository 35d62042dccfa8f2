/** POSIX ACLs, as setfacl(1) sets them and the kernel obeys them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mounted } from './support/mount.ts'
import { needs, shell } from './support/run.ts'

const TEST = { timeout: 60_000 }
/** Runs a command as a user who owns nothing here. */
const AS_OTHER = 'setpriv --reuid 1234 --regid 1234 --clear-groups'

test('an ACL lets in whom it names, and chmod changes its mask', TEST, async (context) => {
  const mount = await mounted(context)
  await needs('setfacl', 'acl')
  await shell(
    `chmod 755 .
     echo content > file
     chmod 600 file
     refused ${AS_OTHER} cat file
     setfacl -m u:1234:r file
     test "$(${AS_OTHER} cat file)" = content
     test "$(stat -c %a file)" = 640
     refused ${AS_OTHER} sh -c 'echo x >> file'
     setfacl -m u:1234:rw file
     ${AS_OTHER} sh -c 'echo x >> file'
     chmod 600 file
     refused ${AS_OTHER} cat file
     chmod 640 file
     ${AS_OTHER} cat file > /dev/null
     refused ${AS_OTHER} setfacl -m u:1234:rwx file
     setfacl -b file
     refused ${AS_OTHER} cat file
     test "$(stat -c %a file)" = 600`,
    { cwd: mount.path },
  )
})

test('a default ACL is inherited, copied and kept over a crash', TEST, async (context) => {
  const mount = await mounted(context)
  await needs('setfacl', 'acl')
  const look = 'getfacl -cpR folder; cat folder/inner/file'
  await shell(
    `chmod 755 .
     mkdir folder
     setfacl -d -m u:1234:rwX,g::rX,o::- folder
     umask 077
     mkdir folder/inner
     echo content > folder/inner/file
     chmod o+x folder
     getfacl -cp folder/inner/file | grep -q "^user:1234:rwx.*effective:rw-"
     setfacl -m u:1234:rx folder
     test "$(${AS_OTHER} cat folder/inner/file)" = content
     cp -a folder copy
     diff <(cd folder && getfacl -cpR .) <(cd copy && getfacl -cpR .)
     sync folder`,
    { cwd: mount.path },
  )
  const before = await shell(look, { cwd: mount.path })
  await mount.crash()
  assert.equal(await shell(look, { cwd: mount.path }), before)
})

test('without a default ACL the umask counts', TEST, async (context) => {
  const mount = await mounted(context)
  await shell(
    `umask 027
     mkdir d
     echo > f
     mkfifo p
     test "$(stat -c %a d f p | tr '\\n' ' ')" = "750 640 640 "
     umask 0
     mkdir d2
     echo > f2
     test "$(stat -c %a d2 f2 | tr '\\n' ' ')" = "777 666 "`,
    { cwd: mount.path },
  )
})
