/**
 * Damage that a reader comes across: told once to whoever watches the engine, and answered with
 * EIO. What is lost never reads as zeros.
 */
import { FsError } from '../errors.ts'
import type { BlockNo } from '../device/device.ts'
import type { Ino } from '../store/inode.ts'

export interface Damage {
  readonly ino: Ino
  /** In the file, in bytes. */
  readonly offset: number
  /** The data block, or undefined where the map itself is damaged. */
  readonly block: BlockNo | undefined
  readonly what: string
}

export function damageError({ ino, offset, block, what }: Damage): FsError {
  const where = block === undefined ? '' : `block ${block} `
  return new FsError('EIO', `Inode ${ino}, offset ${offset}: ${where}${what}`)
}
