"""The frame of the conformance suite: cases, what they may say, and a process for each of them.

A case is a function that states what must hold on any Linux filesystem. It runs as root in a process
of its own, with an empty folder as its working directory and umask 0, and uses relative names. What it
finds to be different is an error with the value that was found, then the one that was wanted.
"""
import errno, os, signal, sys, time, traceback

USER, OTHER, GROUP, TEAM = 1001, 1002, 1001, 1003
TIMEOUT_S = 30
# Two changes of a file are told apart by this; kernels count in steps of up to 10 ms.
STEP_S = 0.012

CASES = []
NAMES = {**errno.errorcode, errno.EOPNOTSUPP: 'EOPNOTSUPP', errno.EDEADLK: 'EDEADLK'}


class Different(Exception):
    """Something is not as it must be."""


def case(function=None, *, needs=()):
    """Registers a case. `needs` names what a target may lack."""
    def register(function):
        CASES.append((function, (needs,) if isinstance(needs, str) else needs))
        return function
    return register if function is None else register(function)


def equal(actual, wanted, what='got'):
    if actual != wanted:
        raise Different(f'{what}: {actual!r}, not {wanted!r}')


def true(condition, what):
    if not condition:
        raise Different(f'not so: {what}')


def outcome(call, *arguments, **named):
    """'ok', or the name of the error."""
    try:
        call(*arguments, **named)
    except OSError as error:
        return NAMES.get(error.errno, str(error.errno))
    return 'ok'


def fails(code, call, *arguments, **named):
    shown = ', '.join(map(repr, arguments))
    equal(outcome(call, *arguments, **named), code, f'{call.__name__}({shown})'[:200])


def as_user(uid, work, gid=GROUP, groups=()):
    """Does some work as another user, in a process of its own."""
    def drop_and_work():
        os.setgroups(list(groups))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        work()
    error = in_child(drop_and_work)
    if error is not None:
        raise Different(f'as user {uid}: {error}')


def in_child(work):
    """Runs it in a forked process; returns what went wrong, as text."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        signal.alarm(TIMEOUT_S)
        message = ''
        try:
            work()
        except BaseException as error:
            message = describe(error)
        os.write(theirs, message.encode(errors='replace')[:4000])
        # Whoever ends with another status drops what it has staged of atomic files.
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, 'rb') as pipe:
        message = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        return f'ended by signal {status & 0x7f}'
    return message or None


def describe(error):
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
             if '/operations/' in frame.filename]
    where = f' (line {lines[-1]})' if lines else ''
    name = '' if isinstance(error, Different) else f'{type(error).__name__}: '
    return f'{name}{error}{where}'


def stat(target):
    """Of a name, without following a link, or of a descriptor."""
    return os.stat(target) if isinstance(target, int) else os.lstat(target)


def changes(work, *targets):
    """Which times some work sets to now: letters out of a, m and c for each name or descriptor."""
    before = [stat(target) for target in targets]
    time.sleep(STEP_S)
    begun = time.time_ns() - 20_000_000
    work()
    ended = time.time_ns() + 20_000_000
    seen = [moved(old, stat(target), begun, ended) for old, target in zip(before, targets)]
    return seen[0] if len(seen) == 1 else tuple(seen)


def moved(old, new, begun, ended):
    letters = ''
    for letter in 'amc':
        name = f'st_{letter}time_ns'
        value = getattr(new, name)
        if value != getattr(old, name):
            letters += letter if begun <= value <= ended else f'{letter}?'
    return letters


def make(name, content=b'', mode=0o644, uid=0, gid=0):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    if content:
        os.write(fd, content)
    os.close(fd)
    os.chown(name, uid, gid)
    os.chmod(name, mode)
    return name


def folder(name, mode=0o755, uid=0, gid=0):
    os.mkdir(name)
    os.chown(name, uid, gid)
    os.chmod(name, mode)
    return name


def read(name):
    with open(name, 'rb') as file:
        return file.read()


def mode_of(target):
    return oct(stat(target).st_mode & 0o7777)


def size_of(target):
    return stat(target).st_size


def links(target):
    return stat(target).st_nlink
