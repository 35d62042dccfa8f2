"""Extended attributes."""
import os
from frame import *
from calls import *


def listed(name):
    """Without what says that a file is atomic."""
    return sorted(name for name in os.listxattr(name) if not name.startswith('user.atomic'))


@case
def set_get_list_remove():
    make('file')
    os.mkdir('d')
    for name in ('file', 'd'):
        equal(listed(name), [])
        equal(changes(lambda: os.setxattr(name, 'user.one', b'1'), name), 'c')
        equal(changes(lambda: os.setxattr(name, 'user.one', b'\0\xff' * 50), name), 'c')
        os.setxattr(name, 'user.two', b'')
        os.setxattr(name, 'trusted.three', b'3')
        equal(listed(name), ['trusted.three', 'user.one', 'user.two'])
        equal((os.getxattr(name, 'user.one'), os.getxattr(name, 'user.two')), (b'\0\xff' * 50, b''))
        equal(changes(lambda: os.getxattr(name, 'user.one'), name), '')
        equal(changes(lambda: os.removexattr(name, 'user.one'), name), 'c')
        fails('ENODATA', os.getxattr, name, 'user.one')
        fails('ENODATA', os.removexattr, name, 'user.one')


@case
def create_and_replace():
    make('file')
    fails('ENODATA', os.setxattr, 'file', 'user.x', b'1', os.XATTR_REPLACE)
    os.setxattr('file', 'user.x', b'1', os.XATTR_CREATE)
    fails('EEXIST', os.setxattr, 'file', 'user.x', b'2', os.XATTR_CREATE)
    os.setxattr('file', 'user.x', b'3', os.XATTR_REPLACE)
    equal(os.getxattr('file', 'user.x'), b'3')
    fails('EINVAL', os.setxattr, 'file', 'user.x', b'3', 8)


@case
def names():
    make('file')
    os.setxattr('file', 'user.' + 'x' * 250, b'1')
    fails('ERANGE', os.setxattr, 'file', 'user.' + 'x' * 251, b'1')
    fails('ERANGE', os.setxattr, 'file', '', b'1')
    fails('EOPNOTSUPP', os.setxattr, 'file', 'noname', b'1')
    fails('EOPNOTSUPP', os.setxattr, 'file', 'other.name', b'1')
    fails('EOPNOTSUPP', os.getxattr, 'file', 'other.name')
    fails('EINVAL', os.setxattr, 'file', 'user.', b'1')
    os.setxattr('file', b'user.\xff\xfe', b'1')
    true('user.\udcff\udcfe' in os.listxattr('file'), 'names are bytes')


@case
def a_value_of_three_thousand_bytes():
    make('file')
    os.setxattr('file', 'user.large', b'x' * 3000)
    equal(os.getxattr('file', 'user.large'), b'x' * 3000)


@case
def too_large():
    make('file')
    fails('E2BIG', os.setxattr, 'file', 'user.x', b'x' * 65537)


@case
def buffers_that_are_too_small():
    make('file')
    os.setxattr('file', 'user.name', b'x' * 100)
    buffer = ctypes.create_string_buffer(99)
    equal(call('getxattr', b'file', b'user.name', None, 0), 100)
    fails('ERANGE', call, 'getxattr', b'file', b'user.name', buffer, 99)
    size = sum(len(name) + 1 for name in os.listxattr('file'))
    equal(call('listxattr', b'file', None, 0), size)
    fails('ERANGE', call, 'listxattr', b'file', buffer, size - 1)


@case
def who_may():
    make('mine', mode=0o600, uid=USER)
    make('other', mode=0o644)
    os.setxattr('mine', 'trusted.x', b'1')
    os.setxattr('mine', 'security.x', b'1')
    os.setxattr('other', 'user.x', b'1')
    folder('sticky', 0o1777)
    folder('open', 0o777)

    def work():
        os.setxattr('mine', 'user.y', b'1')
        equal(os.getxattr('other', 'user.x'), b'1')
        fails('EACCES', os.setxattr, 'other', 'user.x', b'2')
        fails('EPERM', os.setxattr, 'mine', 'trusted.y', b'1')
        fails('ENODATA', os.getxattr, 'mine', 'trusted.x')
        equal(os.getxattr('mine', 'security.x'), b'1')
        fails('EPERM', os.setxattr, 'mine', 'security.x', b'1')
        fails('EPERM', os.setxattr, 'sticky', 'user.x', b'1')
        os.setxattr('open', 'user.x', b'1')
        true('trusted.x' not in os.listxattr('mine'), 'trusted names are not shown')
    as_user(USER, work)


@case
def files_that_may_have_none():
    os.symlink('x', 'link')
    os.mkfifo('pipe')
    for name in ('link', 'pipe'):
        fails('EPERM', os.setxattr, name, 'user.x', b'1', follow_symlinks=False)
        os.setxattr(name, 'trusted.x', b'1', follow_symlinks=False)
        equal(os.getxattr(name, 'trusted.x', follow_symlinks=False), b'1')


@case
def they_belong_to_the_file():
    make('file')
    os.setxattr('file', 'user.x', b'1')
    os.link('file', 'link')
    os.rename('file', 'new')
    equal((os.getxattr('link', 'user.x'), os.getxattr('new', 'user.x')), (b'1', b'1'))
    make('other')
    os.rename('other', 'new')
    fails('ENODATA', os.getxattr, 'new', 'user.x')
    fd = os.open('link', os.O_RDONLY)
    os.setxattr(fd, 'user.y', b'2')
    equal(listed(fd), ['user.x', 'user.y'])


@case
def many():
    make('file')
    wanted = {f'user.n{n}': b'%d' % n * 3 for n in range(60)}
    for name, value in wanted.items():
        os.setxattr('file', name, value)
    equal({name: os.getxattr('file', name) for name in listed('file')}, wanted)


@case(needs='flags')
def protected():
    make('file')
    os.setxattr('file', 'user.x', b'1')
    for flags in (FL_IMMUTABLE, FL_APPEND):
        with_flags('file', flags, lambda: fails('EPERM', os.setxattr, 'file', 'user.x', b'2'))
        with_flags('file', flags, lambda: fails('EPERM', os.removexattr, 'file', 'user.x'))
