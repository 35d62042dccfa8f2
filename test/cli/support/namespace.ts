/**
 * Runs lines of shell in a mount namespace of their own, in which /sbin, /etc/fstab and /dev/fuse may be
 * changed, and a user is added: the machine keeps its own. Nothing else differs, so daemons end with their mounts as ever.
 */
import assert from 'node:assert/strict'
import { chmod, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ENTRY, type Place, makePlace, start } from './command.ts'

/** An ordinary user. */
const USER = 1234
export const AS_USER = `setpriv --reuid=${USER} --regid=${USER} --clear-groups`

/** What the lines find: a /sbin of links, which can be added to, a fstab, a device for everybody. */
const PROLOGUE = `set -eu
sbin=$(realpath /sbin)
mkdir "$folder/real" "$folder/sbin"
mount --bind "$sbin" "$folder/real"
mount -t tmpfs tmpfs "$folder/sbin"
ln -s "$folder"/real/* "$folder/sbin/"
mount --bind "$folder/sbin" "$sbin"
touch "$folder/fstab"
mount --bind "$folder/fstab" /etc/fstab
cp /etc/passwd "$folder/passwd"
echo 'oatomic-test:x:${USER}:${USER}::/:/bin/sh' >> "$folder/passwd"
mount --bind "$folder/passwd" /etc/passwd
mount -t tmpfs tmpfs "$folder/device"
mknod -m 666 "$folder/device/fuse" c 10 229
mount --bind "$folder/device/fuse" /dev/fuse
mount_line() { grep " $mnt fuse.oatomic " /proc/self/mounts; }
# What must fail: with this exit code, and a line that has these words.
refused() {
  code=$1 words=$2 status=0
  shift 2
  said=$("$@" 2>&1) || status=$?
  case $said in *"$words"*) ;; *) echo "not refused with \\"$words\\": $*: $said" >&2; exit 1 ;; esac
  [ "$status" = "$code" ] || { echo "refused with $status: $*: $said" >&2; exit 1; }
}
set -x
`

export interface Shell extends Place {
  /** Runs lines, which end with the first that fails; returns what they print. */
  readonly run: (lines: string) => Promise<string>
}

/** A volume and a mount point as `$vol` and `$mnt`, a folder `$folder`, the program as `$oatomic`. */
export async function makeShell(context: TestContext): Promise<Shell> {
  const place = await makePlace(context)
  const { folder, volume, mountpoint } = place
  await chmod(folder, 0o755)
  const oatomic = join(folder, 'oatomic')
  await writeFile(oatomic, `#!/bin/sh\nexec '${process.execPath}' '${ENTRY}' "$@"\n`, {
    mode: 0o755,
  })
  await start('mkdir', [join(folder, 'device')]).ended
  const variables = { folder, vol: volume, mnt: mountpoint, oatomic }
  const run = async (lines: string): Promise<string> => {
    const env = { PATH: process.env['PATH'] ?? '', ...variables }
    const script = `${PROLOGUE}${lines}`
    const { status, stdout, stderr } = await start('unshare', ['-m', 'sh', '-c', script], { env })
      .ended
    assert.equal(status, 0, `${lines}\n${stdout}${stderr}`)
    return stdout
  }
  return { ...place, run }
}

/** A volume and a mount point of the user's own. */
export async function makeUserShell(context: TestContext): Promise<Shell> {
  const shell = await makeShell(context)
  await chown(shell.mountpoint, USER, USER)
  await start('rm', ['-r', shell.volume]).ended
  await start('mkdir', [shell.volume]).ended
  await chown(shell.volume, USER, USER)
  await shell.run(`${AS_USER} $oatomic make $vol --ring-size 1M`)
  await start('sh', ['-c', `rmdir ${shell.folder}/real ${shell.folder}/sbin`]).ended
  return shell
}
