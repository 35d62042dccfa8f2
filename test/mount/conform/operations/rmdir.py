"""rmdir(2)."""
import os
from frame import *
from calls import with_flags, FL_IMMUTABLE


@case
def times_and_link_counts():
    os.makedirs('d/inner')
    fd = os.open('d/inner', os.O_RDONLY)
    equal(changes(lambda: os.rmdir('d/inner'), 'd', fd), ('mc', 'c'))
    equal((links('d'), links(fd), links('.')), (2, 0, 3))


@case
def errors():
    make('file')
    os.makedirs('d/inner')
    os.symlink('d/inner', 'link')
    fails('ENOTEMPTY', os.rmdir, 'd')
    fails('ENOTDIR', os.rmdir, 'file')
    fails('ENOTDIR', os.rmdir, 'link')
    fails('ENOTDIR', os.rmdir, 'link/')
    fails('ENOENT', os.rmdir, 'missing')
    fails('EINVAL', os.rmdir, 'd/inner/.')
    fails('ENOTEMPTY', os.rmdir, 'd/inner/..')
    fails('ENAMETOOLONG', os.rmdir, 'x' * 256)
    os.rmdir('d/inner/')


@case
def a_folder_with_a_removed_but_open_file():
    os.mkdir('d')
    make('d/file', b'content')
    fd = os.open('d/file', os.O_RDWR)
    os.unlink('d/file')
    os.rmdir('d')
    equal(os.read(fd, 9), b'content')


@case
def a_working_directory():
    os.mkdir('d')
    os.chdir('d')
    os.rmdir('../d')
    fails('ENOENT', os.getcwd)
    equal(os.stat('.').st_nlink, 0)
    equal(os.listdir('.'), [])
    fails('ENOENT', os.open, 'x', os.O_CREAT | os.O_WRONLY)
    fails('ENOENT', os.listdir, '../d')
    os.chdir('..')
    equal(os.listdir('.'), [])


@case
def a_mount_point_is_busy():
    os.mkdir('d')
    fails('EBUSY', os.rmdir, '/proc')


@case
def permissions():
    folder('closed', 0o755)
    os.mkdir('closed/d')
    folder('sticky', 0o1777)
    folder('sticky/other', 0o777, OTHER)
    folder('sticky/mine', 0o777, USER)
    folder('own', 0o1777, USER)
    folder('own/other', 0o777, OTHER)

    def work():
        fails('EACCES', os.rmdir, 'closed/d')
        fails('EPERM', os.rmdir, 'sticky/other')
        os.rmdir('sticky/mine')
        os.rmdir('own/other')
    as_user(USER, work)


@case(needs='flags')
def protected():
    os.makedirs('d/inner')
    with_flags('d/inner', FL_IMMUTABLE, lambda: fails('EPERM', os.rmdir, 'd/inner'))
    with_flags('d', FL_IMMUTABLE, lambda: fails('EPERM', os.rmdir, 'd/inner'))
    os.rmdir('d/inner')
