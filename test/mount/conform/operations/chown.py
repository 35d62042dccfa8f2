"""chown(2), fchown(2) and lchown(2)."""
import os
from stat import S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK
from frame import *
from calls import *



@case
def times_and_values():
    make('file')
    os.mkdir('d')
    for name in ('file', 'd'):
        equal(changes(lambda: os.chown(name, USER, TEAM), name, '.'), ('c', ''))
        seen = os.stat(name)
        equal((seen.st_uid, seen.st_gid), (USER, TEAM))
        equal(changes(lambda: os.chown(name, USER, TEAM), name), 'c', 'the same owner')
        os.chown(name, -1, GROUP)
        os.chown(name, OTHER, -1)
        seen = os.stat(name)
        equal((seen.st_uid, seen.st_gid), (OTHER, GROUP))
        os.chown(name, 4294967294, 4294967294)
        seen = os.stat(name)
        equal((seen.st_uid, seen.st_gid), (4294967294, 4294967294))


@case
def nothing_changed():
    make('file')
    equal(changes(lambda: os.chown('file', -1, -1), 'file'), 'c')


@case
def links():
    make('file')
    os.symlink('file', 'link')
    os.lchown('link', USER, GROUP)
    equal((os.lstat('link').st_uid, os.stat('file').st_uid), (USER, 0))
    os.chown('link', OTHER, GROUP)
    equal((os.lstat('link').st_uid, os.stat('file').st_uid), (USER, OTHER))


@case
def who_may():
    make('mine', uid=USER, gid=GROUP)
    make('other', mode=0o666, uid=OTHER)

    def work():
        fails('EPERM', os.chown, 'mine', OTHER, -1)
        fails('EPERM', os.chown, 'mine', -1, 4000)
        fails('EPERM', os.chown, 'other', USER, -1)
        fails('EPERM', os.chown, 'other', -1, GROUP)
        os.chown('mine', USER, TEAM)
        os.chown('mine', -1, GROUP)
        os.chown('mine', -1, -1)
    as_user(USER, work, groups=[TEAM])


@case
def privileges_of_special_files_end_and_those_of_folders_stay():
    kinds = {'fifo': S_IFIFO, 'device': S_IFCHR, 'disk': S_IFBLK, 'socket': S_IFSOCK}
    for name, kind in kinds.items():
        os.mknod(name, kind | 0o600, os.makedev(1, 3))
    os.mkdir('folder')

    def modes(work):
        for name in (*kinds, 'folder'):
            os.chown(name, USER, GROUP)
            os.chmod(name, 0o6755)
        work()
        return [oct(os.stat(name).st_mode & 0o7777) for name in (*kinds, 'folder')]

    def to_team():
        for name in (*kinds, 'folder'):
            os.chown(name, -1, TEAM)
    equal(modes(to_team), ['0o755'] * 4 + ['0o6755'], 'by root')
    equal(modes(lambda: as_user(USER, to_team, groups=[TEAM])), ['0o755'] * 4 + ['0o6755'], 'by the owner')


@case
def privileges_end():
    for mode, wanted in ((0o6755, 0o755), (0o6745, 0o2745), (0o4755, 0o755), (0o6711, 0o711)):
        make(f'{mode:o}', b'x', mode)
        os.setxattr(f'{mode:o}', 'security.capability', CAPABILITY)
        os.chmod(f'{mode:o}', mode)
        os.chown(f'{mode:o}', USER, TEAM)
        equal(mode_of(f'{mode:o}'), oct(wanted), f'{mode:o}')
        fails('ENODATA', os.getxattr, f'{mode:o}', 'security.capability')


@case
def privileges_end_for_the_owner_too():
    make('file', b'x', 0o755, USER, GROUP)
    os.chmod('file', 0o6755)

    def work():
        os.chown('file', -1, TEAM)
        equal(mode_of('file'), '0o755')
    as_user(USER, work, groups=[TEAM])


@case
def a_chown_that_changes_nothing_ends_them_too():
    make('file', b'x', 0o6755)
    os.chown('file', 0, 0)
    equal(mode_of('file'), '0o755', 'the same owner')


@case
def a_chown_of_nothing_ends_them_too():
    make('file', b'x', 0o6755)
    os.chown('file', -1, -1)
    equal(mode_of('file'), '0o755')


@case
def folders_keep_their_bits():
    folder('d', 0o6775)
    os.chown('d', USER, TEAM)
    equal(mode_of('d'), '0o6775')


@case(needs='flags')
def protected():
    make('file')
    for flags in (FL_IMMUTABLE, FL_APPEND):
        with_flags('file', flags, lambda: fails('EPERM', os.chown, 'file', USER, -1))
