"""mknod(2) and mkfifo(3)."""
import os, socket
from frame import *


@case
def what_it_is():
    for kind, name, device in ((0o010000, 'pipe', 0), (0o020000, 'c', os.makedev(1, 3)), (0o060000, 'b', os.makedev(7, 300)),
                               (0o100000, 'file', 0), (0o140000, 'socket', 0), (0o020000, 'large', os.makedev(300, 70000))):
        equal(changes(lambda: os.mknod(name, kind | 0o640, device), '.'), 'mc')
        seen = os.lstat(name)
        equal((seen.st_mode, seen.st_rdev, seen.st_nlink, seen.st_size), (kind | 0o640, device, 1, 0), name)


@case
def without_a_type_it_is_a_file():
    os.mknod('file', 0o600)
    true(os.path.isfile('file'), 'a file')


@case
def errors():
    make('file')
    fails('EEXIST', os.mkfifo, 'file')
    fails('ENOENT', os.mkfifo, 'missing/x')
    fails('ENOTDIR', os.mkfifo, 'file/x')
    fails('ENOENT', os.mkfifo, 'x/')
    fails('ENAMETOOLONG', os.mkfifo, 'x' * 256)
    fails('EPERM', os.mknod, 'd', 0o040755)
    fails('EINVAL', os.mknod, 'd', 0o150755)


@case
def who_may():
    def work():
        os.mkfifo('pipe')
        os.mknod('file', 0o100600)
        os.mknod('socket', 0o140600)
        fails('EPERM', os.mknod, 'c', 0o020600, os.makedev(1, 3))
        fails('EPERM', os.mknod, 'b', 0o060600, os.makedev(7, 0))
    as_user(USER, work)


@case
def umask_and_group():
    folder('d', 0o2777, gid=TEAM)
    os.umask(0o027)
    os.mkfifo('d/pipe', 0o666)
    equal((mode_of('d/pipe'), os.stat('d/pipe').st_gid), ('0o640', TEAM))


@case
def a_device_works_and_keeps_its_times():
    os.mknod('zero', 0o020666, os.makedev(1, 5))
    fd = os.open('zero', os.O_RDWR)
    equal(os.read(fd, 3), b'\0\0\0')
    os.unlink('zero')
    equal(os.read(fd, 3), b'\0\0\0')


@case
def a_pipe_passes_bytes_and_has_no_size():
    os.mkfifo('pipe')
    fd = os.open('pipe', os.O_RDWR)
    os.write(fd, b'content')
    equal((size_of('pipe'), os.read(fd, 99)), (0, b'content'))
    fails('EINVAL', os.ftruncate, fd, 0)
    fails('ESPIPE', os.lseek, fd, 0, os.SEEK_SET)
