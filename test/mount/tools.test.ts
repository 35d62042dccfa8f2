/** Programs that everybody uses, on a mount; what they leave is there after a crash, too. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TRANSPORTS } from '../../src/fuse/transport.ts'
import { mounted } from './support/mount.ts'
import { needs, shell } from './support/run.ts'
import { testOn, testOnEach } from './support/transports.ts'

const TEST = { timeout: 120_000 }

/** A few thousand small files of the machine, as a tree in $SOURCE. */
const MAKE_SOURCE = `
mkdir "$SOURCE"
{ find /usr/include /usr/share -type f -size -64k 2>/dev/null || true; } | sed -n 1,2000p |
  tar -cf - -P -T - | tar -xf - -C "$SOURCE" --strip-components=2
test "$(find "$SOURCE" -type f | wc -l)" -ge 1000
`

test('cp -a, diff -r, cp -al, mv and rm -rf of thousands of files', TEST, async (context) => {
  const mount = await mounted(context)
  const environment = { SOURCE: `${mount.folder}/source` }
  const options = { cwd: mount.path, environment }
  await shell(MAKE_SOURCE, options)
  await shell('cp -a "$SOURCE" copy && diff -r "$SOURCE" copy', options)
  await shell('mkdir moved && mv copy moved/tree && cp -al moved/tree linked', options)
  await shell('diff -r moved/tree linked && rm -rf linked && diff -r "$SOURCE" moved/tree', options)
  await shell('sync moved', options)
  await mount.crash()
  await shell('diff -r "$SOURCE" moved/tree && rm -rf moved && test -z "$(ls -A)"', options)
  await mount.unmount()
})

testOnEach(
  'tar there and back keeps content, names, times, links and attributes',
  TEST,
  async (context) => {
    const mount = await mounted(context)
    const environment = { SOURCE: `${mount.folder}/source` }
    const options = { cwd: mount.path, environment }
    await shell(MAKE_SOURCE, options)
    await shell(
      `tar -C "$SOURCE" -cf packed.tar .
     mkdir one
     tar -C one -xf packed.tar
     ln one/$(ls one | head -1) one/hard 2>/dev/null || true
     ln -s nowhere one/soft
     truncate -s 1M one/sparse
     setfattr -n user.mine -v 1 one/sparse
     tar -C one --xattrs -cSf second.tar .
     mkdir two
     tar -C two --xattrs -xf second.tar
     diff -r --no-dereference one two
     test "$(cd one; find . -printf '%p %y %m %T@ %l\\n' | sort)" = \\
          "$(cd two; find . -printf '%p %y %m %T@ %l\\n' | sort)"
     test "$(getfattr --only-values -n user.mine two/sparse)" = 1`,
      options,
    )
    await mount.unmount()
  },
)

testOnEach('git init, add, commit, gc, fsck and clone', TEST, async (context) => {
  await needs('git', 'git')
  const mount = await mounted(context)
  const environment = {
    HOME: mount.folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.org',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.org',
  }
  const options = { cwd: mount.path, environment }
  await shell(
    `git init -q first
     cd first
     for round in 1 2 3; do
       for n in $(seq 60); do mkdir -p d$((n % 7)); seq $((n * round)) > d$((n % 7))/file$n; done
       git add -A
       git commit -qm "round $round"
     done
     git gc -q --aggressive --prune=now
     git fsck --full --strict
     cd ..
     git clone -q --no-hardlinks first second
     git clone -q first third
     git -C second fsck --full --strict
     diff -r -x .git first second
     cd third
     git mv d1 moved
     git commit -qm moved
     git push -q origin HEAD:other
     git stash list
     git status --porcelain
     git checkout -q HEAD~2
     git checkout -q -`,
    options,
  )
  await mount.unmount()
  await mount.remount()
  await shell('git -C first fsck --full --strict && git -C first log other | grep moved', options)
})

testOnEach('sed -i, editors that rename, ln and touch', TEST, async (context) => {
  const mount = await mounted(context)
  const options = { cwd: mount.path }
  await shell(
    `seq 1000 > numbers
     sed -i 's/^/n/' numbers
     test "$(sed -n 1000p numbers)" = n1000
     ln numbers hard
     test "$(stat -c %h numbers)" = 2
     echo more >> hard
     test "$(tail -n 1 numbers)" = more
     rm numbers
     test "$(stat -c %h hard)" = 1
     ln -s hard soft
     sed -i --follow-symlinks 's/more/less/' soft
     test -L soft
     test "$(tail -n 1 hard)" = less
     cp hard .hard.new
     mv -f .hard.new hard
     mv -n hard soft
     test -f hard
     touch -d @1234567890 hard
     test "$(stat -c %Y hard)" = 1234567890
     sort -o hard hard
     split -l 100 hard part.
     cat part.* | cmp - hard
     install -m 600 hard installed
     test "$(stat -c %a installed)" = 600
     shred -u installed
     test ! -e installed
     rm -r part.*
     chmod 000 hard
     rm -f hard`,
    options,
  )
  await mount.unmount()
})

for (const mode of ['delete', 'truncate', 'persist', 'wal']) {
  const transports = mode === 'delete' ? TRANSPORTS : (['kernel'] as const)
  testOn(
    transports,
    `sqlite3 with journal_mode=${mode} survives killed daemons`,
    TEST,
    async (context) => {
      await needs('sqlite3', 'sqlite3')
      const mount = await mounted(context)
      const options = { cwd: mount.path }
      await shell(
        `sqlite3 base.db 'PRAGMA journal_mode=${mode}; PRAGMA synchronous=FULL;
         CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB);'
       for round in $(seq 5); do
         sqlite3 base.db 'PRAGMA synchronous=FULL; BEGIN;
           WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
           INSERT INTO t(body) SELECT randomblob(700) FROM n; COMMIT;
           UPDATE t SET body = randomblob(900) WHERE id % 7 = 0; DELETE FROM t WHERE id % 11 = 0;'
       done`,
        options,
      )
      const count = `sqlite3 base.db 'SELECT count(*), sum(length(body)) FROM t; PRAGMA integrity_check;'`
      const before = await shell(count, options)
      assert.match(before, /\nok\n$/)
      await mount.crash()
      assert.equal(await shell(count, options), before)
      await shell(`sqlite3 base.db 'VACUUM; PRAGMA integrity_check;' | grep -q ok`, options)
      await mount.unmount()
    },
  )
}
