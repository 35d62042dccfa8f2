/**
 * Mounting without being root: the set-user-id program fusermount3 opens the device, mounts it, and
 * passes the descriptor on over a socket (SCM_RIGHTS).
 */
import { closeSync } from 'node:fs'
import { FsError } from '../../errors.ts'
import { runCommand } from './command.ts'
import { addressOf, lastErrno, recvmsg, setNonBlocking, socketpair } from './libc.ts'
import { INSTALL_FUSE_HINT } from './unmount.ts'

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0o2000000
const SCM_RIGHTS = 1
const MSG_DONTWAIT = 0x40
const MSG_CMSG_CLOEXEC = 0x4000_0000

// A control message: its length, the level, the type, and one descriptor, padded to 8 bytes.
const CONTROL_SIZE = 24
const CONTROL_TYPE_OFFSET = 12
const CONTROL_FD_OFFSET = 16
const MESSAGE_HEADER_SIZE = 56

/** Mounts and returns the device, which reads without waiting. Throws FsError. */
export async function mountByHelper(
  mountpoint: string,
  options: readonly string[],
): Promise<number> {
  const [ours, theirs] = openSocketPair()
  try {
    const result = await runCommand('fusermount3', ['-o', options.join(','), '--', mountpoint], {
      fd: theirs,
      environment: { _FUSE_COMMFD: '3' },
      hint: INSTALL_FUSE_HINT,
    })
    if (!result.succeeded) {
      throw new FsError('EPERM', `Cannot mount on "${mountpoint}": ${explain(result.message)}`)
    }
    const fd = receiveDescriptor(ours)
    setNonBlocking(fd)
    return fd
  } finally {
    closeSync(ours)
    closeSync(theirs)
  }
}

/** What it says, and what to do about it where that is not plain. */
function explain(message: string): string {
  const isClosed = /open \/dev\/fuse: Permission denied/.test(message)
  return isClosed ? `${message}; let users open it: chmod 666 /dev/fuse` : message
}

function openSocketPair(): readonly [number, number] {
  const pair = Buffer.alloc(8)
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) {
    throw new FsError('EIO', `Cannot make a socket: errno ${String(lastErrno())}`)
  }
  return [pair.readInt32LE(0), pair.readInt32LE(4)]
}

/** Requires: the sender has ended, so what it sent is there. */
function receiveDescriptor(socket: number): number {
  const byte = Buffer.alloc(1)
  const control = Buffer.alloc(CONTROL_SIZE)
  const pieces = Buffer.alloc(16)
  pieces.writeBigUInt64LE(addressOf(byte), 0)
  pieces.writeBigUInt64LE(BigInt(byte.length), 8)
  const message = Buffer.alloc(MESSAGE_HEADER_SIZE)
  message.writeBigUInt64LE(addressOf(pieces), 16)
  message.writeBigUInt64LE(1n, 24)
  message.writeBigUInt64LE(addressOf(control), 32)
  message.writeBigUInt64LE(BigInt(CONTROL_SIZE), 40)
  const length = recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
  if (length < 0 || control.readInt32LE(CONTROL_TYPE_OFFSET) !== SCM_RIGHTS) {
    throw new FsError('EIO', 'fusermount3 has passed no descriptor on')
  }
  return control.readInt32LE(CONTROL_FD_OFFSET)
}
