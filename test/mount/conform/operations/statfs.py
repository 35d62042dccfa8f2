"""statfs(2)."""
import os
from frame import *


@case
def what_it_says():
    seen = os.statvfs('.')
    equal((seen.f_bsize, seen.f_frsize, seen.f_namemax), (4096, 4096, 255))
    true(seen.f_blocks >= seen.f_bfree >= seen.f_bavail > 0, 'space is free')
    true(seen.f_files >= seen.f_ffree > 0, 'inodes are free')
    true(seen.f_fsid != 0, 'it has an id')


@case
def for_any_file():
    make('file')
    os.mkdir('d')
    fd = os.open('file', os.O_RDONLY)
    wanted = os.statvfs('.').f_blocks
    for seen in (os.statvfs('file'), os.statvfs('d'), os.fstatvfs(fd)):
        true(abs(seen.f_blocks - wanted) < wanted / 10, 'the same size everywhere')
    fails('ENOENT', os.statvfs, 'missing')


@case
def space_is_taken():
    # Others may use the disk below at the same time.
    for n in range(10):
        before = os.statvfs('.').f_bfree
        make(f'file{n}', b'x' * 8_000_000)
        fd = os.open(f'file{n}', os.O_RDWR)
        os.fsync(fd)
        taken = before - os.statvfs('.').f_bfree
        os.truncate(f'file{n}', 0)
        if 1500 < taken < 6000:
            return
    raise Different(f'{taken} blocks of about 1954 are taken')


@case
def limits_by_pathconf():
    equal([os.pathconf('.', name) for name in ('PC_NAME_MAX', 'PC_PATH_MAX', 'PC_PIPE_BUF')], [255, 4096, 4096])
