/** Git: a repository with a history, packed, cloned and pushed to. */
import { needs, shell } from '../mount/support/run.ts'
import { testOnBoth } from './support/on-both.ts'

testOnBoth('git init, commit, clone, gc, fsck and push', { timeout: 60_000 }, async (mount) => {
  await needs('git', 'git')
  const environment = {
    HOME: mount.folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.org',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.org',
  }
  const options = { cwd: mount.path, environment, timeoutMs: 50_000 }
  await shell(
    `git init -q first && cd first && git config core.fsync all
     for round in 1 2 3; do
       for n in $(seq 20); do seq $((n * round)) > file$n; done
       git add -A && git commit -qm "round $round"
     done
     git worktree add -q ../tree && echo more > ../tree/more
     git -C ../tree add more && git -C ../tree commit -qm more
     git gc -q --prune=now && git fsck --full --strict
     cd .. && git clone -q --no-hardlinks first second && git -C second fsck --full --strict
     diff -r -x .git first second
     cd second && git mv file1 moved && git commit -qm moved && git push -q origin HEAD:other
     test -z "$(git status --porcelain)"`,
    options,
  )
  await mount.crash()
  await shell(
    `git -C first fsck --full --strict && test "$(git -C first rev-list --count other)" = 4
     git -C first log -1 --format=%s tree | grep -qx more`,
    options,
  )
})
