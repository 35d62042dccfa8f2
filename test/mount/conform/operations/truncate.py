"""truncate(2) and ftruncate(2)."""
import os, resource
from frame import *
from calls import *


@case
def times_and_content():
    make('file', b'content')
    equal(changes(lambda: os.truncate('file', 3), 'file'), 'mc')
    equal(read('file'), b'con')
    equal(changes(lambda: os.truncate('file', 10), 'file'), 'mc', 'growing')
    equal(read('file'), b'con' + b'\0' * 7)
    fd = os.open('file', os.O_RDWR)
    equal(changes(lambda: os.ftruncate(fd, 0), fd), 'mc')
    equal(size_of(fd), 0)


@case
def to_the_same_size():
    make('file', b'content')
    fd = os.open('file', os.O_RDWR)
    equal(changes(lambda: os.ftruncate(fd, 7), 'file'), 'mc')


@case
def to_the_same_size_by_name():
    make('file', b'content')
    equal(changes(lambda: os.truncate('file', 7), 'file'), 'mc')


@case
def what_was_cut_is_zeros_when_it_grows_again():
    make('file', b'x' * 20000)
    fd = os.open('file', os.O_RDWR)
    for cut in (19999, 12288, 12287, 5000, 4096, 1):
        os.ftruncate(fd, cut)
        os.ftruncate(fd, 20000)
        equal(os.pread(fd, 20000, 0), b'x' * cut + b'\0' * (20000 - cut), str(cut))
        os.pwrite(fd, b'x' * 20000, 0)
    os.ftruncate(fd, 5000)
    os.fsync(fd)
    os.ftruncate(fd, 9000)
    equal(os.pread(fd, 9000, 0), b'x' * 5000 + b'\0' * 4000)


@case
def a_writer_behind_the_cut():
    make('file', b'x' * 10000)
    fd = os.open('file', os.O_RDWR)
    os.lseek(fd, 0, os.SEEK_END)
    os.truncate('file', 100)
    os.write(fd, b'end')
    equal(size_of(fd), 10003)
    equal(os.pread(fd, 20000, 0), b'x' * 100 + b'\0' * 9900 + b'end')


@case
def sizes():
    make('file')
    os.truncate('file', 1 << 40)
    seen = os.stat('file')
    equal((seen.st_size, seen.st_blocks), (1 << 40, 0))
    with open('file', 'rb') as file:
        file.seek((1 << 40) - 2)
        equal(file.read(), b'\0\0')
    fails('EINVAL', os.truncate, 'file', -1)
    fails('EFBIG', os.truncate, 'file', (1 << 63) - 1)
    equal(size_of('file'), 1 << 40)
    os.truncate('file', 0)


@case
def a_limit_of_the_process():
    make('file')
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
    fails('EFBIG', os.truncate, 'file', 10001)
    fd = os.open('file', os.O_RDWR)
    equal(os.write(fd, b'x' * 20000), 10000)
    fails('EFBIG', os.write, fd, b'x')
    equal(size_of(fd), 10000)


@case
def errors():
    os.mkdir('d')
    make('file')
    fails('EISDIR', os.truncate, 'd', 0)
    fails('ENOENT', os.truncate, 'missing', 0)
    fails('ENOTDIR', os.truncate, 'file/x', 0)
    fd = os.open('file', os.O_RDONLY)
    fails('EINVAL', os.ftruncate, fd, 0)
    os.mkfifo('pipe')
    fails('EINVAL', os.truncate, 'pipe', 0)


@case
def permissions():
    make('file', b'x', 0o444)
    make('mine', b'x', 0o222, USER)

    def work():
        fails('EACCES', os.truncate, 'file', 0)
        os.truncate('mine', 0)
        fd = os.open('new', os.O_RDWR | os.O_CREAT, 0o444)
        os.ftruncate(fd, 9)
        fails('EACCES', os.truncate, 'new', 0)
    as_user(USER, work)


def _privileged(mode):
    make(f'{mode:o}', b'content', 0o777)
    os.setxattr(f'{mode:o}', 'security.capability', CAPABILITY)
    os.chmod(f'{mode:o}', mode)
    return f'{mode:o}'


@case
def privileges_end():
    names = [_privileged(mode) for mode in (0o4777, 0o2777, 0o6777)]

    def work():
        for name in names:
            os.truncate(name, 3)
    as_user(USER, work)
    equal([mode_of(name) for name in names], ['0o777', '0o777', '0o777'])
    for name in names:
        fails('ENODATA', os.getxattr, name, 'security.capability')


@case
def privileges_end_when_opening_truncates():
    names = [_privileged(mode) for mode in (0o4777, 0o2777, 0o6777)]

    def work():
        for name in names:
            os.close(os.open(name, os.O_WRONLY | os.O_TRUNC))
    as_user(USER, work)
    equal([mode_of(name) for name in names], ['0o777', '0o777', '0o777'])
    for name in names:
        fails('ENODATA', os.getxattr, name, 'security.capability')


@case
def set_group_id_without_execution_ends_for_who_is_not_of_the_group():
    for name in ('outsider', 'member'):
        make(name, b'content', 0o2767, gid=TEAM)
    as_user(USER, lambda: os.truncate('outsider', 3))
    as_user(USER, lambda: os.truncate('member', 3), groups=[TEAM])
    equal((mode_of('outsider'), mode_of('member')), ('0o767', '0o2767'))


@case
def privileges_stay_when_root_truncates():
    name = _privileged(0o6777)
    os.truncate(name, 3)
    equal(mode_of(name), '0o6777')


@case(needs='flags')
def protected():
    make('file', b'content')
    fd = os.open('file', os.O_RDWR)
    for flags in (FL_IMMUTABLE, FL_APPEND):
        with_flags('file', flags, lambda: fails('EPERM', os.truncate, 'file', 0))
        with_flags('file', flags, lambda: fails('EPERM', os.ftruncate, fd, 0))
