"""write(2) and its relatives."""
import os
from frame import *
from calls import *

RW = os.O_RDWR | os.O_CREAT


@case
def times():
    fd = os.open('file', RW)
    equal(changes(lambda: os.write(fd, b'x'), 'file', '.'), ('mc', ''))
    equal(changes(lambda: os.pwrite(fd, b'y', 0), 'file'), 'mc', 'the same size')
    equal(changes(lambda: os.write(fd, b''), 'file'), '', 'nothing')
    seen = os.stat('file')
    equal(seen.st_mtime_ns, seen.st_ctime_ns)


@case
def times_do_not_move_when_it_is_stored():
    fd = os.open('file', RW)
    os.write(fd, b'x' * 100_000)
    for call_ in (lambda: os.fsync(fd), lambda: os.fdatasync(fd), lambda: os.close(fd)):
        equal(changes(call_, 'file'), '')


@case
def holes_are_zeros():
    fd = os.open('file', RW)
    os.pwrite(fd, b'end', 100_000)
    os.pwrite(fd, b'begin', 3)
    content = read('file')
    equal(content, b'\0\0\0begin' + b'\0' * 99_992 + b'end')


@case
def at_any_place():
    fd = os.open('file', RW)
    wanted = bytearray()
    for n, (offset, length) in enumerate([(0, 10), (4090, 20), (5, 3), (8192, 4096), (4095, 4098), (70_000, 1), (1, 100_000)]):
        piece = bytes([65 + n]) * length
        wanted.extend(bytes(max(0, offset + length - len(wanted))))
        wanted[offset:offset + length] = piece
        equal(os.pwrite(fd, piece, offset), length)
        equal(read('file'), bytes(wanted), f'{offset} {length}')
    os.fsync(fd)
    equal(read('file'), bytes(wanted))


@case
def vectors():
    fd = os.open('file', RW)
    equal(os.writev(fd, [b'a', b'', b'bc', b'd' * 5000]), 5003)
    equal(os.pwritev(fd, [b'X', b'Y'], 2), 2)
    first, rest = bytearray(3), bytearray(10_000)
    equal(os.preadv(fd, [first, rest], 0), 5003)
    equal((bytes(first), bytes(rest[:3])), (b'abX', b'Ydd'))
    os.lseek(fd, 0, os.SEEK_SET)
    equal(os.readv(fd, [first]), 3)


@case
def errors():
    make('file', b'content')
    reading, writing = os.open('file', os.O_RDONLY), os.open('file', os.O_WRONLY)
    fails('EBADF', os.write, reading, b'x')
    fails('EBADF', os.read, writing, 1)
    fails('EINVAL', os.pwrite, writing, b'x', -1)
    fails('EINVAL', os.lseek, writing, -1, os.SEEK_SET)
    fails('EFAULT', call, 'write', writing, ctypes.c_void_p(8), 10)
    equal(read('file'), b'content')


@case
def a_memory_that_ends_in_the_middle():
    # write(2) stores what it can read and says how much.
    fd = os.open('file', RW)
    memory = ctypes.CDLL(None).mmap
    memory.restype = ctypes.c_void_p
    start = memory(None, ctypes.c_size_t(8192), 3, 0x22, -1, ctypes.c_long(0))
    call('mprotect', ctypes.c_void_p(start + 4096), 4096, 0)
    result = ctypes.CDLL(None, use_errno=True).write(fd, ctypes.c_void_p(start + 4000), ctypes.c_size_t(200))
    true(result in (96, -1), 'a part or nothing')
    equal(size_of(fd), max(result, 0))


@case
def reading_at_the_end():
    fd = os.open('file', RW)
    os.write(fd, b'content')
    equal(os.pread(fd, 10, 5), b'nt')
    equal(os.pread(fd, 10, 7), b'')
    equal(os.pread(fd, 10, 1 << 40), b'')
    equal(os.pread(fd, 10, (1 << 63) - 100), b'')


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
            fd = os.open(name, os.O_WRONLY)
            os.write(fd, b'x')
            equal(mode_of(name), '0o777', 'at once')
            os.close(fd)
    as_user(USER, work)
    for name in names:
        equal(mode_of(name), '0o777')
        fails('ENODATA', os.getxattr, name, 'security.capability')


@case
def a_write_of_root_ends_capabilities_only():
    name = _privileged(0o6777)
    fd = os.open(name, os.O_WRONLY)
    os.write(fd, b'x')
    os.close(fd)
    equal(mode_of(name), '0o6777')
    fails('ENODATA', os.getxattr, name, 'security.capability')


@case
def set_group_id_without_execution_ends_for_who_is_not_of_the_group():
    for name in ('outsider', 'member'):
        make(name, b'content', 0o2767, gid=TEAM)

    def work(name):
        fd = os.open(name, os.O_WRONLY)
        os.write(fd, b'x')
    as_user(USER, lambda: work('outsider'))
    as_user(USER, lambda: work('member'), groups=[TEAM])
    equal((mode_of('outsider'), mode_of('member')), ('0o767', '0o2767'))


@case
def an_unwritten_file_keeps_its_privileges():
    name = _privileged(0o6777)
    as_user(USER, lambda: os.close(os.open(name, os.O_WRONLY)))
    equal(mode_of(name), '0o6777')


@case
def synchronous():
    for flags in (os.O_SYNC, os.O_DSYNC):
        fd = os.open('file', RW | flags)
        os.write(fd, b'x' * 5000)
        os.pwrite(fd, b'yy', 4999)
        equal(read('file'), b'x' * 4999 + b'yy')
        os.unlink('file')
    fd = os.open('file', RW)
    equal(os.pwritev(fd, [b'abc'], 0, os.RWF_DSYNC), 3)
    equal(os.pwritev(fd, [b'def'], 3, os.RWF_SYNC), 3)
    equal(read('file'), b'abcdef')


@case
def several_descriptors_see_each_other():
    one, two = os.open('file', RW), os.open('file', RW)
    os.write(one, b'12345')
    equal(os.read(two, 9), b'12345')
    os.ftruncate(two, 2)
    equal(os.pread(one, 9, 0), b'12')
    copy = os.dup(one)
    os.lseek(copy, 1, os.SEEK_SET)
    os.write(one, b'x')
    equal(os.pread(two, 9, 0), b'1x')


@case
def advice():
    fd = os.open('file', RW)
    os.write(fd, b'x' * 100_000)
    for advice_ in (os.POSIX_FADV_NORMAL, os.POSIX_FADV_WILLNEED, os.POSIX_FADV_DONTNEED, os.POSIX_FADV_SEQUENTIAL):
        os.posix_fadvise(fd, 0, 0, advice_)
        equal(os.pread(fd, 100_000, 0), b'x' * 100_000)
    call('readahead', fd, 0, 100_000)
    call('sync_file_range', fd, 0, 100_000, 7)
    equal(read('file'), b'x' * 100_000)
