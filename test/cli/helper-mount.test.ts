/** mount(8), umount(8) and fstab with volumes of this filesystem, by the installed helper. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { volumeHolder } from '../../src/device/volume-lock.ts'
import { daemonOf, refuse, start, succeed, waitUntil } from './support/command.ts'
import { AS_USER, makeShell, makeUserShell } from './support/namespace.ts'

const TEST = { timeout: 120_000 }

test('install-helper lets mount(8) mount both types, without a PATH', TEST, async (context) => {
  const { run, volume, mountpoint } = await makeShell(context)
  const lines = await run(`
    refused 32 'unknown filesystem type' mount -t oatomic $vol $mnt
    $oatomic install-helper
    for type in fuse.oatomic oatomic; do
      env -i /usr/bin/mount -t $type -o noatime,nofail,x-test,nosymfollow,silent $vol $mnt
      echo $type > $mnt/file
      mount_line
      umount $mnt
      (cd $folder && mount -t $type volume mnt && cat mnt/file && umount mnt)
    done
    $oatomic install-helper --remove
    ls /sbin | grep -E '^mount\\.(fuse\\.)?oatomic$' || echo none`)
  const shown = `${volume} ${mountpoint} fuse.oatomic rw,noatime`
  const [first, text, second, again, ...rest] = lines.trimEnd().split('\n')
  for (const line of [first, second]) assert.equal(line?.slice(0, shown.length), shown)
  assert.deepEqual([text, again, ...rest], ['fuse.oatomic', 'oatomic', 'none'])
})

test('install-helper replaces its own, a link to it, and nothing else', TEST, async (context) => {
  const { run } = await makeShell(context)
  await run(`
    $oatomic install-helper
    $oatomic install-helper
    sed -i s,^node=.*,node=/absent, /sbin/mount.oatomic
    refused 32 'has moved; run: oatomic install-helper' mount -t oatomic $vol $mnt
    $oatomic install-helper
    mount -t oatomic $vol $mnt
    umount $mnt
    echo mine > /sbin/mount.oatomic
    refused 2 'was not made by this command' $oatomic install-helper
    refused 2 'was not made by this command' $oatomic install-helper --remove
    [ "$(cat /sbin/mount.oatomic)" = mine ]
    rm /sbin/mount*oatomic
    ln -s $(tail -n 1 $oatomic | cut -d "'" -f 4) /sbin/mount.fuse.oatomic
    $oatomic install-helper --remove
    [ ! -e /sbin/mount.fuse.oatomic ]
    refused 2 'Cannot install' $oatomic install-helper --directory $folder/absent`)
})

test('a link in /sbin does as well, where Node.js is in /usr/bin', TEST, async (context) => {
  const { run } = await makeShell(context)
  await run(`
    ln -s $(tail -n 1 $oatomic | cut -d "'" -f 4) /sbin/mount.fuse.oatomic
    mount -t fuse.oatomic -o noatime,nofail,x-test $vol $mnt
    mount_line | grep -q ' rw,.*noatime'
    echo text > $mnt/file
    mount -o remount,ro $mnt
    mount_line | grep -q ' ro,'
    refused 2 'Read-only file system' sh -c 'echo more > $mnt/file'
    mount -o remount,rw,noexec $mnt
    mount_line | grep -q ' rw,.*noexec'
    echo more > $mnt/file
    umount $mnt
    mount --fake -t fuse.oatomic $vol $mnt
    refused 1 '' mount_line`)
})

test('mount(8) is answered as it expects of a helper', TEST, async (context) => {
  const { run } = await makeShell(context)
  await run(`
    $oatomic install-helper
    for option in dax noacl nofrob iversion mand uid=5; do
      refused 1 "option \\"$option\\"" mount -t fuse.oatomic -o noatime,$option $vol $mnt
    done
    mount -s -t fuse.oatomic -o dax,noatime $vol $mnt
    refused 1 'option "dax"' mount -o remount,dax $mnt
    refused 32 'is mounted there' mount -t fuse.oatomic $vol $mnt
    umount $mnt
    refused 32 'there is none; make it' mount -t fuse.oatomic $folder/absent $mnt
    refused 32 'it is not a directory' mount -t fuse.oatomic $vol $folder/fstab
    refused 1 'nsenter --mount=/proc/1/ns/mnt' /sbin/mount.fuse.oatomic $vol $mnt -N /proc/1/ns/mnt
    refused 1 'type "ext4"' /sbin/mount.fuse.oatomic $vol $mnt -t ext4
    [ "$(mount -v -t fuse.oatomic $vol $mnt)" = "\\"$vol\\" is mounted on \\"$mnt\\"" ]
    umount $mnt
    /sbin/mount.fuse.oatomic $vol $mnt -sfnv -o rw -t fuse.oatomic
    refused 1 '' mount_line
    /sbin/mount.fuse.oatomic $vol $mnt -n -t fuse.oatomic -o rw
    umount $mnt`)
})

test('a volume that was mounted read-only does not become writable', TEST, async (context) => {
  const { run } = await makeShell(context)
  await run(`
    $oatomic install-helper
    mount -t fuse.oatomic -o ro $vol $mnt
    refused 32 'was opened read-only' mount -o remount,rw $mnt
    mount -o remount,noexec $mnt
    mount_line | grep -q ' ro,.*noexec'
    umount $mnt`)
})

test('the source comes back as it was named', TEST, async (context) => {
  const { run } = await makeShell(context)
  await run(`
    ln -s volume $folder/link
    cp -a $vol "$folder/a b,c\\\\d#e"
    for source in $folder/link $folder/./volume/ "$folder/a b,c\\\\d#e"; do
      $oatomic mount "$source" $mnt
      shown=$(findmnt -n -o SOURCE $mnt)
      [ "$shown" = "$source" ] || { echo "$shown is not $source" >&2; exit 1; }
      $oatomic unmount $mnt
    done
    $oatomic mount $folder/link $mnt
    mkdir $folder/other
    refused 3 'is mounted on' $oatomic mount $vol $folder/other
    umount $mnt
    (cd $folder && $oatomic mount volume mnt)
    [ "$(findmnt -n -o SOURCE $mnt)" = $vol ]
    umount $mnt`)
})

test('a mount and a check right after umount(8) wait for the daemon', TEST, async (context) => {
  const { run } = await makeShell(context)
  await run(`
    $oatomic install-helper
    mount -t fuse.oatomic $vol $mnt
    for round in 1 2 3 4 5; do
      head -c 3000000 /dev/urandom > $mnt/$round
      umount $mnt
      mount -t fuse.oatomic $vol $mnt
    done
    umount $mnt
    $oatomic check $vol`)
})

test('a volume that is in use is refused soon, and it is said by what', TEST, async (context) => {
  const { run, volume, mountpoint, folder } = await makeShell(context)
  const user = await run(`
    # In this namespace alone, and not even there any more.
    $oatomic mount $vol $mnt
    sleep 60 > $mnt/open 2>/dev/null &
    echo $!
    umount -l $mnt`)
  context.after(() => {
    process.kill(Number(user), 'SIGKILL')
  })
  await refuse(
    ['mount', volume, mountpoint],
    3,
    /in use by another process \(\d+\), which serves it/,
  )
  await refuse(['check', volume], 3, /in use by another process \(\d+\), which serves it/)
  process.kill(daemonOf(volume), 'SIGTERM')
  await succeed(['mount', volume, mountpoint])
  await succeed(['unmount', mountpoint])
  const lock = `import fcntl, time
file = open('${folder}/volume/index/LOCK', 'r+')
fcntl.lockf(file, fcntl.LOCK_EX)
time.sleep(60)`
  const other = start('python3', ['-c', lock])
  context.after(() => other.child.kill('SIGKILL'))
  await waitUntil(() => volumeHolder(volume) !== undefined, 'somebody else has it')
  await refuse(['mount', volume, mountpoint], 3, /in use by another process \(\d+\)\n/)
})

test('fstab: mount -a, nofail, user, ro, and by any of both names', TEST, async (context) => {
  const { run } = await makeUserShell(context)
  await run(`
    $oatomic install-helper
    echo "$vol $mnt fuse.oatomic ro,nofail,_netdev,x-systemd.automount 0 0" > /etc/fstab
    mount -a
    mount -a
    [ $(grep -c " $mnt " /proc/self/mounts) = 1 ]
    mount_line | grep -q ' ro,'
    umount $mnt
    echo "$vol $mnt oatomic rw,noauto,nodev 0 0" > /etc/fstab
    mount -a
    refused 1 '' mount_line
    mount $mnt
    mount -o remount,ro $mnt
    mount_line | grep -q ' ro,.*nodev'
    umount $mnt
    mount $vol
    umount $mnt
    echo "$folder/absent $mnt fuse.oatomic nofail 0 0" > /etc/fstab
    [ "$(mount -a 2>&1)" = "" ]
    mount -a
    mkdir $folder/absent
    refused 32 'it is not a volume' mount -a
    rmdir $folder/absent
    echo "$folder/absent $mnt fuse.oatomic defaults 0 0" > /etc/fstab
    refused 32 'there is none' mount -a
    echo "$vol $mnt fuse.oatomic noauto,user 0 0" > /etc/fstab
    ${AS_USER} mount $mnt
    mount_line | grep -q 'rw,nosuid,nodev,noexec,.*user_id=1234,'
    ${AS_USER} sh -c 'echo text > $mnt/file'
    refused 2 'Permission denied' ls $mnt
    ${AS_USER} umount $mnt
    refused 1 '' mount_line
    $oatomic check $vol`)
})
