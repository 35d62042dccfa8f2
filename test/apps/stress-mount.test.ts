/** Stressors of stress-ng that use files, each for a second, verifying what they read. */
import { test } from 'node:test'
import { mounted } from '../mount/support/mount.ts'
import { needs, shell } from '../mount/support/run.ts'

// Not those that look at all mounts of the machine, or at no file.
const STRESSORS =
  'access chattr chmod chown copy-file dentry dir dirdeep dup fallocate fcntl filename flock fpunch ' +
  'fstat getdent handle hdd inotify lease lockf lockofd mknod rename seek sync-file touch utime'

test('stressors', { timeout: 180_000 }, async (context) => {
  await needs('stress-ng', 'stress-ng')
  const mount = await mounted(context)
  await shell(
    `chmod 777 .
     stress-ng $(printf -- '--%s 1 ' ${STRESSORS}) --sequential 1 --timeout 1 --verify \\
       --temp-path . > ../log 2>&1 || { cat ../log >&2; exit 1; }
     if grep 'fail:' ../log; then exit 1; fi`,
    { cwd: mount.path, timeoutMs: 150_000 },
  )
  await mount.unmount()
})
