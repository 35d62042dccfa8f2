import { write, writeSync } from 'node:fs'
import { NOTIFY, REPLY_HEADER_SIZE } from './protocol.ts'

/**
 * Messages to the kernel that nobody asked for. They are written by a thread of the pool, because
 * the kernel may need answers to other requests before the write returns; the only exception is what
 * it is known to take at once.
 */
export class Notifications {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Writes back what is dirty from an offset on, then drops content and attributes. */
  async dropInode(ino: number, offset = 0): Promise<void> {
    await this.#notifyInode(ino, BigInt(offset))
  }

  /** Writes back what is dirty of a range, then drops it, and the attributes. */
  async dropRange(ino: number, offset: number, lengthBytes: number): Promise<void> {
    await this.#send(inodeMessage(ino, BigInt(offset), BigInt(lengthBytes)))
  }

  async dropAttributes(ino: number): Promise<void> {
    await this.#notifyInode(ino, -1n)
  }

  /** Requires: the kernel is not making or dropping the inode, which it would wait for. */
  dropAttributesNow(ino: number): void {
    try {
      writeSync(this.#fd, inodeMessage(ino, -1n))
    } catch (error) {
      if (!isHarmless(error)) throw error
    }
  }

  async #notifyInode(ino: number, offset: bigint): Promise<void> {
    await this.#send(inodeMessage(ino, offset))
  }

  /** Puts content into the cache; the file grows to where it ends. */
  async store(ino: number, offset: number, content: Uint8Array): Promise<void> {
    const message = newNotification(NOTIFY.STORE, 24 + content.length)
    message.writeBigUInt64LE(BigInt(ino), REPLY_HEADER_SIZE)
    message.writeBigUInt64LE(BigInt(offset), REPLY_HEADER_SIZE + 8)
    message.writeUInt32LE(content.length, REPLY_HEADER_SIZE + 16)
    message.set(content, REPLY_HEADER_SIZE + 24)
    await this.#send(message)
  }

  async dropEntry(parent: number, name: string): Promise<void> {
    const message = newNotification(NOTIFY.INVAL_ENTRY, 16 + name.length + 1)
    message.writeBigUInt64LE(BigInt(parent), REPLY_HEADER_SIZE)
    message.writeUInt32LE(name.length, REPLY_HEADER_SIZE + 8)
    message.write(name, REPLY_HEADER_SIZE + 16, 'latin1')
    await this.#send(message)
  }

  async #send(message: Buffer): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      write(this.#fd, message, 0, message.length, null, (error) => {
        if (error === null || isHarmless(error)) resolve()
        else reject(error)
      })
    })
  }
}

/** A length of 0 is all that is behind. */
function inodeMessage(ino: number, offset: bigint, lengthBytes = 0n): Buffer {
  const message = newNotification(NOTIFY.INVAL_INODE, 24)
  message.writeBigUInt64LE(BigInt(ino), REPLY_HEADER_SIZE)
  message.writeBigInt64LE(offset, REPLY_HEADER_SIZE + 8)
  message.writeBigInt64LE(lengthBytes, REPLY_HEADER_SIZE + 16)
  return message
}

/** What the kernel does not know it has nothing cached of; nor has it after the end. */
function isHarmless(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return ['ENOENT', 'ENODEV', 'ENOTCONN', 'ENOTDIR'].includes(code)
}

/** A message without a request: its number is 0, and its code stands where an error would. */
function newNotification(code: number, payloadSize: number): Buffer {
  const message = Buffer.alloc(REPLY_HEADER_SIZE + payloadSize)
  message.writeUInt32LE(message.length, 0)
  message.writeInt32LE(code, 4)
  return message
}
