"""fallocate(2)."""
import os
from frame import *
from calls import *

RW = os.O_RDWR | os.O_CREAT


@case(needs='fallocate')
def space_is_taken_and_the_size_grows():
    fd = os.open('file', RW)
    equal(changes(lambda: fallocate(fd, 0, 0, 100_000), 'file'), 'mc')
    equal(size_of(fd), 100_000)
    os.fsync(fd)
    true(os.fstat(fd).st_blocks >= 196, 'it has its blocks')
    equal(read('file'), b'\0' * 100_000)
    equal(changes(lambda: fallocate(fd, 0, 0, 100_000), 'file'), 'mc', 'once more')


@case(needs='fallocate')
def what_is_there_stays():
    make('file', b'content' * 3000)
    fd = os.open('file', RW)
    fallocate(fd, 0, 5, 50_000)
    equal(read('file'), b'content' * 3000 + b'\0' * (50_005 - 21_000))


@case(needs='fallocate')
def keeping_the_size():
    make('file', b'content')
    fd = os.open('file', RW)
    fallocate(fd, KEEP_SIZE, 0, 100_000)
    equal((size_of(fd), read('file')), (7, b'content'))


@case(needs='fallocate')
def punching():
    make('file', b'x' * 50_000)
    fd = os.open('file', RW)
    equal(changes(lambda: fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 5000, 30_000), 'file'), 'mc')
    wanted = b'x' * 5000 + b'\0' * 30_000 + b'x' * 15_000
    equal(read('file'), wanted)
    os.fsync(fd)
    equal(read('file'), wanted)
    true(os.fstat(fd).st_blocks <= 64, 'whole blocks are given back')
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 40_000, 100_000)
    equal((size_of(fd), read('file')), (50_000, wanted[:40_000] + b'\0' * 10_000))


@case(needs='fallocate')
def zeroing():
    make('file', b'x' * 50_000)
    fd = os.open('file', RW)
    equal(changes(lambda: fallocate(fd, ZERO_RANGE, 5000, 30_000), 'file'), 'mc')
    equal(read('file'), b'x' * 5000 + b'\0' * 30_000 + b'x' * 15_000)
    fallocate(fd, ZERO_RANGE, 40_000, 20_000)
    equal((size_of(fd), read('file')[40_000:]), (60_000, b'\0' * 20_000))
    fallocate(fd, ZERO_RANGE | KEEP_SIZE, 55_000, 20_000)
    equal(size_of(fd), 60_000)


@case(needs='fallocate')
def errors():
    make('file', b'content')
    os.mkfifo('pipe')
    fd = os.open('file', RW)
    fails('EINVAL', fallocate, fd, 0, 0, 0)
    fails('EINVAL', fallocate, fd, 0, -1, 10)
    fails('EBADF', fallocate, os.open('file', os.O_RDONLY), 0, 0, 10)
    fails('EFBIG', fallocate, fd, 0, (1 << 63) - 5, 10)
    fails('EFBIG', fallocate, fd, 0, 1 << 60, 10)
    fails('ESPIPE', fallocate, os.open('pipe', os.O_RDWR), 0, 0, 10)
    fails('EOPNOTSUPP', fallocate, fd, PUNCH_HOLE, 0, 10)
    equal(read('file'), b'content')


@case(needs='fallocate')
def more_than_there_is():
    fd = os.open('file', RW)
    free = os.statvfs('.').f_bavail * 4096
    fails('ENOSPC', fallocate, fd, 0, 0, min(free * 3, 1 << 43))
    os.ftruncate(fd, 0)


@case(needs='fallocate')
def privileges_end():
    make('file', b'content', 0o777)
    os.chmod('file', 0o6777)
    as_user(USER, lambda: fallocate(os.open('file', os.O_RDWR), 0, 0, 100))
    equal(mode_of('file'), '0o777')


@case(needs='fallocate')
def moving_what_is_behind():
    make('file', b''.join(bytes([65 + n]) * 4096 for n in range(5)))
    fd = os.open('file', RW)
    fallocate(fd, COLLAPSE_RANGE, 4096, 4096)
    equal((size_of(fd), read('file')[4096:4097]), (4 * 4096, b'C'))
    fallocate(fd, INSERT_RANGE, 4096, 8192)
    equal((size_of(fd), read('file')[4096:12289]), (6 * 4096, b'\0' * 8192 + b'C'))


@case
def posix_fallocate():
    fd = os.open('file', RW)
    os.posix_fallocate(fd, 0, 10_000)
    equal(size_of(fd), 10_000)
