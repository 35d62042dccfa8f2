/** Many handles and processes at once, in one folder. */
import { test } from 'node:test'
import { mounted } from './support/mount.ts'
import { python } from './support/run.ts'

const TEST = { timeout: 120_000 }

/** 16 processes, each with 64 handles of its own and a listing that others change meanwhile. */
const CROWD = `
folder, handles, rounds = sys.argv[1], 64, 6
stay = {f'stays-{i}' for i in range(300)}
for name in stay: open(f'{folder}/{name}', 'w').close()

def work(number):
    files = []
    for i in range(handles):
        name = f'{folder}/{number}-{i}'
        files.append((name, os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR)))
    for turn in range(rounds):
        for i, (name, file) in enumerate(files):
            os.pwrite(file, f'{number} {i} {turn}'.encode(), 0)
            if i % 16 == turn: os.fsync(file)
        seen = os.listdir(folder)
        assert len(seen) == len(set(seen)), 'a name was listed twice'
        assert stay <= set(seen), 'a name that stays was not listed'
        for i, (name, file) in enumerate(files):
            assert os.pread(file, 99, 0) == f'{number} {i} {turn}'.encode()
        name, file = files[turn]
        os.rename(name, name + '-moved')
        files[turn] = name + '-moved', file
        os.close(os.open(f'{folder}/{number}-comes', os.O_CREAT | os.O_WRONLY))
        os.unlink(f'{folder}/{number}-comes')
    for name, file in files:
        os.close(file)
        os.unlink(name)

children = []
for number in range(16):
    child = os.fork()
    if child == 0:
        try: work(number)
        except BaseException as error:
            print(f'{number}: {error!r}', file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
assert not failed, failed
assert set(os.listdir(folder)) == stay
`

test('16 processes with 64 handles each meet no error', TEST, async (context) => {
  const mount = await mounted(context)
  await python(CROWD, [mount.path], { timeoutMs: 100_000 })
  await mount.unmount()
})

/** Positions of telldir(3), in the same stream and after entries have come and gone. */
const SEEK = `
libc = ctypes.CDLL(None, use_errno=True)
class Entry(ctypes.Structure):
    _fields_ = [('ino', ctypes.c_uint64), ('off', ctypes.c_int64), ('len', ctypes.c_uint16),
                ('type', ctypes.c_uint8), ('name', ctypes.c_char * 256)]
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.POINTER(Entry)
libc.readdir.argtypes = libc.telldir.argtypes = libc.closedir.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
libc.telldir.restype = ctypes.c_long
folder = sys.argv[1]
for i in range(2000): open(f'{folder}/{i}', 'w').close()
stream = libc.opendir(folder.encode())
def following():
    entry = libc.readdir(stream)
    return entry.contents.name if entry else None
positions, names = [], []
while True:
    position = libc.telldir(stream)
    name = following()
    if name is None: break
    positions.append(position); names.append(name)
assert len(names) == 2002 and len(set(positions)) == 2002
for i in range(2001, -1, -37):
    libc.seekdir(stream, positions[i])
    assert following() == names[i], i
gone = {f'{i}'.encode() for i in range(0, 2000, 3)}
for name in gone: os.unlink(os.path.join(folder.encode(), name))
for i in range(500): open(f'{folder}/new-{i}', 'w').close()
for i in range(2, 2002, 41):
    libc.seekdir(stream, positions[i])
    expected = [name for name in names[i:] if name not in gone][:1]
    found = following()
    assert [found] == expected or (not expected and found.startswith(b'new-')), (i, found)
libc.closedir(stream)
`

test('positions of a listing stay good while entries come and go', TEST, async (context) => {
  const mount = await mounted(context)
  await python(SEEK, [mount.path])
})
