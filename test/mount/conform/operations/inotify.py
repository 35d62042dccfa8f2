"""inotify(7)."""
import os, struct
from frame import *
from calls import *

NAMES = {0x1: 'access', 0x2: 'modify', 0x4: 'attrib', 0x8: 'close_write', 0x10: 'close_nowrite',
         0x20: 'open', 0x40: 'moved_from', 0x80: 'moved_to', 0x100: 'create', 0x200: 'delete',
         0x400: 'delete_self', 0x800: 'move_self', 0x8000: 'ignored'}


class Watch:
    def __init__(self, *names):
        self.fd = call('inotify_init1', os.O_NONBLOCK)
        for name in names:
            call('inotify_add_watch', self.fd, encode(name), 0xfff)

    def events(self):
        """What has happened, in order, without what reading adds."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return []
        found, at = [], 0
        while at < len(data):
            _, mask, _, length = struct.unpack_from('iIII', data, at)
            name = data[at + 16:at + 16 + length].rstrip(b'\0').decode()
            kind = NAMES.get(mask & 0xffff, hex(mask))
            found.append(f'{kind} {name}'.strip())
            at += 16 + length
        return found


@case
def names_in_a_folder():
    os.mkdir('d')
    watch = Watch('d')
    make('d/a')
    equal(watch.events()[:3], ['create a', 'open a', 'close_write a'])
    os.mkdir('d/sub')
    equal(watch.events(), ['create sub'])
    os.rename('d/a', 'd/b')
    equal(watch.events(), ['moved_from a', 'moved_to b'])
    os.link('d/b', 'd/c')
    equal(watch.events(), ['create c'])
    os.unlink('d/c')
    equal([event for event in watch.events() if not event.startswith('attrib')], ['delete c'])
    os.rmdir('d/sub')
    equal(watch.events(), ['delete sub'])
    os.symlink('x', 'd/l')
    equal(watch.events(), ['create l'])


@case
def a_file():
    make('file', b'content')
    watch = Watch('file')
    fd = os.open('file', os.O_RDWR)
    os.write(fd, b'x')
    os.ftruncate(fd, 3)
    os.fchmod(fd, 0o600)
    os.fchown(fd, USER, -1)
    os.setxattr(fd, 'user.x', b'1')
    os.utime(fd, (1, 2))
    os.close(fd)
    equal(watch.events(), ['open', 'modify', 'attrib', 'close_write'], 'like ones become one')
    read('file')
    equal(watch.events(), ['open', 'access', 'close_nowrite'])


@case
def a_file_that_goes():
    make('file')
    watch = Watch('file')
    os.rename('file', 'new')
    equal(watch.events(), ['move_self'])
    os.unlink('new')
    for _ in range(100):
        found = watch.events()
        if found:
            break
        time.sleep(0.01)
    equal(found, ['attrib', 'delete_self', 'ignored'])
