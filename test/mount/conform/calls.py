"""System calls that Python does not offer, with Linux's numbers; an error is an OSError."""
import ctypes, fcntl, os, struct

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_HANDLE_FID = -100, 0x400, 0x1000, 0x200
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE = 1, 2, 8, 16, 32
FL_IMMUTABLE, FL_APPEND, FL_NODUMP, FL_NOATIME = 0x10, 0x20, 0x40, 0x80
GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602
GET_XFLAGS, SET_XFLAGS = 0x801c581f, 0x401c5820
RWF_APPEND = 0x10
# A value of security.capability: CAP_NET_RAW, permitted and effective.
CAPABILITY = bytes.fromhex('0100000200200000000000000000000000000000')


def check(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def encode(name):
    return name.encode() if isinstance(name, str) else name


def call(name, *arguments):
    """Calls libc; numbers are passed as 64-bit ones."""
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    function = LIBC[name]
    function.restype = ctypes.c_long if name in ('lseek', 'telldir') else ctypes.c_int
    return check(function(*converted))


def renameat2(old, new, flags):
    call('renameat2', AT_FDCWD, encode(old), AT_FDCWD, encode(new), flags)


def linkat(old_fd, old, new, flags=0):
    call('linkat', old_fd, encode(old), AT_FDCWD, encode(new), flags)


def link_descriptor(fd, name):
    """Names a file that has only a descriptor."""
    linkat(AT_FDCWD, f'/proc/self/fd/{fd}', name, AT_SYMLINK_FOLLOW)


def fallocate(fd, mode, offset, length):
    call('fallocate', fd, mode, offset, length)


def mkdir(name, mode):
    call('mkdir', encode(name), mode)


def get_flags(fd):
    return struct.unpack('=I', fcntl.ioctl(fd, GET_FLAGS, b'\0' * 8)[:4])[0]


def set_flags(fd, flags):
    others = get_flags(fd) & ~(FL_IMMUTABLE | FL_APPEND | FL_NODUMP | FL_NOATIME)
    fcntl.ioctl(fd, SET_FLAGS, struct.pack('=I4x', others | flags))


def get_xflags(fd):
    return struct.unpack('=5I', fcntl.ioctl(fd, GET_XFLAGS, b'\0' * 28)[:20])


def set_xflags(fd, flags, project=0):
    fcntl.ioctl(fd, SET_XFLAGS, struct.pack('=5I8x', flags, 0, 0, project, 0))


def with_flags(name, flags, work):
    """Does some work while a file or folder has these flags. A chmod afterwards gives the file a time
    that everybody knows of."""
    fd = os.open(name, os.O_RDONLY)
    set_flags(fd, flags)
    try:
        work()
    finally:
        set_flags(fd, 0)
        os.fchmod(fd, os.fstat(fd).st_mode & 0o7777)
        os.close(fd)


class Statx(ctypes.Structure):
    _fields_ = [
        ('mask', ctypes.c_uint32), ('blksize', ctypes.c_uint32), ('attributes', ctypes.c_uint64),
        ('nlink', ctypes.c_uint32), ('uid', ctypes.c_uint32), ('gid', ctypes.c_uint32),
        ('mode', ctypes.c_uint16), ('spare', ctypes.c_uint16), ('ino', ctypes.c_uint64),
        ('size', ctypes.c_uint64), ('blocks', ctypes.c_uint64), ('known', ctypes.c_uint64),
        *[(f'{name}_{part}', kind) for name in ('atime', 'btime', 'ctime', 'mtime')
          for part, kind in (('sec', ctypes.c_int64), ('nsec', ctypes.c_uint32), ('pad', ctypes.c_int32))],
        ('rdev_major', ctypes.c_uint32), ('rdev_minor', ctypes.c_uint32),
        ('dev_major', ctypes.c_uint32), ('dev_minor', ctypes.c_uint32),
        ('mount', ctypes.c_uint64), ('rest', ctypes.c_uint64 * 13),
    ]


def statx(name, flags=0x100, mask=0xfff):
    """Does not follow a link unless told so."""
    result = Statx()
    call('statx', AT_FDCWD, encode(name), flags, mask, ctypes.byref(result))
    return result


class Handle(ctypes.Structure):
    _fields_ = [('size', ctypes.c_uint), ('type', ctypes.c_int), ('bytes', ctypes.c_ubyte * 128)]


def name_to_handle(name, flags=0):
    handle, mount = Handle(128), ctypes.c_int()
    call('name_to_handle_at', AT_FDCWD, encode(name), ctypes.byref(handle), ctypes.byref(mount), flags)
    return handle


def open_by_handle(handle, flags=os.O_RDONLY):
    root = os.open('.', os.O_RDONLY)
    try:
        return call('open_by_handle_at', root, ctypes.byref(handle), flags)
    finally:
        os.close(root)


class Entry(ctypes.Structure):
    _fields_ = [('ino', ctypes.c_uint64), ('offset', ctypes.c_int64), ('length', ctypes.c_ushort),
                ('type', ctypes.c_ubyte), ('name', ctypes.c_char * 256)]


class Directory:
    """opendir(3) and what belongs to it."""

    def __init__(self, name):
        LIBC.opendir.restype = LIBC.readdir.restype = ctypes.c_void_p
        self.pointer = ctypes.c_void_p(LIBC.opendir(encode(name)))
        check(0 if self.pointer.value else -1)

    def next(self):
        """The next entry; None at the end."""
        found = LIBC.readdir(self.pointer)
        return None if found is None else ctypes.cast(found, ctypes.POINTER(Entry)).contents

    def rest(self):
        return [entry.name for entry in iter(self.next, None)]

    def tell(self):
        return call('telldir', self.pointer)

    def seek(self, place):
        LIBC.seekdir(self.pointer, ctypes.c_long(place))

    def rewind(self):
        LIBC.rewinddir(self.pointer)

    def close(self):
        call('closedir', self.pointer)
