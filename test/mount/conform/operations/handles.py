"""name_to_handle_at(2) and open_by_handle_at(2)."""
import os
from frame import *
from calls import *


@case(needs='file handles')
def a_handle_opens_its_file():
    os.mkdir('d')
    make('d/file', b'content')
    handle = name_to_handle('d/file')
    os.rename('d/file', 'moved')
    equal(os.read(open_by_handle(handle), 9), b'content')
    fd = open_by_handle(handle, os.O_RDWR)
    os.write(fd, b'C')
    equal(read('moved'), b'Content')


@case(needs='file handles')
def of_a_folder():
    os.makedirs('a/b')
    make('a/b/file')
    fd = open_by_handle(name_to_handle('a/b'))
    equal(os.listdir(fd), ['file'])
    equal(os.stat('..', dir_fd=fd).st_ino, os.stat('a').st_ino)
    true(os.readlink(f'/proc/self/fd/{fd}').endswith('/a/b'), 'its path is known')


@case(needs='file handles')
def the_same_file_has_the_same_handle():
    make('file')
    os.link('file', 'link')
    make('other')
    one, two, three = (bytes(name_to_handle(name)) for name in ('file', 'link', 'other'))
    true(one == two and one != three, 'handles tell files apart')


@case(needs='file handles')
def a_removed_file_is_stale():
    make('file')
    handle = name_to_handle('file')
    os.unlink('file')
    for _ in range(100):
        found = outcome(lambda: os.close(open_by_handle(handle)))
        if found != 'ok':
            break
        time.sleep(0.01)
    equal(found, 'ESTALE')


@case(needs='file handles')
def a_removed_but_open_file_is_found():
    make('file', b'content')
    handle = name_to_handle('file')
    fd = os.open('file', os.O_RDONLY)
    os.unlink('file')
    equal(os.read(open_by_handle(handle), 9), b'content')
    os.close(fd)


@case(needs='file handles')
def errors():
    make('file')
    handle = name_to_handle('file')
    fails('ENOENT', name_to_handle, 'missing')
    as_user(USER, lambda: fails('EPERM', open_by_handle, handle))
    handle.type = 0x70
    fails('ESTALE', open_by_handle, handle)
