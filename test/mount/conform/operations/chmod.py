"""chmod(2) and fchmod(2)."""
import os
from frame import *
from calls import *


@case
def times_and_bits():
    make('file', b'content')
    os.mkdir('d')
    for name in ('file', 'd'):
        for mode in (0, 0o777, 0o4755, 0o2711, 0o1777, 0o7777, 0o644):
            equal(changes(lambda: os.chmod(name, mode), name, '.'), ('c', ''), name)
            equal(mode_of(name), oct(mode))
    fd = os.open('file', os.O_RDONLY)
    equal(changes(lambda: os.fchmod(fd, 0o640), fd), 'c')
    equal(changes(lambda: os.chmod('file', 0o640), 'file'), 'c', 'the same mode')
    equal(read('file'), b'content')


@case
def errors():
    make('file')
    os.symlink('file', 'link')
    os.symlink('loop', 'loop')
    fails('ENOENT', os.chmod, 'missing', 0o600)
    fails('ENOTDIR', os.chmod, 'file/x', 0o600)
    fails('ELOOP', os.chmod, 'loop', 0o600)
    fails('ENAMETOOLONG', os.chmod, 'x' * 256, 0o600)
    os.chmod('link', 0o600)
    equal((mode_of('file'), mode_of('link')), ('0o600', '0o777'))


@case
def only_the_owner_may():
    make('mine', uid=USER, gid=GROUP)
    make('other', mode=0o666)

    def work():
        os.chmod('mine', 0o600)
        fails('EPERM', os.chmod, 'other', 0o600)
        fd = os.open('other', os.O_RDWR)
        fails('EPERM', os.fchmod, fd, 0o600)
    as_user(USER, work)


@case
def set_group_id_needs_the_group():
    make('file', uid=USER, gid=TEAM)
    folder('d', 0o755, USER, TEAM)

    def outsider():
        for name in ('file', 'd'):
            os.chmod(name, 0o2755)
            equal(mode_of(name), '0o755', name)
    as_user(USER, outsider)

    def member():
        for name in ('file', 'd'):
            os.chmod(name, 0o2755)
            equal(mode_of(name), '0o2755', name)
    as_user(USER, member, groups=[TEAM])


@case
def an_open_descriptor_keeps_its_rights():
    make('file', b'content', 0o600, USER)

    def work():
        fd = os.open('file', os.O_RDWR)
        os.chmod('file', 0)
        os.write(fd, b'C')
        equal(os.pread(fd, 9, 0), b'Content')
        fails('EACCES', os.open, 'file', os.O_RDONLY)
    as_user(USER, work)


@case
def special_files():
    os.mkfifo('pipe')
    os.mknod('c', 0o020600, os.makedev(1, 3))
    for name in ('pipe', 'c'):
        equal(changes(lambda: os.chmod(name, 0o444), name), 'c')
        equal(mode_of(name), '0o444')


@case(needs='flags')
def protected():
    make('file')
    for flags in (FL_IMMUTABLE, FL_APPEND):
        with_flags('file', flags, lambda: fails('EPERM', os.chmod, 'file', 0o600))
