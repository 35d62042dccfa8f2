"""unlink(2)."""
import os, socket
from frame import *
from calls import *


@case
def times_and_link_counts():
    make('file', b'content')
    os.mkdir('d')
    os.link('file', 'd/other')
    equal(changes(lambda: os.unlink('d/other'), 'd', 'file'), ('mc', 'c'))
    equal(links('file'), 1)
    fd = os.open('file', os.O_RDWR)
    equal(changes(lambda: os.unlink('file'), fd), 'c', 'without a name')
    equal(links(fd), 0)


@case
def errors():
    make('file')
    os.mkdir('d')
    os.symlink('d', 'link')
    fails('EISDIR', os.unlink, 'd')
    fails('ENOENT', os.unlink, 'missing')
    fails('ENOENT', os.unlink, '')
    fails('ENOTDIR', os.unlink, 'file/x')
    fails('ENOTDIR', os.unlink, 'file/')
    fails('ENAMETOOLONG', os.unlink, 'x' * 256)
    os.unlink('link')
    true(os.path.isdir('d'), 'the target stays')
    os.unlink('file')
    fails('ENOENT', os.unlink, 'file')


@case
def an_open_file_lives_on():
    make('file', b'content')
    fd = os.open('file', os.O_RDWR)
    os.unlink('file')
    make('file', b'another')
    os.pwrite(fd, b'more' * 5000, 3)
    equal(size_of(fd), 20003)
    os.fchmod(fd, 0o4750)
    os.fchown(fd, USER, TEAM)
    os.ftruncate(fd, 10)
    os.fsync(fd)
    os.setxattr(fd, 'user.x', b'y')
    seen = os.fstat(fd)
    equal((seen.st_uid, seen.st_gid, seen.st_size, seen.st_nlink), (USER, TEAM, 10, 0))
    equal((os.pread(fd, 99, 0), os.getxattr(fd, 'user.x')), (b'conmoremor', b'y'))
    equal(read('file'), b'another')


@case
def special_files():
    os.mkfifo('pipe')
    os.mknod('device', 0o020600, os.makedev(1, 3))
    socket.socket(socket.AF_UNIX).bind('socket')
    for name in ('pipe', 'device', 'socket'):
        os.unlink(name)
    equal(os.listdir('.'), [])


@case
def the_space_comes_back():
    # Others may use the disk below at the same time.
    seen = [held_and_freed() for _ in range(5)]
    true(any(seen), 'space is held while it is open, and free when it is closed')


def held_and_freed():
    before = os.statvfs('.').f_bavail
    make('file', b'x' * 8_000_000)
    fd = os.open('file', os.O_RDWR)
    os.fsync(fd)
    os.unlink('file')
    held = os.statvfs('.').f_bavail
    os.close(fd)
    for _ in range(20):
        if os.statvfs('.').f_bavail > held + 1500:
            return before - held > 1500
        time.sleep(0.05)
    return False


@case
def permissions():
    folder('closed', 0o755)
    make('closed/file', uid=USER)
    folder('open', 0o777)
    make('open/file', mode=0)
    folder('sticky', 0o1777)
    make('sticky/other', mode=0o666, uid=OTHER)
    make('sticky/mine', uid=USER)
    folder('own', 0o1777, USER)
    make('own/other', uid=OTHER)

    def work():
        fails('EACCES', os.unlink, 'closed/file')
        os.unlink('open/file')
        fails('EPERM', os.unlink, 'sticky/other')
        os.unlink('sticky/mine')
        os.unlink('own/other')
    as_user(USER, work)


@case(needs='flags')
def protected():
    os.mkdir('d')
    for name, flags in (('file', FL_IMMUTABLE), ('log', FL_APPEND)):
        make(f'd/{name}')
        with_flags(f'd/{name}', flags, lambda: fails('EPERM', os.unlink, f'd/{name}'))
        with_flags('d', flags, lambda: fails('EPERM', os.unlink, f'd/{name}'))
        os.unlink(f'd/{name}')


@case
def a_listing_while_names_go():
    for n in range(200):
        make(f'f{n}')
    with os.scandir('.') as entries:
        seen = [os.unlink(entry) or entry.name for entry in entries]
    equal(len(set(seen)), 200)
    equal(os.listdir('.'), [])
