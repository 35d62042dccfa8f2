"""Locks: flock(2), fcntl(2) of processes, and of open files."""
import fcntl, os, struct
from frame import *

OFD_GET, OFD_SET, OFD_WAIT = 36, 37, 38


def record(kind, start=0, length=0):
    return struct.pack('hhqqi4x', kind, 0, start, length, 0)


def posix(fd, kind, start=0, length=0, command=fcntl.F_SETLK):
    return fcntl.fcntl(fd, command, record(kind, start, length))


def opened():
    return os.open('file', os.O_RDWR | os.O_CREAT)


def elsewhere(work):
    error = in_child(work)
    if error is not None:
        raise Different(f'in another process: {error}')


@case
def posix_locks_of_processes():
    fd = opened()
    posix(fd, fcntl.F_WRLCK, 0, 10)

    def other():
        fd = opened()
        fails('EAGAIN', posix, fd, fcntl.F_WRLCK, 5, 1)
        fails('EAGAIN', posix, fd, fcntl.F_RDLCK, 0, 0)
        posix(fd, fcntl.F_WRLCK, 10, 5)
        kind, _, start, length, pid = struct.unpack('hhqqi4x', posix(fd, fcntl.F_WRLCK, 0, 0, fcntl.F_GETLK))
        equal((kind, start, length, pid), (fcntl.F_WRLCK, 0, 10, os.getppid()))
    elsewhere(other)
    posix(fd, fcntl.F_UNLCK, 3, 4)
    elsewhere(lambda: posix(opened(), fcntl.F_WRLCK, 4, 2))
    elsewhere(lambda: fails('EAGAIN', posix, opened(), fcntl.F_WRLCK, 8, 2))


@case
def readers_share():
    fd = opened()
    posix(fd, fcntl.F_RDLCK)
    elsewhere(lambda: posix(opened(), fcntl.F_RDLCK))
    elsewhere(lambda: fails('EAGAIN', posix, opened(), fcntl.F_WRLCK))
    posix(fd, fcntl.F_WRLCK)
    elsewhere(lambda: fails('EAGAIN', posix, opened(), fcntl.F_RDLCK))


@case
def closing_any_descriptor_gives_a_posix_lock_up():
    fd = opened()
    posix(fd, fcntl.F_WRLCK)
    os.close(opened())
    elsewhere(lambda: posix(opened(), fcntl.F_WRLCK))


@case
def dying_gives_locks_up():
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        fd = opened()
        posix(fd, fcntl.F_WRLCK)
        os.write(theirs, b'x')
        signal.pause()
    os.read(ours, 1)
    fd = opened()
    fails('EAGAIN', posix, fd, fcntl.F_WRLCK)
    os.kill(pid, signal.SIGKILL)
    posix(fd, fcntl.F_WRLCK, command=fcntl.F_SETLKW)
    os.waitpid(pid, 0)


@case
def waiting_is_interrupted_by_a_signal():
    fd = opened()
    posix(fd, fcntl.F_WRLCK)

    def other():
        def interrupt(*_):
            raise InterruptedError(errno.EINTR, 'a signal')
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        fails('EINTR', posix, opened(), fcntl.F_WRLCK, 0, 0, fcntl.F_SETLKW)
    elsewhere(other)


@case
def a_deadlock_is_noticed():
    fd = opened()
    posix(fd, fcntl.F_WRLCK, 0, 1)
    ours, theirs = os.pipe()

    pid = os.fork()
    if pid == 0:
        fd = opened()
        posix(fd, fcntl.F_WRLCK, 1, 1)
        os.write(theirs, b'x')
        posix(fd, fcntl.F_WRLCK, 0, 1, fcntl.F_SETLKW)
        os._exit(0)
    os.read(ours, 1)
    time.sleep(0.1)
    fails('EDEADLK', posix, fd, fcntl.F_WRLCK, 1, 1, fcntl.F_SETLKW)
    posix(fd, fcntl.F_UNLCK, 0, 1)
    equal(os.waitpid(pid, 0)[1], 0)


@case
def locks_of_open_files():
    one, two = opened(), opened()
    fcntl.fcntl(one, OFD_SET, record(fcntl.F_WRLCK, 0, 10))
    fails('EAGAIN', fcntl.fcntl, two, OFD_SET, record(fcntl.F_RDLCK, 5, 1))
    fails('EAGAIN', posix, two, fcntl.F_RDLCK, 5, 1)
    copy = os.dup(one)
    os.close(one)
    fails('EAGAIN', fcntl.fcntl, two, OFD_SET, record(fcntl.F_RDLCK, 5, 1))
    os.close(copy)
    fcntl.fcntl(two, OFD_SET, record(fcntl.F_WRLCK, 5, 1))


@case
def flock():
    one, two = opened(), opened()
    fcntl.flock(one, fcntl.LOCK_EX)
    fails('EAGAIN', fcntl.flock, two, fcntl.LOCK_SH | fcntl.LOCK_NB)
    elsewhere(lambda: fails('EAGAIN', fcntl.flock, opened(), fcntl.LOCK_EX | fcntl.LOCK_NB))
    fcntl.flock(one, fcntl.LOCK_SH)
    fcntl.flock(two, fcntl.LOCK_SH | fcntl.LOCK_NB)
    fails('EAGAIN', fcntl.flock, one, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(two, fcntl.LOCK_UN)
    fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
    posix(two, fcntl.F_WRLCK)


@case
def flock_is_inherited_and_ends_with_the_last_descriptor():
    fd = opened()
    fcntl.flock(fd, fcntl.LOCK_EX)
    copy = os.dup(fd)
    os.close(fd)
    fails('EAGAIN', fcntl.flock, opened(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    elsewhere(lambda: fcntl.flock(copy, fcntl.LOCK_EX | fcntl.LOCK_NB))
    os.close(copy)
    fcntl.flock(opened(), fcntl.LOCK_EX | fcntl.LOCK_NB)


@case
def kinds_of_descriptors():
    make('other')
    reading, writing = os.open('other', os.O_RDONLY), os.open('other', os.O_WRONLY)
    fails('EBADF', posix, reading, fcntl.F_WRLCK)
    fails('EBADF', posix, writing, fcntl.F_RDLCK)
    os.mkdir('d')
    fcntl.flock(os.open('d', os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)


@case
def leases():
    fd = opened()
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    equal(fcntl.fcntl(fd, fcntl.F_GETLEASE), fcntl.F_WRLCK)
    signal.signal(signal.SIGIO, lambda *_: None)
    elsewhere(lambda: fails('EAGAIN', os.open, 'file', os.O_RDONLY | os.O_NONBLOCK))
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    elsewhere(lambda: os.close(os.open('file', os.O_RDONLY)))
