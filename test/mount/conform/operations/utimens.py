"""utimensat(2) and futimens(3)."""
import os
from frame import *
from calls import *

OMIT, NOW = (1 << 30) - 2, (1 << 30) - 1


def utimensat(name, access, modification, flags=0):
    times = (ctypes.c_long * 4)(*access, *modification)
    call('utimensat', AT_FDCWD, encode(name), times, flags)


@case
def by_hand():
    make('file')
    os.mkdir('d')
    for name in ('file', 'd'):
        for access, modification in ((1, 2), (10 ** 18 + 1, 10 ** 18 + 999_999_999), (-5, -10 ** 9 - 1), (0, 0)):
            equal(changes(lambda: os.utime(name, ns=(access, modification)), name)[-1:], 'c')
            seen = os.stat(name)
            equal((seen.st_atime_ns, seen.st_mtime_ns), (access, modification), name)


@case
def now():
    make('file')
    equal(changes(lambda: os.utime('file'), 'file'), 'amc')
    os.utime('file', (5, 5))
    equal(changes(lambda: utimensat('file', (0, NOW), (0, OMIT)), 'file'), 'ac')
    equal(changes(lambda: utimensat('file', (0, OMIT), (0, NOW)), 'file'), 'mc')


@case
def one_of_both():
    make('file')
    os.utime('file', (5, 6))
    utimensat('file', (0, OMIT), (77, 0))
    equal((os.stat('file').st_atime, os.stat('file').st_mtime), (5, 77))
    utimensat('file', (88, 1), (0, OMIT))
    equal((os.stat('file').st_atime_ns, os.stat('file').st_mtime), (88 * 10 ** 9 + 1, 77))
    equal(changes(lambda: utimensat('file', (0, OMIT), (0, OMIT)), 'file'), '')


@case
def a_time_set_by_hand_outlives_what_was_written_before():
    fd = os.open('file', os.O_RDWR | os.O_CREAT)
    os.write(fd, b'content')
    os.utime(fd, (5, 6))
    equal(os.fstat(fd).st_mtime, 6)
    os.fsync(fd)
    equal(os.fstat(fd).st_mtime, 6)
    os.close(fd)
    equal((os.stat('file').st_atime, os.stat('file').st_mtime), (5, 6))


@case
def a_write_after_it_counts():
    fd = os.open('file', os.O_RDWR | os.O_CREAT)
    os.utime(fd, (5, 6))
    equal(changes(lambda: os.write(fd, b'content'), fd), 'mc')
    before = os.fstat(fd).st_mtime_ns
    os.close(fd)
    equal(os.stat('file').st_mtime_ns, before)


@case
def errors():
    make('file')
    fails('ENOENT', os.utime, 'missing')
    fails('ENOTDIR', os.utime, 'file/x')
    fails('EINVAL', utimensat, 'file', (0, 10 ** 9), (0, 0))
    fails('EINVAL', utimensat, 'file', (0, 0), (0, -1))


@case
def who_may():
    make('mine', mode=0o444, uid=USER)
    make('writable', mode=0o666)
    make('other', mode=0o644)

    def work():
        os.utime('mine', (1, 2))
        os.utime('mine')
        os.utime('writable')
        fails('EPERM', os.utime, 'writable', (1, 2))
        fails('EPERM', utimensat, 'writable', (0, NOW), (0, OMIT))
        fails('EACCES', os.utime, 'other')
        fails('EPERM', os.utime, 'other', (1, 2))
        utimensat('other', (0, OMIT), (0, OMIT))
    as_user(USER, work)


@case
def of_a_link():
    make('file')
    os.symlink('file', 'link')
    os.utime('link', (1, 2), follow_symlinks=False)
    true(os.stat('file').st_mtime > 10 ** 9, 'the target keeps its time')
    equal(os.lstat('link').st_mtime, 2)
    os.utime('link', (3, 4))
    equal((os.stat('file').st_mtime, os.lstat('link').st_mtime), (4, 2))


@case
def of_special_files():
    os.mkfifo('pipe')
    os.utime('pipe', (1, 2))
    equal((os.stat('pipe').st_atime, os.stat('pipe').st_mtime), (1, 2))


@case
def from_1901_to_2242():
    make('file')
    for seconds in (-2 ** 31, -1, 0, 2 ** 31, 2 ** 32, 4_000_000_000, 2 ** 33):
        os.utime('file', (seconds, seconds))
        equal((os.stat('file').st_atime, os.stat('file').st_mtime), (seconds, seconds))


@case
def beyond_what_can_be_kept():
    make('file')
    os.utime('file', (2 ** 40, -2 ** 40))
    seen = os.stat('file')
    true(seen.st_atime > 2 ** 33 and seen.st_mtime <= -2 ** 31, 'the nearest that can be kept')
    os.utime('file')


@case
def the_year_2400():
    make('file')
    os.utime('file', (13_569_465_600, 0))
    equal(os.stat('file').st_atime, 13_569_465_600)


@case(needs='flags')
def protected():
    make('file', uid=USER)
    os.chmod('file', 0o666)
    with_flags('file', FL_IMMUTABLE, lambda: fails('EPERM', os.utime, 'file'))
    with_flags('file', FL_IMMUTABLE, lambda: fails('EPERM', os.utime, 'file', (1, 2)))
    with_flags('file', FL_APPEND, lambda: os.utime('file'))
    with_flags('file', FL_APPEND, lambda: fails('EPERM', os.utime, 'file', (1, 2)))
