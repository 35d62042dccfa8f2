"""stat(2) and statx(2)."""
import os
from frame import *
from calls import *


@case
def one_view_of_all():
    make('file', b'content', 0o640, USER, TEAM)
    fd = os.open('file', os.O_RDONLY)
    by_name, by_descriptor, wide = os.stat('file'), os.fstat(fd), statx('file')
    equal(by_name, by_descriptor)
    equal((wide.ino, wide.size, wide.nlink, wide.uid, wide.gid, wide.mode, wide.blocks),
          (by_name.st_ino, 7, 1, USER, TEAM, 0o100640, by_name.st_blocks))
    equal(wide.mtime_sec * 10 ** 9 + wide.mtime_nsec, by_name.st_mtime_ns)
    equal(os.makedev(wide.dev_major, wide.dev_minor), by_name.st_dev)
    equal(wide.mask & 0x7ff, 0x7ff)


@case(needs='time of birth')
def the_time_of_birth():
    before = int(time.time())
    make('file')
    made = statx('file')
    true(made.mask & 0x800 and before <= made.btime_sec <= time.time(), 'statx has a time of birth')
    time.sleep(STEP_S)
    os.utime('file', (5, 6))
    os.chmod('file', 0o600)
    with open('file', 'w') as file:
        file.write('content')
    os.rename('file', 'new')
    after = statx('new')
    equal((after.btime_sec, after.btime_nsec), (made.btime_sec, made.btime_nsec))


@case
def a_written_file_at_once_and_later():
    fd = os.open('file', os.O_RDWR | os.O_CREAT)
    os.write(fd, b'x' * 10_000)
    equal(os.stat('file').st_size, 10_000)
    seen = os.stat('file')
    os.fsync(fd)
    after = os.stat('file')
    equal((after.st_size, after.st_mtime_ns, after.st_ctime_ns), (10_000, seen.st_mtime_ns, seen.st_ctime_ns))
    equal(after.st_blocks, 24)
    os.close(fd)
    last = os.stat('file')
    equal((last.st_size, last.st_mtime_ns, last.st_ctime_ns), (10_000, seen.st_mtime_ns, seen.st_ctime_ns))


@case
def numbers_are_unique_and_stay():
    for name in ('a', 'b'):
        make(name)
    os.mkdir('d')
    numbers = [os.stat(name).st_ino for name in ('a', 'b', 'd', '.')]
    equal(len(set(numbers)), 4)
    os.rename('a', 'd/x')
    equal(os.stat('d/x').st_ino, numbers[0])


@case
def blocks_of_holes():
    fd = os.open('file', os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b'x' * 4096, 1 << 20)
    os.fsync(fd)
    equal(os.fstat(fd).st_blocks, 8)
    equal(os.fstat(fd).st_blksize, 4096)


@case
def folders():
    os.mkdir('d')
    seen = os.stat('d')
    true(seen.st_size > 0 and seen.st_blksize == 4096, 'a folder has a size')
    equal(os.stat('d/.').st_ino, seen.st_ino)
    equal(os.stat('d/..').st_ino, os.stat('.').st_ino)


@case
def asking_changes_no_times():
    make('file', b'content')
    os.mkdir('d')
    equal(changes(lambda: (os.stat('file'), os.stat('d'), statx('file'), os.access('file', os.R_OK)),
                  'file', 'd', '.'), ('', '', ''))


@case
def access():
    make('file', mode=0o640, uid=USER, gid=TEAM)

    def look():
        true(os.access('file', os.R_OK) and os.access('file', os.W_OK), 'the owner reads and writes')
        true(not os.access('file', os.X_OK), 'nobody runs it')
    as_user(USER, look)
    as_user(OTHER, lambda: true(not os.access('file', os.R_OK), 'another user does not'), gid=OTHER)
    as_user(OTHER, lambda: true(os.access('file', os.R_OK), 'one of the group does'), gid=TEAM)
    true(not os.access('file', os.X_OK), 'nor does root')


@case(needs='flags')
def flags_are_shown():
    make('file')
    for flag, attribute in ((FL_IMMUTABLE, 0x10), (FL_APPEND, 0x20), (FL_NODUMP, 0x40)):
        with_flags('file', flag, lambda: equal(statx('file').attributes & 0x70, attribute))
