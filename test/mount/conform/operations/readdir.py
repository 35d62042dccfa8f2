"""readdir(3), telldir(3), seekdir(3) and rewinddir(3)."""
import os
from frame import *
from calls import Directory

KINDS = {1: 'pipe', 4: 'folder', 8: 'file', 10: 'link'}


@case
def names_numbers_and_types():
    make('a')
    os.mkdir('b')
    os.symlink('x', 'c')
    os.mkfifo('d')
    directory = Directory('.')
    seen = {}
    while (entry := directory.next()) is not None:
        seen[entry.name.decode()] = (entry.ino, KINDS.get(entry.type))
    directory.close()
    number = lambda name: os.lstat(name).st_ino
    equal(seen, {'.': (number('.'), 'folder'), '..': (number('..'), 'folder'), 'a': (number('a'), 'file'),
                 'b': (number('b'), 'folder'), 'c': (number('c'), 'link'), 'd': (number('d'), 'pipe')})


@case
def an_empty_folder():
    os.mkdir('d')
    directory = Directory('d')
    equal(sorted(directory.rest()), [b'.', b'..'])
    equal(directory.rest(), [], 'the end is the end')


@case
def places_can_be_come_back_to():
    for n in range(300):
        make(f'f{n}')
    directory = Directory('.')
    places = []
    while True:
        place = directory.tell()
        entry = directory.next()
        if entry is None:
            break
        places.append((place, entry.name))
    for n in (250, 3, 120, 299, 0, 150):
        directory.seek(places[n][0])
        equal(directory.next().name, places[n][1])
        equal(directory.tell(), places[n + 1][0])
    directory.seek(places[280][0])
    equal(directory.rest(), [name for _, name in places[280:]])


@case
def a_place_while_names_come_and_go():
    names = {f'f{n}'.encode() for n in range(300)}
    for name in names:
        make(name)
    directory = Directory('.')
    first = [directory.next().name for _ in range(150)]
    place = directory.tell()
    for n in range(300, 400):
        make(f'f{n}')
    removed = set(list(names - set(first))[::2])
    for name in removed:
        os.unlink(name)
    directory.seek(place)
    rest = directory.rest()
    equal(len(rest), len(set(rest)), 'no name twice')
    equal(set(first) & set(rest), set(), 'none from before the place')
    true(names - removed <= set(first) | set(rest), 'all that stayed are seen')


@case
def from_the_beginning_again():
    make('a')
    directory = Directory('.')
    equal(sorted(directory.rest()), [b'.', b'..', b'a'])
    make('b')
    os.unlink('a')
    directory.rewind()
    equal(sorted(directory.rest()), [b'.', b'..', b'b'])


@case
def what_is_made_after_the_listing_began_may_be_missing_but_not_what_was_there():
    for n in range(600):
        make(f'f{n}')
    seen = []
    with os.scandir('.') as entries:
        for entry in entries:
            seen.append(entry.name)
            if len(seen) % 50 == 0:
                make(f'new{len(seen)}')
                os.rename(entry.name, entry.name + '-moved')
    old = {name.removesuffix('-moved') for name in seen if name.startswith('f')}
    equal(len(old), 600)


@case
def times():
    os.mkdir('d')
    make('d/file')
    equal(changes(lambda: os.listdir('d'), 'd'), 'a')
    equal(changes(lambda: os.listdir('d'), 'd'), '', 'relatime')


@case
def permissions():
    folder('d', 0o333)
    make('d/file', b'content')

    def look():
        fails('EACCES', os.listdir, 'd')
        equal(read('d/file'), b'content')
    as_user(USER, look)
    os.chmod('d', 0o444)

    def names_only():
        equal(os.listdir('d'), ['file'])
        fails('EACCES', os.stat, 'd/file')
    as_user(USER, names_only)


@case
def through_a_descriptor_that_others_use_too():
    for n in range(10):
        make(f'f{n}')
    fd = os.open('.', os.O_RDONLY)
    equal(len(os.listdir(fd)), 10)
    equal(len(os.listdir(fd)), 10)
    fails('ENOTDIR', os.listdir, os.open('f1', os.O_RDONLY))


@case
def long_names_fill_many_buffers():
    names = {f'{n:03}' + 'x' * 252 for n in range(150)}
    for name in names:
        make(name)
    equal(set(os.listdir('.')), names)


@case
def a_removed_folder():
    os.mkdir('d')
    fd = os.open('d', os.O_RDONLY)
    directory = Directory('d')
    os.rmdir('d')
    equal(directory.rest(), [], 'not even itself')
    equal(os.listdir(fd), [])
