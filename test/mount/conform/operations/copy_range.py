"""copy_file_range(2)."""
import os
from frame import *
from calls import *

RW = os.O_RDWR | os.O_CREAT


@case
def whole_files():
    make('a', os.urandom(100_000))
    source, target = os.open('a', os.O_RDONLY), os.open('b', RW)
    def copy():
        while os.copy_file_range(source, target, 1 << 20):
            pass
    equal(changes(copy, 'b'), 'mc')
    equal(read('b') == read('a'), True)
    equal((os.lseek(source, 0, os.SEEK_CUR), os.lseek(target, 0, os.SEEK_CUR)), (100_000, 100_000))
    os.pwrite(target, b'changed', 50_000)
    true(b'changed' not in read('a'), 'the source stays')


@case
def ranges_at_any_place():
    content = os.urandom(60_000)
    make('a', content)
    wanted = bytearray(b'z' * 30_000)
    make('b', bytes(wanted))
    source, target = os.open('a', os.O_RDONLY), os.open('b', os.O_RDWR)
    for offset, place, length in ((0, 0, 4096), (5000, 3, 10_000), (8192, 16384, 8192), (59_000, 28_000, 9000)):
        copied = os.copy_file_range(source, target, length, offset, place)
        equal(copied, min(length, 60_000 - offset))
        wanted.extend(bytes(max(0, place + copied - len(wanted))))
        wanted[place:place + copied] = content[offset:offset + copied]
        equal(read('b') == bytes(wanted), True, f'{offset} {place} {length}')


@case
def what_is_only_in_the_cache():
    source, target = os.open('a', RW), os.open('b', RW)
    os.write(source, b'x' * 10_000)
    os.write(target, b'y' * 20_000)
    equal(os.copy_file_range(source, target, 10_000, 0, 4096), 10_000)
    equal(read('b'), b'y' * 4096 + b'x' * 10_000 + b'y' * 5904)
    os.pwrite(source, b'z', 0)
    equal(read('b')[4096:4097], b'x')


@case
def within_a_file():
    make('a', b'a' * 4096 + b'b' * 4096)
    fd = os.open('a', os.O_RDWR)
    equal(os.copy_file_range(fd, fd, 4096, 0, 8192), 4096)
    equal(read('a'), b'a' * 4096 + b'b' * 4096 + b'a' * 4096)
    fails('EINVAL', os.copy_file_range, fd, fd, 4096, 0, 100)


@case
def errors():
    make('a', b'content')
    os.mkdir('d')
    reading, writing = os.open('a', os.O_RDONLY), os.open('b', RW)
    fails('EBADF', os.copy_file_range, reading, os.open('b', os.O_RDONLY), 10)
    fails('EBADF', os.copy_file_range, os.open('a', os.O_WRONLY), writing, 10)
    fails('EBADF', os.copy_file_range, reading, os.open('b', os.O_WRONLY | os.O_APPEND), 10)
    fails('EISDIR', os.copy_file_range, os.open('d', os.O_RDONLY), writing, 10)
    equal(os.copy_file_range(reading, writing, 10, 7, 0), 0, 'at the end')
    equal(os.copy_file_range(reading, writing, 10, 1000, 0), 0, 'behind it')
    equal(os.copy_file_range(reading, writing, 0), 0)
    equal(size_of(writing), 0)


@case
def privileges_end():
    make('a', b'content')
    make('b', b'old', 0o777)
    os.chmod('b', 0o6777)
    as_user(USER, lambda: os.copy_file_range(os.open('a', os.O_RDONLY), os.open('b', os.O_WRONLY), 7))
    equal((mode_of('b'), read('b')), ('0o777', b'content'))
