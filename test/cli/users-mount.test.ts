/** Mounts of ordinary users: through fusermount3, and in a user namespace of their own. */
import { test } from 'node:test'
import { AS_USER, makeUserShell } from './support/namespace.ts'

const TEST = { timeout: 120_000 }

test('a user mounts, and lets others in if the machine allows it', TEST, async (context) => {
  const { run } = await makeUserShell(context)
  await run(`
    ${AS_USER} $oatomic mount $vol $mnt
    mount_line | grep -q 'rw,nosuid,nodev,.*user_id=1234,.*default_permissions'
    ${AS_USER} sh -c 'echo text > $mnt/file; setfattr -n user.atomic -v 1 $mnt/file; echo > $mnt/closed; chmod 600 $mnt/closed'
    refused 2 'Permission denied' ls $mnt
    ${AS_USER} $oatomic unmount $mnt
    cp /etc/fuse.conf $folder/fuse.conf
    sed -i '/^user_allow_other/d' $folder/fuse.conf
    mount --bind $folder/fuse.conf /etc/fuse.conf
    refused 32 'user_allow_other' ${AS_USER} $oatomic mount $vol $mnt -o allow_other
    echo user_allow_other >> $folder/fuse.conf
    ${AS_USER} $oatomic mount $vol $mnt -o allow_other
    nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
    [ "$($nobody cat $mnt/file)" = text ]
    refused 1 'Permission denied' $nobody cat $mnt/closed
    refused 1 'Permission denied' $nobody setfattr -n user.atomic.commit -v 1 $mnt/file
    refused 1 'Permission denied' $nobody setfattr -n user.atomic.commit -v file $mnt
    refused 2 'Permission denied' $nobody sh -c 'echo > $mnt/new'
    # Root has its capabilities here as well.
    cat $mnt/closed
    setfattr -n user.atomic.commit -v closed $mnt
    ${AS_USER} $oatomic scrub $mnt
    refused 1 'ermi' $nobody setfattr -n user.atomic.scrub -v start $mnt
    ${AS_USER} umount $mnt
    $oatomic check $vol`)
})

test('a user mounts as root of a user namespace, with its ids', TEST, async (context) => {
  const { run } = await makeUserShell(context)
  await run(`
    export mnt vol oatomic
    rm -r $vol/*
    ${AS_USER} unshare -Urm sh -euxc '
      $oatomic make $vol --ring-size 1M
      $oatomic mount $vol $mnt
      grep " $mnt fuse.oatomic rw,.*user_id=0" /proc/self/mounts
      echo text > $mnt/file
      [ "$(stat -c %u $mnt/file)" = 0 ]
      setfattr -n user.atomic -v 1 $mnt/file
      setfattr -n user.atomic.commit -v file $mnt
      chattr +d $mnt/file
      if chattr +i $mnt/file; then exit 1; fi
      umount $mnt
      $oatomic check $vol'
    refused 1 '' mount_line`)
})
