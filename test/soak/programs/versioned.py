"""An atomic file of which every version is kept outside of the mount.

The note says `clean V`, `staging V` or `publishing V`: version V is acknowledged; V is being written
and must not survive; V is being published, so the file may be V or V-1, whole.

The file itself begins with a header, so that a reader who knows nothing of the versions finds out
whether it is one of them.
"""
from common import *

HEADER = struct.Struct('<8sIIQ')
MAGIC = b'versions'
SIZES = (100, 4096, 5000, 40000, 65536, 300000, 1200000)


def seal(content, version):
    """Writes the header of a version into its content."""
    checksum = zlib.crc32(memoryview(content)[HEADER.size:], version)
    content[:HEADER.size] = HEADER.pack(MAGIC, checksum, version, len(content))


def version_of(content):
    """The version that this is the whole content of; fails if it is none."""
    check(len(content) >= HEADER.size, len(content), 'bytes are no version')
    magic, checksum, version, size = HEADER.unpack_from(content)
    check(magic == MAGIC, 'the header is damaged:', content[:HEADER.size])
    check(size == len(content), f'version {version} has {len(content)} bytes instead of {size}')
    found = zlib.crc32(memoryview(content)[HEADER.size:], version)
    check(found == checksum, f'version {version} is mixed with others: {stamps(content)}')
    return version


def stamps(content):
    """Which versions have left something in a content, for a message."""
    return sorted({bytes(part[:12]) for part in bytes(content).split(b'|')[1:-1]})[:12]


class Versioned:
    def __init__(self, worker, name, policy='publish'):
        self.worker, self.random, self.policy = worker, worker.random, policy
        self.name, self.path = name, worker.at(name)
        self.note = Record(worker.beside(f'{name}.note'))
        self.version, self.old, self.new = 0, b'', b''

    def kept(self, version):
        return self.worker.beside(f'{self.name}.{version}')

    def make(self):
        """Puts version 1 in place; until it is noted nothing of it counts."""
        content = bytearray(self.stamp(1, 0, 5000))
        seal(content, 1)
        with open(self.kept(1), 'wb') as file:
            file.write(content)
        write(self.path, content)
        self.worker.set_atomic(self.path, '')
        self.worker.set_atomic(self.path, '.onclose', self.policy)
        self.worker.sync(self.path)
        self.worker.sync(self.worker.folder)
        self.note.set('clean', 1)

    def verify(self):
        if not self.note.get():
            self.make()
        phase, noted = self.note.get()
        noted = int(noted)
        self.version = noted if phase == 'clean' else noted - 1
        self.old = read(self.kept(self.version))
        if self.policy == 'keep' and phase == 'staging':
            self.worker.set_atomic(self.path, '.rollback')
        found = read(self.path)
        if found != self.old:
            check(phase == 'publishing' and found == read(self.kept(noted)), self.explain(found))
            self.version, self.old = noted, found
        self.note.set('clean', self.version)

    def explain(self, found):
        try:
            shown = f'is version {version_of(found)}'
        except Violation as violation:
            shown = str(violation)
        return f'{self.path}: noted {self.note.get()}, but the file: {shown}'

    def stamp(self, version, offset, size):
        unit = f'{version}@{offset}'.encode().ljust(12, b'.') + b'|'
        return (unit * (size // len(unit) + 1))[:size]

    def plan(self, resize=True, size=None):
        """Thinks up the next version; returns its writes, as (offset, bytes)."""
        version = self.version + 1
        content = bytearray(self.old)
        if resize and size is None and self.random.random() < 0.3:
            size = self.random.choice(SIZES)
        if size is not None:
            content = content[:size] + bytes(max(0, size - len(content)))
        places = [(0, HEADER.size)]
        for _ in range(self.random.choice((1, 2, 5, 20))):
            start = self.random.randrange(HEADER.size, len(content))
            size = min(self.random.choice((1, 700, 4096, 9000, 70000)), len(content) - start)
            content[start:start + size] = self.stamp(version, start, size)
            places.append((start, size))
        seal(content, version)
        self.new = bytes(content)
        with open(self.kept(version), 'wb') as file:
            file.write(self.new)
        self.note.set('staging', version)
        self.random.shuffle(places)
        return [(start, self.new[start:start + size]) for start, size in places]

    def stage(self, fd, writes):
        for start, data in writes:
            os.pwrite(fd, data, start)
        os.ftruncate(fd, len(self.new))

    def publishing(self):
        self.note.set('publishing', self.version + 1)

    def published(self):
        self.note.set('clean', self.version + 1)
        os.unlink(self.kept(self.version))
        self.version, self.old = self.version + 1, self.new

    def discarded(self):
        """The new version must not be there."""
        found = read(self.path)
        check(found == self.old, 'after a discard', self.explain(found))
        self.note.set('clean', self.version)
