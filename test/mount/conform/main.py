"""Runs cases on a folder, and says of each in a line of JSON what was different:

  main.py FOLDER LACKED[,LACKED…] OPERATION…

Or, before and after a target was started again, what all that the cases have left looks like:

  main.py FOLDER --show
"""
import hashlib, importlib.util, json, os, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import frame


def run(root, lacked, operations):
    os.umask(0)
    for operation in operations:
        frame.CASES.clear()
        load(operation)
        for function, needs in frame.CASES:
            place = os.path.join(root, operation, function.__name__)
            os.makedirs(place)
            os.chmod(place, 0o777)
            missing = [what for what in needs if what in lacked]
            error = None if missing else frame.in_child(lambda: work_in(place, function))
            tell({'case': f'{operation}/{function.__name__}', 'lacks': missing, 'error': error})


def load(operation):
    """Under a name of its own: Python has a module `stat` too."""
    path = os.path.join(HERE, 'operations', f'{operation}.py')
    spec = importlib.util.spec_from_file_location(f'operation_{operation}', path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def work_in(place, function):
    os.chdir(place)
    function()


def show(root):
    """What must be the same after a restart: names, attributes and content."""
    for where, _, files in sorted(os.walk(root.encode())):
        for name in [b'.', *sorted(files)]:
            path = os.path.join(where, name)
            tell([os.path.relpath(path, root.encode()).decode('latin1'), *look(path)])


def look(path):
    seen = os.lstat(path)
    is_folder, is_file = seen.st_mode & 0o170000 == 0o040000, seen.st_mode & 0o170000 == 0o100000
    yield [seen.st_ino, oct(seen.st_mode), seen.st_nlink, seen.st_uid, seen.st_gid, seen.st_rdev]
    yield 0 if is_folder else seen.st_size
    # The kernel does not know that chattr(1) has changed the second one.
    yield [seen.st_mtime_ns, 0 if b'/flags/' in path else seen.st_ctime_ns]
    yield sorted([name, os.getxattr(path, name, follow_symlinks=False).hex()]
                 for name in os.listxattr(path, follow_symlinks=False))
    if is_file and seen.st_blocks < 20000:
        yield digest(path, seen.st_size)
    elif seen.st_mode & 0o170000 == 0o120000:
        yield os.readlink(path).decode('latin1')


def digest(path, size):
    """Of the content, holes left out."""
    hashed = hashlib.md5()
    with open(path, 'rb') as file:
        at = 0
        while at < size:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            for place in range(start, at, 1 << 20):
                content = os.pread(file.fileno(), min(1 << 20, at - place), place)
                for page in range(0, len(content), 4096):
                    piece = content[page:page + 4096]
                    if piece.strip(b'\0'):
                        hashed.update(b'%d ' % (place + page) + piece)
    return hashed.hexdigest()


def tell(value):
    print(json.dumps(value), flush=True)


if sys.argv[2] == '--show':
    show(sys.argv[1])
else:
    run(sys.argv[1], sys.argv[2].split(','), sys.argv[3:])
