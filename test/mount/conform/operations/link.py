"""link(2) and linkat(2)."""
import os
from frame import *
from calls import *


@case
def times_and_link_counts():
    make('file', b'content')
    os.mkdir('d')
    equal(changes(lambda: os.link('file', 'd/name'), 'd', 'file'), ('mc', 'c'))
    equal((links('file'), links('d/name'), read('d/name')), (2, 2, b'content'))
    equal(os.stat('file').st_ino, os.stat('d/name').st_ino)
    os.truncate('d/name', 3)
    equal(read('file'), b'con')
    os.chmod('d/name', 0o600)
    equal(mode_of('file'), '0o600')
    os.unlink('file')
    equal((links('d/name'), read('d/name')), (1, b'con'))


@case
def errors():
    make('file')
    os.mkdir('d')
    os.symlink('file', 'link')
    for name in ('d', 'link', 'file'):
        fails('EEXIST', os.link, 'file', name)
    fails('EPERM', os.link, 'd', 'x')
    fails('ENOENT', os.link, 'missing', 'x')
    fails('ENOENT', os.link, 'file', 'missing/x')
    fails('ENOTDIR', os.link, 'file', 'file/x')
    fails('ENOENT', os.link, 'file', 'x/')
    fails('ENAMETOOLONG', os.link, 'file', 'x' * 256)
    fails('EXDEV', os.link, 'file', '/dev/shm/oatomic-conform')
    equal(links('file'), 1)


@case
def links_to_links():
    make('file')
    os.symlink('file', 'link')
    os.link('link', 'hard', follow_symlinks=False)
    equal((os.readlink('hard'), links('link'), links('file')), ('file', 2, 1))
    linkat(AT_FDCWD, 'link', 'followed', AT_SYMLINK_FOLLOW)
    equal(links('file'), 2)


@case
def special_files():
    os.mkfifo('pipe')
    os.mknod('device', 0o020600, os.makedev(1, 3))
    for name in ('pipe', 'device'):
        os.link(name, f'{name}2')
        equal(links(name), 2)


@case
def of_a_descriptor():
    make('file', b'content')
    fd = os.open('file', os.O_RDONLY)
    link_descriptor(fd, 'proc')
    linkat(fd, '', 'empty', AT_EMPTY_PATH)
    path = os.open('file', os.O_PATH)
    linkat(path, '', 'path', AT_EMPTY_PATH)
    equal(links(fd), 4)
    for name in ('file', 'proc', 'empty', 'path'):
        os.unlink(name)
    fails('ENOENT', link_descriptor, fd, 'again')


@case
def permissions():
    folder('closed', 0o755)
    folder('unsearchable', 0o700)
    make('unsearchable/file')
    make('mine', uid=USER)
    make('readable', mode=0o644)
    make('theirs', mode=0o666)

    def work():
        fails('EACCES', os.link, 'mine', 'closed/x')
        fails('EACCES', os.link, 'unsearchable/file', 'x')
        os.link('mine', 'x')
        protected = open('/proc/sys/fs/protected_hardlinks').read().strip() == '1'
        equal(outcome(os.link, 'readable', 'y'), 'EPERM' if protected else 'ok')
        os.link('theirs', 'z')
    as_user(USER, work)


@case
def many():
    make('file')
    for n in range(200):
        os.link('file', f'n{n}')
    equal(links('file'), 201)
    for n in range(200):
        os.unlink(f'n{n}')
    equal(links('file'), 1)


@case(needs='flags')
def protected():
    make('file')
    for flags in (FL_IMMUTABLE, FL_APPEND):
        with_flags('file', flags, lambda: fails('EPERM', os.link, 'file', 'x'))
    os.mkdir('d')
    with_flags('d', FL_IMMUTABLE, lambda: fails('EPERM', os.link, 'file', 'd/x'))
    with_flags('d', FL_APPEND, lambda: os.link('file', 'd/x'))
