"""O_DIRECT."""
import ctypes, mmap, os, struct
from frame import *

DIRECT = os.O_RDWR | os.O_CREAT | os.O_DIRECT


def buffer(content):
    memory = mmap.mmap(-1, max(len(content), 4096))
    memory[:len(content)] = content
    return memoryview(memory)[:len(content)]


def read_direct(fd, length, offset):
    memory = mmap.mmap(-1, length)
    return bytes(memory[:os.preadv(fd, [memory], offset)])


@case
def what_is_written_is_read():
    fd = os.open('file', DIRECT)
    content = os.urandom(1 << 20)
    equal(os.pwritev(fd, [buffer(content)], 0), 1 << 20)
    equal(read('file'), content, 'through the cache')
    equal(read_direct(fd, 1 << 20, 0), content)
    os.pwritev(fd, [buffer(b'y' * 8192)], 4096)
    equal(read('file'), content[:4096] + b'y' * 8192 + content[12288:])


@case
def with_the_cache_in_between():
    fd, cached = os.open('file', DIRECT), os.open('file', os.O_RDWR)
    os.pwrite(cached, b'a' * 16384, 0)
    equal(read_direct(fd, 16384, 0), b'a' * 16384, 'dirty pages are seen')
    os.pwritev(fd, [buffer(b'b' * 4096)], 4096)
    equal(os.pread(cached, 16384, 0), b'a' * 4096 + b'b' * 4096 + b'a' * 8192, 'and dropped')
    os.pwrite(cached, b'c', 4097)
    equal(read_direct(fd, 4096, 4096), b'bc' + b'b' * 4094)


@case
def the_end_of_the_file():
    make('file', b'x' * 5000)
    fd = os.open('file', DIRECT)
    equal(read_direct(fd, 8192, 0), b'x' * 5000)
    equal(read_direct(fd, 4096, 8192), b'')
    os.pwritev(fd, [buffer(b'y' * 4096)], 8192)
    equal(size_of(fd), 12288)
    equal(read_direct(fd, 4096, 4096), b'x' * 904 + b'\0' * 3192)


@case
def times():
    fd = os.open('file', DIRECT)
    equal(changes(lambda: os.pwritev(fd, [buffer(b'x' * 4096)], 0), 'file'), 'mc')
    equal(changes(lambda: read_direct(fd, 4096, 0), 'file'), 'a')


@case
def with_o_append():
    make('file', b'x' * 4096)
    fd = os.open('file', DIRECT | os.O_APPEND)
    os.writev(fd, [buffer(b'y' * 4096)])
    equal(read('file'), b'x' * 4096 + b'y' * 4096)


@case
def privileges_end():
    make('file', b'x' * 4096, 0o777)
    os.chmod('file', 0o6777)
    as_user(USER, lambda: os.pwritev(os.open('file', os.O_RDWR | os.O_DIRECT), [buffer(b'y' * 4096)], 0))
    equal(mode_of('file'), '0o777')


@case
def an_asynchronous_write_is_seen_by_who_reads_through_the_cache():
    length = 1 << 18
    make('file', b'\0' * length)
    fd = os.open('file', DIRECT)
    contents = [buffer(bytes([n]) * length) for n in range(1, 5)]
    queue = Asynchronous()
    stop, stopped = os.pipe()
    reader = os.fork()
    if reader == 0:
        os.close(stopped)
        os.set_blocking(stop, False)
        while outcome(os.read, stop, 1) == 'EAGAIN':
            read('file')
        os._exit(0)
    try:
        for n in range(200):
            content = contents[n % len(contents)]
            equal(queue.write(fd, content, 0), length)
            equal(read('file') == bytes(content), True, f'the content after write {n}')
    finally:
        os.close(stopped)
        os.waitpid(reader, 0)


class Asynchronous:
    """io_submit(2), for one write at a time."""

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        is_arm = os.uname().machine == 'aarch64'
        setup, self.submit, self.events = (0, 2, 4) if is_arm else (206, 209, 208)
        self.context = ctypes.c_ulong()
        self.call(setup, 1, ctypes.byref(self.context))

    def call(self, number, *arguments):
        result = self.libc.syscall(ctypes.c_long(number), *arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), 'io_submit(2) or a relative')
        return result

    def write(self, fd, content, offset):
        PWRITE = 1
        address = ctypes.addressof(ctypes.c_char.from_buffer(content))
        request = struct.pack('QIIHhIQQqQII', 0, 0, 0, PWRITE, 0, fd, address, len(content), offset, 0, 0, 0)
        block = ctypes.create_string_buffer(request, len(request))
        requests = (ctypes.c_void_p * 1)(ctypes.addressof(block))
        self.call(self.submit, self.context, ctypes.c_long(1), requests)
        event = ctypes.create_string_buffer(32)
        self.call(self.events, self.context, ctypes.c_long(1), ctypes.c_long(1), event, None)
        return struct.unpack('QQqq', event.raw)[2]
