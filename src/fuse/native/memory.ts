/**
 * Memory of libfuse and of the addon, in this process. It is looked at only while the thread that it
 * belongs to waits for an answer.
 */
import { openSync, readSync } from 'node:fs'
import koffi from 'koffi'

export type Address = bigint

const library = koffi.load('libc.so.6')

const copyFrom = library.func('void* memcpy(void*, uintptr_t, size_t)') as (
  target: Uint8Array,
  source: Address,
  lengthBytes: number,
) => void

const copyTo = library.func('void* memcpy(uintptr_t, void*, size_t)') as (
  target: Address,
  source: Uint8Array,
  lengthBytes: number,
) => void

const strlen = library.func('size_t strlen(uintptr_t)') as (text: Address) => number

export function readMemory(address: Address, lengthBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(lengthBytes)
  copyFrom(bytes, address, lengthBytes)
  return bytes
}

export function writeMemory(address: Address, bytes: Uint8Array): void {
  copyTo(address, bytes, bytes.length)
}

/** A string that ends with a NUL, as one character for each byte. */
export function readString(address: Address): string {
  return readMemory(address, strlen(address)).toString('latin1')
}

/** Where memory lies; it stays there as long as somebody holds `memory`. */
export function addressOf(memory: Uint8Array): Address {
  return koffi.address(memory)
}

/** Looks at memory that may not be there: through the kernel, which says so instead of crashing. */
export class MemoryProbe {
  readonly #fd = openSync('/proc/self/mem', 'r')

  /** As many bytes as there are, up to `lengthBytes`. */
  read(address: Address, lengthBytes: number): Buffer {
    const bytes = Buffer.alloc(lengthBytes)
    try {
      return bytes.subarray(0, readSync(this.#fd, bytes, 0, lengthBytes, address))
    } catch {
      return bytes.subarray(0, 0)
    }
  }
}
