"""The ioctls of chattr(1) and lsattr(1)."""
import os
from frame import *
from calls import *

XFLAGS = {FL_IMMUTABLE: 0x08, FL_APPEND: 0x10, FL_NODUMP: 0x80, FL_NOATIME: 0x40}


def opened(name):
    return os.open(name, os.O_RDONLY)


@case(needs='flags')
def set_and_get():
    make('file')
    os.mkdir('d')
    for name in ('file', 'd'):
        fd = opened(name)
        own = get_flags(fd) & 0xf0
        equal(own, 0)
        for flag, wide in XFLAGS.items():
            set_flags(fd, flag)
            equal((get_flags(fd) & 0xf0, get_xflags(fd)[0] & 0xd8), (flag, wide))
            set_flags(fd, 0)
            set_xflags(fd, wide)
            equal(get_flags(fd) & 0xf0, flag)
            set_xflags(fd, 0)


@case(needs='flags')
def setting_one_changes_the_time_of_change():
    make('file')
    fd = opened('file')
    equal(changes(lambda: set_flags(fd, FL_NODUMP), 'file'), 'c')


@case(needs='flags')
def the_time_of_change_is_not_before_what_was_written():
    make('file')
    fd = os.open('file', os.O_RDWR)
    os.utime('file', ns=(10 ** 18, 10 ** 18))
    os.pwrite(fd, b'changed', 0)
    written = os.fstat(fd)
    set_flags(fd, FL_NODUMP)
    now = os.fstat(fd)
    equal((now.st_mtime_ns, now.st_atime_ns), (written.st_mtime_ns, written.st_atime_ns))
    equal(now.st_ctime_ns >= written.st_ctime_ns, True)
    set_flags(fd, FL_IMMUTABLE)
    protected = os.stat('file').st_ctime_ns
    equal(protected >= now.st_ctime_ns, True)
    os.fsync(fd)
    equal(os.stat('file').st_ctime_ns, protected)
    set_flags(fd, 0)
    set_flags(fd, FL_NODUMP)
    equal(os.stat('file').st_ctime_ns >= protected, True)


@case(needs='flags')
def setting_one_of_a_folder_changes_the_time_of_change():
    os.mkdir('d')
    fd = opened('d')
    equal(changes(lambda: set_flags(fd, FL_NODUMP), 'd'), 'c')


@case(needs='flags')
def who_may():
    make('mine', uid=USER)
    make('other', mode=0o666)

    def work():
        set_flags(opened('mine'), FL_NODUMP)
        fails('EPERM', set_flags, opened('mine'), FL_IMMUTABLE)
        fails('EPERM', set_flags, opened('mine'), FL_APPEND)
        fails('EPERM', set_flags, opened('other'), FL_NODUMP)
    as_user(USER, work)


@case(needs='flags')
def flags_that_are_not_kept():
    make('file')
    fd = opened('file')
    fails('EOPNOTSUPP', set_flags, fd, 0x0080_0000)
    equal(get_flags(fd) & 0xf0, 0)


@case(needs='flags')
def nodump_and_noatime_are_inherited():
    os.mkdir('d')
    set_flags(opened('d'), FL_NODUMP | FL_NOATIME)
    make('d/file')
    os.mkdir('d/inner')
    for name in ('d/file', 'd/inner'):
        equal(get_flags(opened(name)) & 0xf0, FL_NODUMP | FL_NOATIME)
    make('content', b'x')
    set_flags(opened('content'), FL_NOATIME)
    equal(changes(lambda: read('content'), 'content'), '')


@case(needs='flags')
def an_immutable_folder():
    os.mkdir('d')
    make('d/file')

    def work():
        for call_ in (lambda: make('d/new'), lambda: os.unlink('d/file'), lambda: os.mkdir('d/x'),
                      lambda: os.chmod('d', 0o700), lambda: os.utime('d'), lambda: os.rename('d', 'e')):
            equal(outcome(call_), 'EPERM')
        with open('d/file', 'w') as file:
            file.write('files in it can be written')
    with_flags('d', FL_IMMUTABLE, work)


@case(needs='flags')
def a_folder_that_only_grows():
    os.mkdir('d')
    make('d/file')

    def work():
        make('d/new')
        os.mkdir('d/inner')
        for call_ in (lambda: os.unlink('d/file'), lambda: os.rename('d/file', 'd/x'), lambda: os.rmdir('d/inner')):
            equal(outcome(call_), 'EPERM')
    with_flags('d', FL_APPEND, work)


@case(needs='flags')
def a_descriptor_that_was_open_before():
    make('file', b'content')
    fd = os.open('file', os.O_RDWR)
    with_flags('file', FL_IMMUTABLE, lambda: fails('EPERM', os.write, fd, b'x'))
    os.write(fd, b'C')
    equal(read('file'), b'Content')


@case(needs='flags')
def a_descriptor_that_stops_appending():
    make('log', b'1')

    def work():
        fd = os.open('log', os.O_WRONLY | os.O_APPEND)
        fails('EPERM', fcntl.fcntl, fd, fcntl.F_SETFL, 0)
    with_flags('log', FL_APPEND, work)


@case
def commands_that_nobody_knows():
    make('file')
    fails('ENOTTY', fcntl.ioctl, opened('file'), 0x40049999, b'\0' * 8)
