"""Workers on atomic files: every way to publish, to roll back, to close and to die."""
import threading

from versioned import *

# What Linux takes to copy a large write to its cache, about, when the memory is cold.
LARGE_WRITE_S = 0.0004


class Pages(Worker):
    """Updates an atomic file under a lock, so that readers can be sure of what they find."""

    def __init__(self, *parameters):
        super().__init__(*parameters)
        self.file = Versioned(self, 'file')
        self.fd = -1

    def verify(self):
        self.file.verify()

    def step(self):
        ways = (self.fsync,) * 4 + (self.rewrite, self.mapping, self.mapping, self.one_write)
        ways += (self.rollback, self.rollback, self.death, self.death_in_write)
        way = self.random.choice(ways)
        self.doing(way.__name__)
        is_synced = way in (self.one_write, self.death_in_write)
        flags = self.random.choice((os.O_SYNC, os.O_DSYNC)) if is_synced else 0
        self.fd = os.open(self.file.path, os.O_RDWR | flags)
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        way()
        self.close()

    def close(self):
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def publish(self):
        self.file.publishing()
        way = self.random.randrange(4)
        if way == 0:
            os.setxattr(self.fd, 'user.atomic.commit', b'1')
        elif way == 1:
            os.fdatasync(self.fd)
        else:
            os.fsync(self.fd)
        self.file.published()

    def fsync(self):
        self.file.stage(self.fd, self.file.plan())
        self.publish()

    def rewrite(self):
        self.file.plan()
        os.ftruncate(self.fd, 0)
        self.file.stage(self.fd, [(0, self.file.new)])
        self.publish()

    def mapping(self):
        writes = self.file.plan(resize=False)
        with mmap.mmap(self.fd, len(self.file.new)) as mapped:
            for start, data in writes:
                mapped[start:start + len(data)] = data
            self.file.publishing()
            self.flush(mapped)
        self.file.published()

    def flush(self, mapped):
        """As os.fsync does: whoever was killed inside of setxattr(2) leaves an EINTR to the next."""
        while True:
            try:
                return mapped.flush()
            except InterruptedError:
                continue

    def one_write(self):
        writes = self.file.plan(resize=False)
        self.file.publishing()
        end = max(start + len(data) for start, data in writes)
        check(os.pwrite(self.fd, self.file.new[:end], 0) == end, 'a short write')
        self.file.published()

    def rollback(self):
        self.file.stage(self.fd, self.file.plan())
        os.setxattr(self.fd, 'user.atomic.rollback', b'1')
        self.file.discarded()

    def death(self):
        """Once in a while dies in the middle of an update, without a word to anybody."""
        if self.random.random() < 0.9:
            return
        self.file.stage(self.fd, self.file.plan())
        if self.random.random() < 0.5:
            os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL)

    def death_in_write(self):
        """Once in a while dies in the middle of one large write."""
        if self.random.random() < 0.9:
            return
        self.file.plan(size=SIZES[-1])
        self.file.publishing()
        delay = self.random.random() * LARGE_WRITE_S
        death = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL))
        death.start()
        try:
            os.pwrite(self.fd, self.file.new, 0)
        except OSError:
            death.cancel()
            raise
        death.join()


class Policies(Worker):
    """Closes without publishing, and has children that exit or die with the file open."""

    def __init__(self, *parameters):
        super().__init__(*parameters)
        policies = ('publish', 'discard', 'keep')
        self.files = [Versioned(self, policy, policy) for policy in policies]

    def verify(self):
        for file in self.files:
            file.verify()

    def step(self):
        file = self.random.choice(self.files)
        way = self.random.choice(('close', 'close', 'exit', 'fail', 'kill'))
        self.doing(f'{file.policy} at {way}')
        writes = file.plan()
        publishes = file.policy == 'publish' and way in ('close', 'exit')
        if publishes:
            file.publishing()
        if way == 'close':
            fd = os.open(file.path, os.O_RDWR)
            try:
                file.stage(fd, writes)
            finally:
                os.close(fd)
        else:
            self.in_child(file, writes, way)
        if publishes:
            self.sync(file.path)
            self.see_new(file)
            file.published()
        elif file.policy == 'keep' and way in ('close', 'exit'):
            self.keep(file)
        else:
            # A death is looked after before the process is gone, a close soon after it.
            if way in ('close', 'exit'):
                self.wait_until_clean(file)
            file.discarded()

    def wait_until_clean(self, file):
        self.doing('wait for the discard')
        while b'state=clean' not in os.getxattr(file.path, 'user.atomic.state'):
            time.sleep(0.001)

    def in_child(self, file, writes, way):
        child = os.fork()
        if child == 0:
            try:
                file.stage(os.open(file.path, os.O_RDWR), writes)
            except OSError:
                os._exit(4)
            if way == 'kill':
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(0 if way == 'exit' else 3)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != {'exit': 0, 'fail': 3, 'kill': -9}[way]:
            raise OSError(f'the child ended with {status}')

    def see_new(self, file):
        check(read(file.path) == file.new, file.explain(read(file.path)))

    def keep(self, file):
        self.see_new(file)
        check(b'state=staged' in os.getxattr(file.path, 'user.atomic.state'), 'nothing is staged')
        if self.random.random() < 0.5:
            self.set_atomic(file.path, '.rollback')
            file.discarded()
        else:
            file.publishing()
            self.sync(file.path)
            file.published()


class Reader(Worker):
    """Reads the files of the others under their locks: each time it must be one whole version."""

    def step(self):
        writers = sorted(name for name in os.listdir(self.at('..')) if name.startswith('pages'))
        if not writers:
            return time.sleep(POLL_S)
        writer = self.random.choice(writers)
        note = Record(os.path.join(self.state, f'{writer}.file.note'))
        try:
            noted = note.get()
        finally:
            os.close(note.fd)
        path = self.at('..', writer, 'file')
        if not noted or not os.path.exists(path):
            return time.sleep(POLL_S)
        minimum = int(noted[1]) - (noted[0] != 'clean')
        fd = os.open(path, os.O_RDONLY)
        try:
            fcntl.lockf(fd, fcntl.LOCK_SH)
            self.doing('look')
            found = version_of(self.look(fd))
            check(found >= minimum, f'{path} has version {found}, but {minimum} was acknowledged')
        finally:
            os.close(fd)
        time.sleep(self.random.random() * POLL_S)

    def look(self, fd):
        size = os.fstat(fd).st_size
        if self.random.random() < 0.5:
            content = os.pread(fd, size + 1, 0)
            check(len(content) == size, f'{len(content)} bytes instead of {size}')
            return content
        with mmap.mmap(fd, size, prot=mmap.PROT_READ) as mapped:
            return bytes(mapped)
