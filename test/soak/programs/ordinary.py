"""Workers on ordinary files and folders: logs, files replaced by rename, trees."""
from common import *


class Append(Worker):
    """Appends records to a log; what its fsync has returned for is there, in order."""

    def __init__(self, *parameters):
        super().__init__(*parameters)
        self.fd, self.size = -1, 0

    def record(self, generation, number):
        content = body(f'{self.name} {generation}', number, (5, 100, 3000, 20000))
        return b'%08d %08x ' % (number, zlib.crc32(content)) + content + b'\n'

    def verify(self):
        is_new = not self.note.get()
        generation, acknowledged = map(int, self.note.get() or (0, 0))
        path = self.at(f'log{generation}')
        self.fd = os.open(path, os.O_RDWR | (os.O_CREAT if is_new else 0))
        found = read(path)
        wanted = b''.join(self.record(generation, n) for n in range(1, acknowledged + 1))
        check(found.startswith(wanted), f'{path} has lost some of {acknowledged} records')
        begun = b''.join(self.record(generation, acknowledged + n) for n in range(1, 7))
        for at, byte in enumerate(found[len(wanted):]):
            is_ours = at < len(begun) and byte in (0, begun[at])
            check(is_ours, f'{path} has {byte} at {len(wanted) + at}, which nobody wrote')
        os.ftruncate(self.fd, len(wanted))
        os.fsync(self.fd)
        for name in set(os.listdir(self.folder)) - {f'log{generation}'}:
            os.unlink(self.at(name))
        self.size = len(wanted)
        self.generation, self.acknowledged = generation, acknowledged

    def step(self):
        if self.size > 1500000:
            return self.rotate()
        count = self.random.randrange(1, 6)
        for number in range(self.acknowledged + 1, self.acknowledged + 1 + count):
            data = self.record(self.generation, number)
            self.size += os.pwrite(self.fd, data, self.size)
        (os.fsync if self.random.random() < 0.5 else os.fdatasync)(self.fd)
        self.acknowledged += count
        self.note.set(self.generation, self.acknowledged)

    def rotate(self):
        self.doing('rotate')
        self.close()
        self.generation, self.acknowledged, self.size = self.generation + 1, 0, 0
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
        self.fd = os.open(self.at(f'log{self.generation}'), flags)
        self.sync(self.folder)
        self.note.set(self.generation, 0)
        os.unlink(self.at(f'log{self.generation - 1}'))

    def close(self):
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)


class Replace(Worker):
    """Writes a new file beside the old one, makes it durable, and renames it over the old one."""

    def verify(self):
        version, path = int((self.note.get() or ('0',))[0]), self.at('file')
        if not self.note.get():
            os.setxattr(self.folder, 'user.atomic', self.random.choice((b'0', b'1')))
        if os.path.exists(self.at('new')):
            os.unlink(self.at('new'))
        found = read(path) if os.path.exists(path) else None
        allowed = {n: body(self.name, n) if n > 0 else None for n in (version, version + 1)}
        seen = [n for n, content in allowed.items() if content == found]
        check(seen, f'{path} is neither version {version} nor the next')
        self.version = seen[0]
        self.note.set(self.version)

    def step(self):
        write(self.at('new'), body(self.name, self.version + 1))
        os.rename(self.at('new'), self.at('file'))
        self.sync(self.folder)
        self.version += 1
        self.note.set(self.version)


class Trees(Worker):
    """Makes trees beside, renames them into place, and removes them again."""

    KEPT = 4

    def plan(self, number):
        """Path and content of everything in a tree: None for folders, text for links."""
        choice = random.Random(f'{self.name} {number}')
        entries, folders = {}, ['']
        for n in range(choice.randrange(5, 30)):
            path = os.path.join(choice.choice(folders), f'{n}' + 'x' * choice.choice((0, 5, 200)))
            kind = choice.random()
            if kind < 0.3:
                entries[path] = None
                folders.append(path)
            elif kind < 0.4:
                entries[path] = f'../{n}'
            else:
                entries[path] = body(self.name, f'{number} {n}', (0, 50, 5000, 20000))
        return entries

    def make(self, root, number):
        os.mkdir(root)
        for path, content in self.plan(number).items():
            place = os.path.join(root, path)
            if content is None:
                os.mkdir(place)
            elif isinstance(content, str):
                os.symlink(content, place)
            else:
                write(place, content)

    def compare(self, root, number):
        wanted, found = self.plan(number), {}
        for folder, folders, files in os.walk(root):
            for name in folders + files:
                place = os.path.join(folder, name)
                inner = os.path.relpath(place, root)
                if os.path.islink(place):
                    found[inner] = os.readlink(place)
                else:
                    found[inner] = None if os.path.isdir(place) else read(place)
        wrong = [path[:40] for path in wanted.keys() | found.keys()
                 if path not in found or path not in wanted or found[path] != wanted[path]]
        check(not wrong, f'{root} differs in', wrong)

    def verify(self):
        phase, first, last = self.note.get() or ('made', 1, 0)
        first, last = int(first), int(last)
        names = set(os.listdir(self.folder))
        if f't{last + 1}' in names:
            last += 1
        if phase == 'removing':
            shutil.rmtree(self.at(f't{first}'), ignore_errors=True)
            first += 1
        for name in names:
            if name.startswith('tmp'):
                shutil.rmtree(self.at(name))
        wanted = {f't{n}' for n in range(first, last + 1)}
        check(set(os.listdir(self.folder)) == wanted, 'found', names, 'wanted', wanted)
        for number in range(first, last + 1):
            self.compare(self.at(f't{number}'), number)
        self.sync(self.folder)
        self.first, self.last = first, last
        self.note.set('made', first, last)

    def step(self):
        number = self.last + 1
        self.doing('make a tree')
        self.make(self.at(f'tmp{number}'), number)
        os.rename(self.at(f'tmp{number}'), self.at(f't{number}'))
        self.sync(self.folder)
        self.last = number
        self.note.set('made', self.first, self.last)
        if self.last - self.first < self.KEPT:
            return
        self.doing('remove a tree')
        self.note.set('removing', self.first, self.last)
        shutil.rmtree(self.at(f't{self.first}'))
        self.sync(self.folder)
        self.first += 1
        self.note.set('made', self.first, self.last)
