"""symlink(2) and readlink(2)."""
import os
from frame import *


@case
def what_it_is():
    equal(changes(lambda: os.symlink('some/where', 'link'), '.'), 'mc')
    seen = os.lstat('link')
    equal((seen.st_mode, seen.st_size, seen.st_nlink), (0o120777, 10, 1))
    equal(os.readlink('link'), 'some/where')


@case
def any_target():
    for n, target in enumerate((b'/', b'.', b'a/../b//', b'\xff\x01 \n', b'x' * 4095, b'y' * 60, b'z' * 61)):
        os.symlink(target, f'l{n}')
        equal(os.readlink(f'l{n}'.encode()), target)
        equal(size_of(f'l{n}'), len(target))
    fails('ENAMETOOLONG', os.symlink, 'x' * 4096, 'long')
    fails('ENOENT', os.symlink, '', 'empty')


@case
def errors():
    make('file')
    os.mkdir('d')
    os.symlink('x', 'link')
    for name in ('file', 'd', 'link', '.'):
        fails('EEXIST', os.symlink, 'x', name)
    fails('ENOENT', os.symlink, 'x', 'missing/y')
    fails('ENOENT', os.symlink, 'x', 'y/')
    fails('ENOTDIR', os.symlink, 'x', 'file/y')
    fails('ENAMETOOLONG', os.symlink, 'x', 'n' * 256)
    fails('EINVAL', os.readlink, 'file')
    fails('EINVAL', os.readlink, 'd')
    fails('ENOENT', os.readlink, 'missing')


@case
def following():
    os.makedirs('d/inner')
    make('d/file', b'content')
    os.symlink('d', 'way')
    os.symlink('../file', 'd/inner/up')
    os.symlink(os.getcwd() + '/d/file', 'absolute')
    equal([read(name) for name in ('way/file', 'way/inner/up', 'absolute')], [b'content'] * 3)
    os.unlink('way')
    os.symlink('nowhere', 'way')
    fails('ENOENT', read, 'way/file')


@case
def owner_and_times():
    os.symlink('x', 'link')
    equal(changes(lambda: os.lchown('link', USER, TEAM), 'link'), 'c')
    equal((os.lstat('link').st_uid, os.lstat('link').st_gid), (USER, TEAM))
    os.utime('link', ns=(10 ** 18, 10 ** 18 + 5), follow_symlinks=False)
    equal((os.lstat('link').st_atime_ns, os.lstat('link').st_mtime_ns), (10 ** 18, 10 ** 18 + 5))


@case
def following_changes_the_time_of_access():
    make('file')
    os.symlink('file', 'link')
    equal(changes(lambda: os.stat('link'), 'link'), 'a')
    os.symlink('file', 'read')
    equal(changes(lambda: os.readlink('read'), 'read'), 'a')
