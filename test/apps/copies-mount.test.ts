/** rsync and tar with all they can keep: hard links, holes, ACLs, attributes, owners and times. */
import assert from 'node:assert/strict'
import { needs, shell } from '../mount/support/run.ts'
import { testOnBoth } from './support/on-both.ts'

// All times are in the past: what was made in this second rsync takes for right to the second.
const MAKE_SOURCE = `
mkdir -p source/deep/er source/empty && cd source
for n in $(seq 40); do seq $((n * 20)) > deep/file$n; done
ln deep/file1 deep/er/hard && ln -s ../file2 deep/er/soft && ln -s nowhere dangling
truncate -s 3M sparse && printf end >> sparse && mkfifo pipe
setfattr -n user.mine -v text deep/file3 && setfattr -n user.mine -v folder empty
setfacl -m u:daemon:rw,g:bin:r deep/file4 && setfacl -m d:u:daemon:rwx,u:daemon:rx empty
chown daemon:bin deep/file5 && chmod 4750 deep/file5 && chmod 1777 empty
find . -depth -exec touch -h -d '1999-08-07 06:05:04.003002001' {} +
touch -h -d '2001-02-03 04:05:06.789012345' deep/file6 dangling && touch -d @987654321 empty
cd ..
look() { (
  cd "$1"
  find . -printf '%p %y %m %n %U:%G %T@ %l\\n' | sort
  find . -type f -exec sha256sum {} + | sort
  find . ! -type l ! -type p | sort | xargs getfattr -d -m '^user\\.'
  find . ! -type l | sort | xargs getfacl -P -n
) }
`
const NEEDED = [
  ['rsync', 'rsync'],
  ['tar', 'tar'],
  ['setfattr', 'attr'],
  ['setfacl', 'acl'],
] as const

const COPIES = {
  'rsync -aHAX copies all, and a second time nothing': `
    rsync -aHAXS source/ copy && diff <(look source) <(look copy)
    test "$(stat -c %b copy/sparse)" -lt 64
    rsync -aHAX --itemize-changes source/ copy
    rsync -aHAX --checksum --itemize-changes source/ copy`,
  'tar with attributes and ACLs there and back': `
    tar --xattrs --acls -cSf packed.tar -C source . && mkdir copy
    tar --xattrs --acls -xpSf packed.tar -C copy && diff <(look source) <(look copy)
    test "$(stat -c %b copy/sparse)" -lt 64
    tar --compare -f packed.tar -C copy`,
}

for (const [name, script] of Object.entries(COPIES)) {
  testOnBoth(name, { timeout: 60_000 }, async (mount) => {
    for (const [command, debianPackage] of NEEDED) await needs(command, debianPackage)
    const printed = await shell(MAKE_SOURCE + script, { cwd: mount.path, timeoutMs: 50_000 })
    assert.equal(printed, '', 'nothing is left to copy, and nothing differs')
  })
}
