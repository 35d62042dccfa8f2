/** Tells images apart by their content, quickly: most blocks of one image are those of the one before. */
import type { DeviceImage } from '../../src/device/memory-device.ts'

/** Two independent sums of 32 bits; their order of adding does not matter. */
class Sum {
  #first = 0
  #second = 0

  add(place: number, content: number): void {
    this.#first = (this.#first + mix(content ^ Math.imul(place, 0x9e3779b1))) | 0
    this.#second = (this.#second + mix(Math.imul(content, 0x85ebca6b) + mix(place))) | 0
  }

  toString(): string {
    return `${this.#first}.${this.#second}`
  }
}

/** Equal for equal images; for others only by a chance of about 2 to the -60. */
export function imageHash(image: DeviceImage): string {
  const sum = new Sum()
  sum.add(1, image.blockCount)
  for (const [block, data] of image.ring) addBytes(sum, block * 8 + 2, data)
  for (const [block, data] of image.blocks) addBytes(sum, block * 8 + 3, data)
  for (const [copy, data] of image.superblocks.entries()) addBytes(sum, copy * 8 + 4, data)
  for (const [key, value] of image.index) addBytes(sum, textHash(key) * 8 + 5, value)
  return sum.toString()
}

/** Hashes of buffers that were seen; none of them is ever changed. */
const known = new WeakMap<Uint8Array, readonly [number, number]>()

function addBytes(sum: Sum, place: number, data: Uint8Array): void {
  let hashes = known.get(data)
  if (hashes === undefined) {
    hashes = [bytesHash(data, 0x2545f491), bytesHash(data, 0x6c8e9cf5)]
    known.set(data, hashes)
  }
  sum.add(place, hashes[0])
  sum.add(place + 1, hashes[1])
}

function bytesHash(data: Uint8Array, seed: number): number {
  let hash = seed ^ data.length
  const wordCount = data.byteOffset % 4 === 0 ? data.length >>> 2 : 0
  const words = new Uint32Array(data.buffer, wordCount === 0 ? 0 : data.byteOffset, wordCount)
  for (const word of words) hash = Math.imul(hash ^ word, 0x01000193) ^ (hash >>> 15)
  for (let i = wordCount * 4; i < data.length; i++) {
    hash = Math.imul(hash ^ (data[i] ?? 0), 0x01000193) ^ (hash >>> 15)
  }
  return mix(hash)
}

function textHash(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mix(hash) >>> 4
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x7feb352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
  return mixed ^ (mixed >>> 16)
}
