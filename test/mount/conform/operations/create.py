"""open(2) that makes a file."""
import os
from frame import *
from calls import *

MAKE = os.O_WRONLY | os.O_CREAT
ONLY = MAKE | os.O_EXCL


def create(name, flags=MAKE, mode=0o666):
    os.close(os.open(name, flags, mode))


@case
def times_of_the_folder_and_the_file():
    os.mkdir('d')
    equal(changes(lambda: create('d/file'), 'd'), 'mc')
    seen = os.stat('d/file')
    equal(seen.st_atime_ns, seen.st_mtime_ns)
    equal(seen.st_mtime_ns, seen.st_ctime_ns)
    true(abs(seen.st_mtime_ns - os.stat('d').st_mtime_ns) < 5_000_000, 'file and folder: the same time')


@case
def what_it_is_then():
    create('file')
    seen = os.stat('file')
    equal((seen.st_size, seen.st_nlink, seen.st_blocks, seen.st_uid, seen.st_gid), (0, 1, 0, 0, 0))


@case
def umask_and_mode():
    for umask, mode, wanted in ((0, 0o777, 0o777), (0o022, 0o666, 0o644), (0o077, 0o777, 0o700),
                                (0o777, 0o777, 0), (0, 0o7777, 0o7777), (0, 0, 0)):
        os.umask(umask)
        name = f'{umask:o}-{mode:o}'
        create(name, MAKE, mode)
        equal(mode_of(name), oct(wanted), name)


@case
def without_permission_to_write_it_is_written_all_the_same():
    def work():
        fd = os.open('file', os.O_RDWR | os.O_CREAT, 0)
        os.write(fd, b'content')
        equal(os.pread(fd, 9, 0), b'content')
        fails('EACCES', os.open, 'file', os.O_RDONLY)
    as_user(USER, work)


@case
def exclusive():
    make('file')
    os.mkdir('d')
    os.symlink('missing', 'dangling')
    os.symlink('file', 'link')
    for name in ('file', 'd', 'dangling', 'link'):
        fails('EEXIST', os.open, name, ONLY)
    create('new', ONLY)
    fails('EEXIST', os.open, 'new', ONLY)


@case
def through_a_link_that_leads_nowhere():
    os.mkdir('d')
    os.symlink('d/target', 'link')
    create('link')
    true(os.path.exists('d/target'), 'the target is made')
    fails('ELOOP', os.open, 'link', MAKE | os.O_NOFOLLOW)


@case
def what_exists_is_opened():
    make('file', b'content', 0o604)
    equal(changes(lambda: create('file', MAKE, 0o777), 'file', '.'), ('', ''))
    equal((mode_of('file'), read('file')), ('0o604', b'content'))


@case
def owner_and_group():
    folder('plain', 0o777, gid=TEAM)
    folder('inheriting', 0o2777, gid=TEAM)

    def work():
        for where, wanted in (('plain', GROUP), ('inheriting', TEAM)):
            create(f'{where}/file')
            seen = os.stat(f'{where}/file')
            equal((seen.st_uid, seen.st_gid), (USER, wanted), where)
    as_user(USER, work)


@case
def set_group_id_of_one_who_is_not_of_the_group():
    folder('d', 0o2777, gid=TEAM)

    def work():
        create('d/file', MAKE, 0o2775)
        equal(mode_of('d/file'), '0o775', 'not a member')
        create('d/plain', MAKE, 0o2765)
        equal(mode_of('d/plain'), '0o2765', 'without execution by the group')
    as_user(USER, work)

    def member():
        create('d/member', MAKE, 0o2775)
        equal(mode_of('d/member'), '0o2775', 'a member')
    as_user(USER, member, groups=[TEAM])


@case
def needs_a_writable_folder():
    for mode in range(8):
        folder(f'd{mode}', mode)

    def work():
        for mode in range(8):
            wanted = 'ok' if mode & 3 == 3 else 'EACCES'
            equal(outcome(create, f'd{mode}/file'), wanted, str(mode))
    as_user(USER, work)


@case
def names_of_any_bytes():
    names = [bytes([n]) * 3 for n in range(1, 256) if n not in b'/.'] + [b'...', b' ', b'-', b'\xff' * 255]
    for name in names:
        create(name)
    equal(sorted(os.listdir(b'.')), sorted(names))


@case
def six_hundred_in_one_folder():
    names = [f'name-{n}' for n in range(600)]
    for name in names:
        create(name)
    equal(sorted(os.listdir('.')), sorted(names))
    for name in names[::2]:
        os.unlink(name)
    equal(sorted(os.listdir('.')), sorted(names[1::2]))
