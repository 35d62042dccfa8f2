"""sendfile(2), splice(2), and what else moves content without a buffer."""
import os, socket
from frame import *

CONTENT = bytes(range(256)) * 400


@case
def to_a_socket_and_back():
    make('file', CONTENT)
    fd = os.open('file', os.O_RDONLY)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        theirs.close()
        at = 0
        while at < len(CONTENT):
            at += os.sendfile(ours.fileno(), fd, at, len(CONTENT) - at)
        os._exit(0)
    ours.close()
    with theirs.makefile('rb') as stream:
        equal(stream.read() == CONTENT, True)
    os.waitpid(pid, 0)


@case
def from_file_to_file():
    make('a', CONTENT)
    target = os.open('b', os.O_RDWR | os.O_CREAT)
    def copy():
        at = 0
        while at < len(CONTENT):
            at += os.sendfile(target, os.open('a', os.O_RDONLY), at, len(CONTENT))
    equal(changes(copy, 'b'), 'mc')
    equal(read('b') == CONTENT, True)


@case
def through_a_pipe():
    make('a', CONTENT)
    source, target = os.open('a', os.O_RDONLY), os.open('b', os.O_RDWR | os.O_CREAT)
    ours, theirs = os.pipe()
    moved = 0
    while moved < len(CONTENT):
        count = os.splice(source, theirs, 30_000, offset_src=moved)
        while count > 0:
            done = os.splice(ours, target, count, offset_dst=moved)
            count -= done
            moved += done
    equal(read('b') == CONTENT, True)


@case
def what_is_in_a_pipe_stays_when_the_file_changes():
    make('a', b'before')
    fd = os.open('a', os.O_RDWR)
    ours, theirs = os.pipe()
    os.splice(fd, theirs, 6)
    os.unlink('a')
    os.close(fd)
    equal(os.read(ours, 9), b'before')


@case
def descriptors_that_append():
    make('a', b'content')
    source, target = os.open('a', os.O_RDONLY), os.open('b', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    fails('EINVAL', os.sendfile, target, source, 0, 7)
    ours, theirs = os.pipe()
    os.write(theirs, b'x')
    fails('EINVAL', os.splice, ours, target, 1)
