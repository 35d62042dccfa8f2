"""O_APPEND."""
import fcntl, os
from frame import *
from calls import *

APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND


@case
def at_the_end_wherever_one_is():
    make('file', b'content')
    fd = os.open('file', APPEND)
    os.lseek(fd, 2, os.SEEK_SET)
    os.write(fd, b'+')
    equal((read('file'), os.lseek(fd, 0, os.SEEK_CUR)), (b'content+', 8))
    os.pwrite(fd, b'*', 1)
    equal(read('file'), b'content+*', 'pwrite too')
    os.truncate('file', 3)
    os.write(fd, b'!')
    equal(read('file'), b'con!')


@case
def two_descriptors():
    one, two = os.open('file', APPEND), os.open('file', APPEND)
    for n in range(100):
        os.write(one if n % 2 else two, b'%02d' % n)
    equal(read('file'), b''.join(b'%02d' % n for n in range(100)))


@case
def processes_at_once():
    def work(letter):
        fd = os.open('file', APPEND)
        for n in range(200):
            os.write(fd, (b'%c%03d' % (letter, n)).ljust(99, b'.') + b'\n')
    pids = []
    for letter in b'abcd':
        pids.append(os.fork())
        if pids[-1] == 0:
            work(letter)
            os._exit(0)
    for pid in pids:
        equal(os.waitpid(pid, 0)[1], 0)
    lines = read('file').split(b'\n')[:-1]
    equal((len(lines), {len(line) for line in lines}), (800, {99}))
    for letter in b'abcd':
        own = [line[1:4] for line in lines if line[0] == letter]
        equal(own, [b'%03d' % n for n in range(200)])


@case
def switched_on_and_off():
    make('file', b'content')
    fd = os.open('file', os.O_RDWR)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_APPEND)
    os.write(fd, b'+')
    fcntl.fcntl(fd, fcntl.F_SETFL, flags)
    os.pwrite(fd, b'C', 0)
    equal(read('file'), b'Content+')


@case
def one_write_only():
    make('file', b'content')
    fd = os.open('file', os.O_RDWR)
    os.pwritev(fd, [b'+'], 0, RWF_APPEND)
    equal(read('file'), b'content+')


@case(needs='flags')
def an_append_only_file():
    make('log', b'1')

    def work():
        fails('EPERM', os.open, 'log', os.O_WRONLY)
        fails('EPERM', os.open, 'log', os.O_WRONLY | os.O_APPEND | os.O_TRUNC)
        fd = os.open('log', os.O_WRONLY | os.O_APPEND)
        os.write(fd, b'2')
        fails('EPERM', fallocate, fd, PUNCH_HOLE | KEEP_SIZE, 0, 1)
    with_flags('log', FL_APPEND, work)
    equal(read('log'), b'12')
