"""mkdir(2)."""
import os
from frame import *
from calls import mkdir


@case
def times_and_link_counts():
    os.mkdir('d')
    equal((links('.'), links('d')), (3, 2))
    equal(changes(lambda: os.mkdir('d/inner'), 'd', '.'), ('mc', ''))
    equal((links('.'), links('d'), links('d/inner')), (3, 3, 2))
    equal(os.stat('d/inner/..').st_ino, os.stat('d').st_ino)
    make('d/file')
    equal(links('d'), 3, 'a file adds no link')


@case
def errors():
    make('file')
    os.mkdir('d')
    os.symlink('nowhere', 'dangling')
    for name in ('file', 'd', 'dangling', '.', 'd/.', 'd/..', '/'):
        fails('EEXIST', os.mkdir, name)
    fails('ENOENT', os.mkdir, 'missing/x')
    fails('ENOENT', os.mkdir, '')
    fails('ENOTDIR', os.mkdir, 'file/x')
    fails('ENAMETOOLONG', os.mkdir, 'x' * 256)
    os.mkdir('x' * 255)
    os.mkdir('slash/')
    fails('EEXIST', os.mkdir, 'slash/')


@case
def modes():
    for umask, mode, wanted in ((0, 0o777, 0o777), (0o022, 0o777, 0o755), (0, 0o1777, 0o1777),
                                (0, 0o7777, 0o1777), (0o777, 0o777, 0)):
        os.umask(umask)
        mkdir(f'{umask:o}-{mode:o}', mode)
        equal(mode_of(f'{umask:o}-{mode:o}'), oct(wanted))


@case
def set_group_id_is_inherited():
    folder('d', 0o2777, gid=TEAM)

    def work():
        os.mkdir('d/inner', 0o755)
        equal((mode_of('d/inner'), os.stat('d/inner').st_gid), ('0o2755', TEAM))
        os.mkdir('d/inner/most')
        equal(os.stat('d/inner/most').st_gid, TEAM)
    as_user(USER, work)


@case
def needs_a_writable_folder():
    folder('closed', 0o755)

    def work():
        fails('EACCES', os.mkdir, 'closed/x')
        os.mkdir('mine', 0o700)
        os.mkdir('mine/x')
    as_user(USER, work)


@case
def two_hundred_levels():
    for _ in range(200):
        os.mkdir('d')
        os.chdir('d')
    for _ in range(200):
        os.chdir('..')
        equal(links('d'), 3 if os.listdir('d') else 2)


@case
def more_subfolders_than_a_byte_counts():
    for n in range(300):
        os.mkdir(f'd{n}')
    equal(links('.'), 302)
    for n in range(300):
        os.rmdir(f'd{n}')
    equal(links('.'), 2)
