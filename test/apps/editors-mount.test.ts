/** Editors: those that write in place with a backup, and those that rename a new file over it. */
import { needs, shell } from '../mount/support/run.ts'
import { testOnBoth } from './support/on-both.ts'

const VIM = `vim -es -u NONE -i NONE -N`

testOnBoth('vim -es edits in place and by rename', { timeout: 60_000 }, async (mount) => {
  await needs('vim', 'vim')
  await shell(
    `for copy in yes no auto; do
       seq 500 > "$copy.txt" && chmod 640 "$copy.txt" && ln "$copy.txt" "$copy.hard"
       ${VIM} -c "set backup backupskip= writebackup backupcopy=$copy swapfile directory=. undofile undodir=." \\
         -c '%s/^/line /' -c '$d' -c 'wq' "$copy.txt"
       cmp "$copy.txt" <(seq 499 | sed 's/^/line /') && cmp "$copy.txt~" <(seq 500)
       test "$(stat -c %a "$copy.txt")" = 640
     done
     test yes.txt -ef yes.hard && cmp no.hard <(seq 500)
     test -z "$(find . -name '*.sw?')" && test "$(find . -name '*.un~' | wc -l)" = 3`,
    { cwd: mount.path },
  )
  await mount.crash()
  await shell(`cmp yes.txt <(seq 499 | sed 's/^/line /')`, { cwd: mount.path })
})

testOnBoth('sed -i with and without a backup', { timeout: 60_000 }, async (mount) => {
  await shell(
    `seq 2000 > numbers && chmod 604 numbers && ln -s numbers soft
     sed -i.old 's/^/n/' numbers && cmp numbers.old <(seq 2000)
     sed -i --follow-symlinks '1,1000d' soft && test -L soft
     cmp numbers <(seq 1001 2000 | sed 's/^/n/') && test "$(stat -c %a numbers)" = 604`,
    { cwd: mount.path },
  )
})
