"""mmap(2) and msync(2)."""
import ctypes, mmap, os, random, signal
from frame import *

PAGE = 4096


def opened(size, content=b''):
    fd = os.open('file', os.O_RDWR | os.O_CREAT)
    os.write(fd, content)
    os.ftruncate(fd, size)
    return fd


@case(needs='shared maps')
def shared_with_read_and_write():
    fd = opened(3 * PAGE)
    memory = mmap.mmap(fd, 3 * PAGE)
    memory[10:15] = b'store'
    equal(os.pread(fd, 5, 10), b'store')
    os.pwrite(fd, b'write', PAGE)
    equal(memory[PAGE:PAGE + 5], b'write')
    memory.close()
    equal(read('file')[10:15], b'store')


@case(needs='shared maps')
def shared_between_processes():
    fd = opened(PAGE)
    memory = mmap.mmap(fd, PAGE)
    def work():
        other = mmap.mmap(os.open('file', os.O_RDWR), PAGE)
        other[0:5] = b'child'
    equal(in_child(work), None)
    equal(memory[:5], b'child')


@case
def private():
    fd = opened(PAGE, b'content')
    memory = mmap.mmap(fd, PAGE, mmap.MAP_PRIVATE)
    memory[:3] = b'own'
    equal((memory[:7], os.pread(fd, 7, 0)), (b'owntent', b'content'))
    os.pwrite(fd, b'C', 6)
    memory.close()
    equal(read('file')[:7], b'contenC')


@case(needs='shared maps')
def times_after_a_store():
    fd = opened(PAGE)
    memory = mmap.mmap(fd, PAGE)
    equal(memory[0], 0)
    def store():
        memory[0:1] = b'x'
        memory.flush()
    equal(changes(store, 'file'), 'mc')


@case(needs='shared maps')
def times_after_unmapping():
    fd = opened(PAGE)
    memory = mmap.mmap(fd, PAGE)
    equal(memory[0], 0)
    def store():
        memory[0:1] = b'x'
        memory.close()
        os.close(fd)
    equal(changes(store, 'file'), 'mc')


@case(needs='shared maps')
def behind_the_end():
    fd = opened(PAGE + 10)
    memory = mmap.mmap(fd, PAGE + 10)
    os.ftruncate(fd, 2 * PAGE)
    equal(os.pread(fd, PAGE, PAGE), b'\0' * PAGE)
    memory[PAGE + 5:PAGE + 6] = b'x'
    equal(os.pread(fd, 6, PAGE), b'\0\0\0\0\0x')


@case(needs='shared maps')
def what_is_stored_behind_the_end_of_a_page_is_lost():
    fd = opened(100)
    memory = mmap.mmap(fd, 100)
    ctypes_view = (ctypes.c_char * PAGE).from_buffer(mmap_whole(fd))
    ctypes_view[200] = b'x'
    os.fsync(fd)
    os.ftruncate(fd, PAGE)
    equal(os.pread(fd, PAGE, 0), b'\0' * PAGE)
    equal(memory[:100], b'\0' * 100)


def mmap_whole(fd):
    """A mapping that reaches to the end of the page, which Python would not make."""
    os.ftruncate(fd, PAGE)
    memory = mmap.mmap(fd, PAGE)
    os.ftruncate(fd, 100)
    return memory


@case(needs='shared maps')
def a_fault_behind_the_end_is_a_signal():
    fd = opened(3 * PAGE)
    memory = mmap.mmap(fd, 3 * PAGE)
    os.ftruncate(fd, PAGE)
    pid = os.fork()
    if pid == 0:
        memory[2 * PAGE]
        os._exit(0)
    equal(os.waitpid(pid, 0)[1] & 0x7f, signal.SIGBUS)
    os.ftruncate(fd, 3 * PAGE)
    equal(memory[2 * PAGE], 0)


@case(needs='shared maps')
def outlives_the_descriptor_and_the_name():
    fd = opened(PAGE, b'content')
    memory = mmap.mmap(fd, PAGE)
    os.close(fd)
    os.unlink('file')
    memory[0:1] = b'C'
    memory.flush()
    equal(memory[:7], b'Content')


@case
def permissions():
    make('file', b'x' * PAGE)
    reading = os.open('file', os.O_RDONLY)
    fails('EACCES', mmap.mmap, reading, PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    mmap.mmap(reading, PAGE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)[0:1] = b'y'
    writing = os.open('file', os.O_WRONLY)
    fails('EACCES', mmap.mmap, writing, PAGE, mmap.MAP_SHARED, mmap.PROT_READ)
    equal(read('file'), b'x' * PAGE)


@case(needs='shared maps')
def written_from_its_own_mapping():
    fd = opened(2 * PAGE, b'x' * PAGE)
    memory = mmap.mmap(fd, 2 * PAGE)
    equal(os.pwrite(fd, memoryview(memory)[:PAGE], PAGE), PAGE)
    equal(os.pwrite(fd, memoryview(memory)[:PAGE], 100), PAGE)
    equal(read('file'), b'x' * (2 * PAGE))


@case(needs='shared maps')
def msync_makes_stores_readable_past_the_cache():
    fd = opened(PAGE)
    memory = mmap.mmap(fd, PAGE)
    memory[:] = b'x' * PAGE
    memory.flush()
    direct = os.open('file', os.O_RDONLY | os.O_DIRECT)
    target = mmap.mmap(-1, PAGE)
    equal(os.preadv(direct, [target], 0), PAGE)
    equal(target[:], b'x' * PAGE)


@case(needs='shared maps')
def a_hundred_pages_at_random():
    chooser = random.Random(1)
    fd = opened(100 * PAGE)
    memory = mmap.mmap(fd, 100 * PAGE)
    wanted = bytearray(100 * PAGE)
    for n in range(1000):
        at = chooser.randrange(100 * PAGE - 50)
        piece = bytes([n % 256]) * 50
        wanted[at:at + 50] = piece
        if n % 3:
            memory[at:at + 50] = piece
        else:
            os.pwrite(fd, piece, at)
        if n % 97 == 0:
            memory.flush()
    equal(os.pread(fd, 100 * PAGE, 0) == bytes(wanted), True)
