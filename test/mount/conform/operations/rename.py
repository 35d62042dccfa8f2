"""rename(2) and renameat2(2)."""
import os
from frame import *
from calls import *


@case
def times():
    for name in ('a', 'b'):
        os.mkdir(name)
    make('a/file')
    equal(changes(lambda: os.rename('a/file', 'b/file'), 'a', 'b'), ('mc', 'mc'))
    fd = os.open('b/file', os.O_RDONLY)
    equal(changes(lambda: os.rename('b/file', 'b/new'), 'b', fd), ('mc', 'c'))
    os.mkdir('a/d')
    fd = os.open('a/d', os.O_RDONLY)
    equal(changes(lambda: os.rename('a/d', 'b/d'), 'a', 'b', fd), ('mc', 'mc', 'c'), 'a folder')


@case
def the_replaced_file_loses_a_link():
    make('old', b'old')
    make('new', b'new')
    os.link('old', 'kept')
    equal(changes(lambda: os.rename('new', 'old'), 'kept'), 'c')
    equal((read('old'), read('kept'), links('kept'), links('old')), (b'new', b'old', 1, 1))


@case
def a_replaced_file_that_is_open():
    make('old', b'old')
    make('new', b'new')
    fd = os.open('old', os.O_RDWR)
    os.rename('new', 'old')
    equal((os.read(fd, 9), links(fd)), (b'old', 0))
    os.write(fd, b'more')
    equal((os.pread(fd, 9, 0), read('old')), (b'oldmore', b'new'))


@case
def two_names_of_one_file():
    make('a')
    os.link('a', 'b')
    equal(changes(lambda: os.rename('a', 'b'), 'a', '.'), ('', ''))
    equal(sorted(os.listdir('.')), ['a', 'b'])
    os.rename('a', 'a')
    equal(links('a'), 2)


@case
def errors():
    make('file')
    os.makedirs('d/inner')
    os.mkdir('empty')
    os.symlink('file', 'link')
    fails('ENOENT', os.rename, 'missing', 'x')
    fails('ENOENT', os.rename, 'missing', 'file')
    fails('ENOENT', os.rename, 'file', 'missing/x')
    fails('ENOENT', os.rename, 'file', '')
    fails('ENOTDIR', os.rename, 'file', 'file/x')
    fails('ENOTDIR', os.rename, 'file/x', 'y')
    fails('ENOTDIR', os.rename, 'd', 'file')
    fails('ENOTDIR', os.rename, 'd', 'link')
    fails('EISDIR', os.rename, 'file', 'd')
    fails('EISDIR', os.rename, 'file', 'empty')
    fails('ENOTEMPTY', os.rename, 'empty', 'd')
    fails('ENAMETOOLONG', os.rename, 'file', 'x' * 256)
    fails('ENAMETOOLONG', os.rename, 'x' * 256, 'file')
    fails('ENOTDIR', os.rename, 'file', 'new/')
    fails('EBUSY', os.rename, 'd/.', 'x')
    fails('EBUSY', os.rename, 'd/inner/..', 'x')
    fails('EXDEV', os.rename, 'file', '/dev/shm/oatomic-conform')
    os.rename('file', 'x' * 255)


@case
def a_folder_into_itself():
    os.makedirs('a/b/c')
    fails('EINVAL', os.rename, 'a', 'a/x')
    fails('EINVAL', os.rename, 'a', 'a/b/c/x')
    fails('EINVAL', os.rename, 'a', 'a/b')
    fails('ENOTEMPTY', os.rename, 'a/b/c', 'a')
    fails('ENOTEMPTY', os.rename, 'a/b', 'a')
    os.rename('a', 'a')


@case
def link_counts_and_dot_dot():
    os.makedirs('a/moved/inner')
    os.mkdir('b')
    fd = os.open('a/moved', os.O_RDONLY)
    os.chdir('a/moved/inner')
    os.rename('../../moved', '../../../b/new')
    equal(os.stat('../..').st_ino, os.stat('../../../b').st_ino)
    os.chdir('../../..')
    equal((links('a'), links('b'), links('b/new')), (2, 3, 3))
    equal(os.stat('..', dir_fd=fd).st_ino, os.stat('b').st_ino)
    true(os.readlink(f'/proc/self/fd/{fd}').endswith('/b/new'), 'the path of an open folder follows')
    equal([entry.ino for entry in list_entries('b/new') if entry.name == b'..'], [os.stat('b').st_ino])


def list_entries(name):
    directory = Directory(name)
    entries = []
    while (entry := directory.next()) is not None:
        entries.append(Entry.from_buffer_copy(entry))
    return entries


@case
def an_empty_folder_is_replaced():
    os.makedirs('a/inner')
    os.mkdir('b')
    fd = os.open('b', os.O_RDONLY)
    equal(changes(lambda: os.rename('a', 'b'), '.', fd), ('mc', 'c'))
    equal((links('.'), links(fd), os.listdir('b')), (3, 0, ['inner']))
    fails('ENOENT', os.stat, 'a')
    fails('ENOENT', os.mkdir, 'x', dir_fd=fd)


@case
def links_are_moved_and_not_followed():
    make('file')
    os.symlink('file', 'link')
    os.symlink('missing', 'target')
    os.rename('link', 'target')
    equal(os.readlink('target'), 'file')
    make('other')
    os.rename('other', 'target')
    true(not os.path.islink('target') and os.path.exists('file'), 'the link itself is replaced')


@case
def folders_with_a_slash():
    os.mkdir('d')
    os.rename('d/', 'e/')
    os.symlink('e', 'link')
    fails('ENOTDIR', os.rename, 'link/', 'f')
    os.rename('e', 'f/')
    equal(sorted(os.listdir('.')), ['f', 'link'])


@case
def permissions():
    folder('closed', 0o755)
    make('closed/file', uid=USER)
    folder('open', 0o777)
    make('open/file', mode=0)
    folder('open/d', 0o755)
    folder('open/mine', 0o755, USER)

    def work():
        fails('EACCES', os.rename, 'closed/file', 'open/x')
        fails('EACCES', os.rename, 'open/file', 'closed/x')
        fails('EACCES', os.rename, 'open/file', 'closed/file')
        os.rename('open/file', 'open/new')
        os.rename('open/d', 'open/e')
        fails('EACCES', os.rename, 'open/e', 'e')
        os.rename('open/mine', 'mine')
    as_user(USER, work)


@case
def sticky_folders():
    folder('sticky', 0o1777)
    make('sticky/other', uid=OTHER)
    make('sticky/mine', uid=USER)
    make('sticky/second', uid=USER)
    folder('free', 0o777)

    def work():
        fails('EPERM', os.rename, 'sticky/other', 'free/x')
        fails('EPERM', os.rename, 'sticky/mine', 'sticky/other')
        os.rename('sticky/mine', 'sticky/second')
        os.rename('sticky/second', 'free/x')
        fails('EPERM', renameat2, 'free/x', 'sticky/other', RENAME_EXCHANGE)
    as_user(USER, work)


@case(needs='rename flags')
def without_replacing():
    make('a', b'a')
    make('b', b'b')
    os.symlink('missing', 'link')
    fails('EEXIST', renameat2, 'a', 'b', RENAME_NOREPLACE)
    fails('EEXIST', renameat2, 'a', 'link', RENAME_NOREPLACE)
    fails('EEXIST', renameat2, 'a', 'a', RENAME_NOREPLACE)
    fails('ENOENT', renameat2, 'missing', 'x', RENAME_NOREPLACE)
    equal(changes(lambda: renameat2('a', 'c', RENAME_NOREPLACE), '.'), 'mc')
    equal(sorted(os.listdir('.')), ['b', 'c', 'link'])


@case(needs='rename flags')
def exchanging():
    os.makedirs('a/inner')
    os.mkdir('b')
    make('b/file', b'file')
    fd = os.open('a/inner', os.O_RDONLY)
    equal(changes(lambda: renameat2('a/inner', 'b/file', RENAME_EXCHANGE), 'a', 'b', fd), ('mc', 'mc', 'c'))
    equal((links('a'), links('b'), read('a/inner')), (2, 3, b'file'))
    equal(os.stat('b/file/..').st_ino, os.stat('b').st_ino)
    fails('ENOENT', renameat2, 'a', 'missing', RENAME_EXCHANGE)
    fails('EINVAL', renameat2, 'b', 'b/file', RENAME_EXCHANGE)
    fails('EINVAL', renameat2, 'b/file', 'b', RENAME_EXCHANGE)
    renameat2('a', 'a', RENAME_EXCHANGE)


@case(needs='rename flags')
def exchanging_in_one_folder():
    make('a', b'a')
    make('b', b'b')
    fd, other = os.open('a', os.O_RDONLY), os.open('b', os.O_RDONLY)
    equal(changes(lambda: renameat2('a', 'b', RENAME_EXCHANGE), fd, other, '.'), ('c', 'c', 'mc'))
    equal((read('a'), read('b')), (b'b', b'a'))


@case
def flags_that_nobody_knows():
    make('a')
    make('b')
    fails('EINVAL', renameat2, 'a', 'b', 0x100)
    fails('EINVAL', renameat2, 'a', 'b', RENAME_NOREPLACE | RENAME_EXCHANGE)
    fails('EINVAL', renameat2, 'a', 'b', RENAME_WHITEOUT | RENAME_EXCHANGE)


@case(needs='rename flags')
def a_whiteout_is_left():
    make('a', b'a')
    renameat2('a', 'b', RENAME_WHITEOUT)
    seen = os.stat('a')
    equal((seen.st_mode & 0o170000, seen.st_rdev), (0o020000, 0))
    equal(read('b'), b'a')


@case(needs='flags')
def protected():
    os.mkdir('d')
    os.mkdir('e')
    make('d/a')
    make('e/b')
    for flags in (FL_IMMUTABLE, FL_APPEND):
        with_flags('d/a', flags, lambda: fails('EPERM', os.rename, 'd/a', 'd/x'))
        with_flags('d', flags, lambda: fails('EPERM', os.rename, 'd/a', 'e/x'))
        with_flags('e/b', flags, lambda: fails('EPERM', os.rename, 'd/a', 'e/b'))
    with_flags('e', FL_IMMUTABLE, lambda: fails('EPERM', os.rename, 'd/a', 'e/x'))
    with_flags('e', FL_APPEND, lambda: os.rename('d/a', 'e/x'))


@case
def content_goes_with_the_name():
    make('file', b'old')
    fd = os.open('new', os.O_RDWR | os.O_CREAT)
    os.write(fd, b'x' * 100_000)
    os.rename('new', 'file')
    os.write(fd, b'end')
    equal((size_of('file'), read('file')[-4:]), (100_003, b'xend'))
