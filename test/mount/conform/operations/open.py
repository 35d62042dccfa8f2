"""open(2) of what exists."""
import os, shutil, socket, subprocess
from frame import *
from calls import *

READ, WRITE = os.O_RDONLY, os.O_WRONLY
LONG = 'x' * 255


def opened(*arguments):
    os.close(os.open(*arguments))


@case
def what_is_not_there():
    make('file')
    fails('ENOENT', os.open, 'missing', READ)
    fails('ENOENT', os.open, '', READ)
    fails('ENOENT', os.open, 'missing/name', READ | os.O_CREAT)
    fails('ENOTDIR', os.open, 'file/name', READ | os.O_CREAT)
    fails('ENOTDIR', os.open, 'file/', READ)
    fails('EISDIR', os.open, 'missing/', WRITE | os.O_CREAT)


@case
def long_names():
    make(LONG)
    opened(LONG, READ)
    fails('ENAMETOOLONG', os.open, LONG + 'x', READ)
    fails('ENAMETOOLONG', os.open, LONG + 'x', WRITE | os.O_CREAT)
    fails('ENAMETOOLONG', os.open, './' * 2048 + 'x', READ)
    opened('./' * 1900 + LONG, READ)


@case
def loops_of_links():
    os.symlink('b', 'a')
    os.symlink('a', 'b')
    os.symlink('self/x', 'self')
    for name in ('a', 'b/x', 'self'):
        fails('ELOOP', os.open, name, READ)
        fails('ELOOP', os.open, name, WRITE | os.O_CREAT)


@case
def forty_links_and_no_more():
    make('l0')
    for n in range(41):
        os.symlink(f'l{n}', f'l{n + 1}')
    opened('l40', READ)
    fails('ELOOP', os.open, 'l41', READ)


@case
def folders():
    os.mkdir('folder')
    make('file')
    opened('folder', READ)
    opened('folder', READ | os.O_DIRECTORY)
    fails('ENOTDIR', os.open, 'file', READ | os.O_DIRECTORY)
    fails('EISDIR', os.open, 'folder', WRITE)
    fails('EISDIR', os.open, 'folder', os.O_RDWR)
    fails('EISDIR', os.open, 'folder', READ | os.O_TRUNC)
    fails('EISDIR', os.open, 'folder', READ | os.O_CREAT)
    fails('EINVAL', os.open, 'folder', READ | os.O_CREAT | os.O_DIRECTORY)
    fd = os.open('folder', READ)
    fails('EISDIR', os.read, fd, 10)


@case
def links_that_are_not_followed():
    make('file')
    os.mkdir('folder')
    os.symlink('file', 'link')
    os.symlink('folder', 'way')
    fails('ELOOP', os.open, 'link', READ | os.O_NOFOLLOW)
    fails('ENOTDIR', os.open, 'way', READ | os.O_NOFOLLOW | os.O_DIRECTORY)
    opened('way/', READ | os.O_NOFOLLOW)
    opened('way/.', READ | os.O_NOFOLLOW)


@case
def permissions():
    for mode in range(8):
        make(f'own{mode}', mode=mode << 6, uid=USER)
        make(f'group{mode}', mode=mode << 3, gid=TEAM)
        make(f'other{mode}', mode=mode)

    def look():
        for mode in range(8):
            for kind in ('own', 'group', 'other'):
                for flags, needed in ((READ, 4), (WRITE, 2), (os.O_RDWR, 6), (WRITE | os.O_TRUNC, 2)):
                    wanted = 'ok' if mode & needed == needed else 'EACCES'
                    equal(outcome(opened, f'{kind}{mode}', flags), wanted, f'{kind}{mode} {flags:#o}')
    as_user(USER, look, groups=[TEAM])


@case
def folders_must_be_searchable():
    for mode in range(8):
        folder(f'd{mode}', 0o777)
        make(f'd{mode}/file', mode=0o666)
        os.chmod(f'd{mode}', mode)

    def look():
        for mode in range(8):
            wanted = 'ok' if mode & 1 else 'EACCES'
            equal(outcome(opened, f'd{mode}/file', READ), wanted, str(mode))
            equal(outcome(opened, f'd{mode}', READ), 'ok' if mode & 4 else 'EACCES', str(mode))
    as_user(USER, look)


@case
def truncating():
    make('file', b'content')
    equal(changes(lambda: opened('file', WRITE | os.O_TRUNC), 'file'), 'mc')
    equal(size_of('file'), 0)
    equal(changes(lambda: opened('file', WRITE | os.O_TRUNC), 'file'), 'mc', 'when it is empty already')


@case
def truncating_while_opening_for_reading():
    make('file', b'content')
    opened('file', READ | os.O_TRUNC)
    equal(size_of('file'), 0)


@case
def opening_changes_no_times():
    make('file', b'content')
    for flags in (WRITE, WRITE | os.O_APPEND, WRITE | os.O_CREAT, os.O_RDWR | os.O_NOATIME):
        equal(changes(lambda: opened('file', flags), 'file', '.'), ('', ''), oct(flags))


@case
def opening_for_reading_changes_no_times():
    make('file', b'content')
    equal(changes(lambda: opened('file', READ), 'file', '.'), ('', ''))


@case
def closing_changes_no_times():
    make('file', b'content')
    for flags in (READ, WRITE, os.O_RDWR):
        fd = os.open('file', flags)
        equal(changes(lambda: os.close(fd), 'file', '.'), ('', ''), oct(flags))


@case
def reading_changes_the_time_of_access():
    make('file', b'content')
    equal(changes(lambda: read('file'), 'file'), 'a')
    equal(changes(lambda: read('file'), 'file'), '', 'relatime')


@case
def reading_without_a_time_of_access():
    make('mine', b'content', uid=USER)
    make('other', b'content')

    def look():
        fd = os.open('mine', READ | os.O_NOATIME)
        equal(changes(lambda: os.read(fd, 10), 'mine'), '')
        fails('EPERM', os.open, 'other', READ | os.O_NOATIME)
    as_user(USER, look)


@case
def a_running_program_is_not_written():
    shutil.copy('/bin/sleep', 'program')
    os.chmod('program', 0o755)
    running = subprocess.Popen(['./program', '60'])
    time.sleep(0.05)
    try:
        fails('ETXTBSY', os.open, 'program', WRITE)
        fails('ETXTBSY', os.truncate, 'program', 0)
        opened('program', READ)
    finally:
        running.kill()
        running.wait()
    opened('program', WRITE)


@case
def a_file_open_for_writing_is_not_run():
    shutil.copy('/bin/true', 'program')
    os.chmod('program', 0o755)
    fd = os.open('program', WRITE)
    fails('ETXTBSY', subprocess.run, ['./program'])
    os.close(fd)
    equal(subprocess.run(['./program']).returncode, 0)


@case
def programs_and_scripts_run():
    make('script', b'#!/bin/sh\nexit 7\n', 0o755)
    equal(subprocess.run(['./script']).returncode, 7)
    os.chmod('script', 0o644)
    fails('EACCES', subprocess.run, ['./script'])


@case
def special_files():
    os.mkfifo('pipe')
    os.mknod('null', 0o666 | 0o020000, os.makedev(1, 3))
    server = socket.socket(socket.AF_UNIX)
    server.bind('socket')
    fails('ENXIO', os.open, 'socket', READ)
    fails('ENXIO', os.open, 'pipe', WRITE | os.O_NONBLOCK)
    reading = os.open('pipe', READ | os.O_NONBLOCK)
    writing = os.open('pipe', WRITE | os.O_NONBLOCK)
    os.write(writing, b'x')
    equal(os.read(reading, 9), b'x')
    fd = os.open('null', os.O_RDWR)
    equal((os.write(fd, b'lost'), os.read(fd, 9)), (4, b''))


@case
def a_socket_is_connected_by_its_name():
    server = socket.socket(socket.AF_UNIX)
    server.bind('socket')
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect('socket')
    client.send(b'hello')
    equal(server.accept()[0].recv(9), b'hello')
    fails('EADDRINUSE', socket.socket(socket.AF_UNIX).bind, 'socket')


@case
def once_more_through_proc():
    make('file', b'content')
    fd = os.open('file', READ)
    os.unlink('file')
    again = os.open(f'/proc/self/fd/{fd}', os.O_RDWR)
    equal(os.write(again, b'CON'), 3)
    equal(os.pread(fd, 9, 0), b'CONtent')
    equal(links(fd), 0)
    true(os.readlink(f'/proc/self/fd/{fd}').endswith('/file (deleted)'), 'the link says deleted')


@case
def o_path():
    make('file', b'content', 0o600)
    os.mkdir('folder')
    make('folder/inner')
    os.symlink('file', 'link')
    os.mkfifo('pipe')

    def look():
        fd = os.open('file', os.O_PATH)
        equal(size_of(fd), 7)
        for call_ in (lambda: os.read(fd, 1), lambda: os.write(fd, b'x'), lambda: os.fchmod(fd, 0o644),
                      lambda: os.ftruncate(fd, 0), lambda: os.fsync(fd)):
            equal(outcome(call_), 'EBADF')
        equal(outcome(os.open, f'/proc/self/fd/{fd}', READ), 'EACCES')
        place = os.open('folder', os.O_PATH)
        fails('EBADF', os.listdir, place)
        os.chdir(place)
        opened('inner', READ)
    as_user(USER, look)
    link = os.open('link', os.O_PATH | os.O_NOFOLLOW)
    equal(os.readlink('', dir_fd=link), 'file')
    opened('pipe', os.O_PATH)


@case
def a_folder_that_was_removed():
    os.mkdir('gone')
    fd = os.open('gone', READ)
    os.rmdir('gone')
    equal(links(fd), 0)
    fails('ENOENT', os.open, 'new', WRITE | os.O_CREAT, dir_fd=fd)
    equal(os.listdir(fd), [])
    os.chdir(fd)
    fails('ENOENT', os.getcwd)
    fails('ENOENT', os.mkdir, 'x')
    fails('ENOENT', os.symlink, 'x', 'y')


@case
def openat_through_a_moved_folder():
    os.makedirs('a/b')
    os.mkdir('c')
    fd = os.open('a/b', READ)
    os.rename('a/b', 'c/d')
    make('c/outer')
    os.close(os.open('../outer', READ, dir_fd=fd))
    fails('ENOENT', os.open, '../../a/b', READ, dir_fd=fd)
