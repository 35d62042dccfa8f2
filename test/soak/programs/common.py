"""What all workers share: what they note, how they wait for the mount, and what counts as wrong.

A worker works in a folder of its own on the mount, and notes outside of it what was acknowledged and
what is under way. It may be killed at any time, as may the daemon; whoever starts next, or finds the
mount back, verifies that what is there fits the notes, and goes on from there.

The file `control` says "NUMBER MODE". The number is odd while somebody harms the mount or is about
to, and even while it must work. So an error counts as wrong unless the number has changed since the
worker has opened what it works with.
"""
import errno, fcntl, hashlib, mmap, os, random, shutil, signal, struct, subprocess, sys, time
import traceback, zlib

POLL_S = 0.02
NOTE_LENGTH = 200


class Violation(Exception):
    """What is on the mount does not fit what was acknowledged."""


class Stopped(Exception):
    """The soak is over."""


class Record:
    """A line in a file outside of the mount that is replaced by one write."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def get(self):
        return os.pread(self.fd, NOTE_LENGTH, 0).decode().split()

    def set(self, *words):
        os.pwrite(self.fd, ' '.join(map(str, words)).ljust(NOTE_LENGTH - 1).encode() + b'\n', 0)


class Worker:
    def __init__(self, name, mount, state, seed):
        self.name, self.state = name, state
        self.folder = os.path.join(mount, name)
        self.random = random.Random(f'{seed} {name} {os.getpid()}')
        self.control = Record(os.path.join(state, 'control'))
        self.operation = Record(self.beside('operation'))
        self.note = Record(self.beside('note'))
        self.counts = Record(self.beside('counts'))
        self.stepped = int((self.counts.get() or ['0'])[0])
        self.since = 0

    # What a kind of worker fills in.

    def verify(self):
        """Fails unless the folder fits the notes; leaves both ready for the next step."""

    def step(self):
        """Does something, and notes it."""

    def close(self):
        """Lets go of everything on the mount."""

    # What it may use.

    def at(self, *names):
        return os.path.join(self.folder, *map(str, names))

    def beside(self, what):
        return os.path.join(self.state, f'{self.name}.{what}')

    def doing(self, what):
        """Says what is under way, for whoever finds that it takes too long."""
        self.operation.set(f'{time.monotonic():.3f}', what.replace(' ', '-'))

    def is_disturbed(self):
        return self.control.get()[0] != self.since

    def run(self, *command, stdin=None, cwd=None):
        """Runs a command to its end and returns what it prints; one that fails is an OSError."""
        self.doing(' '.join(command[:3]))
        ended = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=cwd)
        if ended.returncode != 0:
            raise OSError(f'{command}: {ended.returncode}: {ended.stdout[-500:]}{ended.stderr[-500:]}')
        return ended.stdout

    def sync(self, path):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def set_atomic(self, path, name, value='1'):
        """Sets a control attribute. Killed in it, Linux leaves an error at the file, which the next
        close anywhere reports; so there is a descriptor that our own death closes."""
        fd = os.open(path, os.O_RDONLY)
        try:
            os.setxattr(fd, f'user.atomic{name}', value.encode())
        finally:
            os.close(fd)

    # The life of a worker.

    def wait_until_calm(self):
        self.doing('waiting')
        while True:
            number, mode = self.control.get()
            if mode == 'stop':
                raise Stopped
            if int(number) % 2 == 0:
                self.since = number
                return
            time.sleep(POLL_S)

    def work(self):
        """Verifies and works until the mount is harmed."""
        try:
            try:
                self.verify_and_step()
            finally:
                self.close()
        except (Violation, OSError, ValueError) as error:
            # What is read from a mount that is away says nothing; it is verified once it is back.
            if not self.is_disturbed():
                where = traceback.extract_tb(error.__traceback__)[-2:]
                lines = ', '.join(f'{frame.name}:{frame.lineno}' for frame in where)
                raise Violation(f'{type(error).__name__}: {error} ({lines})') from error

    def verify_and_step(self):
        self.doing('verify')
        os.makedirs(self.folder, exist_ok=True)
        self.verify()
        while not self.is_disturbed():
            self.doing('step')
            self.step()
            self.stepped += 1
            self.counts.set(self.stepped)

    def live(self):
        while True:
            self.wait_until_calm()
            self.work()

    def verify_only(self):
        self.since = self.control.get()[0]
        self.doing('verify at the end')
        self.verify()
        self.close()


def check(condition, *why):
    if not condition:
        raise Violation(' '.join(map(str, why)))


def body(name, number, sizes=(10, 3000, 4096, 5000, 40000, 300000)):
    """Content that a name and a number decide."""
    size = random.Random(f'{name} {number}').choice(sizes)
    unit = hashlib.sha256(f'{name} {number}'.encode()).digest()
    return (unit * (size // 32 + 1))[:size]


def read(path):
    file = open(path, 'rb')
    content = file.read()
    try:
        file.close()
    except OSError as error:
        # Who was killed while Linux stored the times of a file leaves this to the next close, once.
        if error.errno != errno.EIO:
            raise
    return content


def write(path, content, how='wb'):
    """Writes a file and makes it durable."""
    with open(path, how) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
