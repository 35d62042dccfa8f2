/** Lines of Python with XFS's exchange ioctls, for programs of the tests. */
export const EXCHANGE = `
TO_EOF, DSYNC, DRY_RUN, FILE1_WRITTEN = 1, 2, 4, 8
def fields(fd1, at1, at2, length, flags, pad): return struct.pack('=iIQQQQ', fd1, pad, at1, at2, length, flags)
def exchange(fd1, fd2, at1=0, at2=0, length=0, flags=TO_EOF, pad=0):
    fcntl.ioctl(fd2, 0x40285881, fields(fd1, at1, at2, length, flags, pad))
def start_commit(fd1, fd2, at1=0, at2=0, length=0, flags=TO_EOF):
    argument = bytearray(fields(fd1, at1, at2, length, flags, 0) + bytes(48))
    fcntl.ioctl(fd2, 0x80585882, argument)
    return bytes(argument)
def commit(fd2, argument): fcntl.ioctl(fd2, 0x40585883, argument)
def error_of(work, *args, **named):
    try: work(*args, **named)
    except OSError as error: return errno.errorcode[error.errno]
    return 'done'
`
