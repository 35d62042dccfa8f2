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

# Larger files are sparse, and not every target says where.
DIGEST_BYTES_MAX = 1 << 24
DEPTH_MAX = 20


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
    for where, folders, files in os.walk(root.encode()):
        # A look at the depth costs one request for each level, where nothing is cached.
        folders[:] = sorted(folders) if where.count(b'/') < DEPTH_MAX else []
        for name in [b'.', *sorted(files)[:100]]:
            path = os.path.join(where, name)
            tell([os.path.relpath(path, root.encode()).decode('latin1'), *look(path)])


def look(path):
    seen = os.lstat(path)
    is_folder, is_file = seen.st_mode & 0o170000 == 0o040000, seen.st_mode & 0o170000 == 0o100000
    yield [seen.st_ino, oct(seen.st_mode), seen.st_nlink, seen.st_uid, seen.st_gid, seen.st_rdev]
    yield 0 if is_folder else seen.st_size
    yield [seen.st_mtime_ns, seen.st_ctime_ns]
    yield sorted([name, os.getxattr(path, name, follow_symlinks=False).hex()]
                 for name in os.listxattr(path, follow_symlinks=False))
    if is_file and seen.st_size <= DIGEST_BYTES_MAX:
        with open(path, 'rb') as file:
            yield hashlib.md5(file.read()).hexdigest()
    elif seen.st_mode & 0o170000 == 0o120000:
        yield os.readlink(path).decode('latin1')


def tell(value):
    print(json.dumps(value), flush=True)


if sys.argv[2] == '--show':
    show(sys.argv[1])
else:
    run(sys.argv[1], sys.argv[2].split(','), sys.argv[3:])
