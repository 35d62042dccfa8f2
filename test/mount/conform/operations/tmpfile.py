"""O_TMPFILE, and giving such a file a name."""
import os
from frame import *
from calls import *

UNNAMED = os.O_RDWR | os.O_TMPFILE


@case(needs='unnamed files')
def without_a_name():
    equal(changes(lambda: os.open('.', UNNAMED, 0o640), '.'), '')
    fd = os.open('.', UNNAMED, 0o640)
    os.write(fd, b'content')
    seen = os.fstat(fd)
    equal((seen.st_nlink, seen.st_size, oct(seen.st_mode)), (0, 7, '0o100640'))
    equal(os.listdir('.'), [])


@case(needs='unnamed files')
def it_gets_a_name():
    os.mkdir('d')
    fd = os.open('.', UNNAMED, 0o640)
    os.write(fd, b'content')
    equal(changes(lambda: link_descriptor(fd, 'd/name'), 'd', fd), ('mc', 'c'))
    linkat(fd, '', 'second', AT_EMPTY_PATH)
    equal((read('d/name'), links(fd)), (b'content', 2))
    os.write(fd, b'+')
    equal(read('second'), b'content+')
    fails('EEXIST', link_descriptor, fd, 'second')


@case(needs='unnamed files')
def not_if_it_is_exclusive():
    fd = os.open('.', UNNAMED | os.O_EXCL, 0o600)
    fails('ENOENT', link_descriptor, fd, 'name')


@case(needs='unnamed files')
def not_again_once_its_name_is_gone():
    fd = os.open('.', UNNAMED, 0o600)
    link_descriptor(fd, 'name')
    os.unlink('name')
    fails('ENOENT', link_descriptor, fd, 'again')


@case(needs='unnamed files')
def errors():
    make('file')
    fails('EINVAL', os.open, '.', os.O_RDONLY | os.O_TMPFILE, 0o600)
    fails('ENOTDIR', os.open, 'file', UNNAMED, 0o600)
    fails('ENOENT', os.open, 'missing', UNNAMED, 0o600)
    folder('closed', 0o755)
    as_user(USER, lambda: fails('EACCES', os.open, 'closed', UNNAMED, 0o600))


@case(needs='unnamed files')
def umask_owner_and_group():
    folder('d', 0o2777, gid=TEAM)

    def work():
        os.umask(0o027)
        fd = os.open('d', UNNAMED, 0o666)
        seen = os.fstat(fd)
        equal((oct(seen.st_mode), seen.st_uid, seen.st_gid), ('0o100640', USER, TEAM))
    as_user(USER, work)


@case(needs='unnamed files')
def in_a_folder_that_is_removed():
    os.mkdir('d')
    fd = os.open('d', UNNAMED, 0o600)
    os.rmdir('d')
    os.write(fd, b'content')
    link_descriptor(fd, 'name')
    equal(read('name'), b'content')
