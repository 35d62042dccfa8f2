"""lseek(2)."""
import os
from frame import *

RW = os.O_RDWR | os.O_CREAT
DATA, HOLE = os.SEEK_DATA, os.SEEK_HOLE


@case
def places():
    make('file', b'content')
    fd = os.open('file', RW)
    equal(os.lseek(fd, 3, os.SEEK_SET), 3)
    equal(os.lseek(fd, 2, os.SEEK_CUR), 5)
    equal(os.lseek(fd, -1, os.SEEK_END), 6)
    equal(os.lseek(fd, 100, os.SEEK_END), 107)
    equal(os.read(fd, 5), b'')
    os.write(fd, b'x')
    equal(size_of(fd), 108)
    fails('EINVAL', os.lseek, fd, -1000, os.SEEK_CUR)
    fails('EINVAL', os.lseek, fd, 0, 99)
    equal(os.lseek(fd, 0, os.SEEK_CUR), 108)


@case
def far_away():
    fd = os.open('file', RW)
    equal(os.lseek(fd, 1 << 42, os.SEEK_SET), 1 << 42)
    os.write(fd, b'x')
    equal(size_of(fd), (1 << 42) + 1)
    fails('EINVAL', os.lseek, fd, (1 << 63) - 1, os.SEEK_END)


@case
def the_end_that_another_has_moved():
    one, two = os.open('file', RW), os.open('file', RW)
    os.write(one, b'x' * 5000)
    equal(os.lseek(two, 0, os.SEEK_END), 5000)


def sparse():
    fd = os.open('file', RW)
    os.pwrite(fd, b'x' * 4096, 1 << 20)
    os.pwrite(fd, b'y' * 100, 3 << 20)
    return fd


def look(fd):
    equal(os.lseek(fd, 0, DATA), 1 << 20)
    equal(os.lseek(fd, (1 << 20) + 5, DATA), (1 << 20) + 5)
    equal(os.lseek(fd, 1 << 20, HOLE), (1 << 20) + 4096)
    equal(os.lseek(fd, 0, HOLE), 0)
    equal(os.lseek(fd, 2 << 20, DATA), 3 << 20)
    equal(os.lseek(fd, 3 << 20, HOLE), (3 << 20) + 100, 'the end counts as a hole')
    for whence in (DATA, HOLE):
        fails('ENXIO', os.lseek, fd, (3 << 20) + 100, whence)
        fails('ENXIO', os.lseek, fd, -1, whence)


@case(needs='holes')
def data_and_holes():
    fd = sparse()
    look(fd)
    os.fsync(fd)
    look(fd)


@case(needs='holes')
def data_and_holes_through_another_descriptor():
    kept = sparse()
    look(os.open('file', os.O_RDONLY))
    os.close(kept)


@case(needs='holes')
def an_empty_file_and_a_file_of_holes():
    fd = os.open('file', RW)
    fails('ENXIO', os.lseek, fd, 0, DATA)
    os.ftruncate(fd, 1 << 20)
    fails('ENXIO', os.lseek, fd, 0, DATA)
    equal(os.lseek(fd, 5, HOLE), 5)
