/** Random values that several property tests need. */
import * as fc from 'fast-check'
import { type Inode, newInode } from '../../src/store/inode.ts'

export const RUN = { timeout: 20_000 } as const

fc.configureGlobal(
  process.env['OATOMIC_SEED'] === undefined ? {} : { seed: Number(process.env['OATOMIC_SEED']) },
)

export const u32 = (): fc.Arbitrary<number> => fc.nat(0xffff_ffff)
export const i64 = (): fc.Arbitrary<bigint> => fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)

/** A byte string: characters of 0 to 255. */
export const latin1 = (maxLength = 30): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1'))

export const inode = (): fc.Arbitrary<Inode> =>
  fc
    .record({
      ino: fc.maxSafeNat(),
      mode: u32(),
      uid: u32(),
      gid: u32(),
      nlink: u32(),
      rdev: u32(),
      flags: u32(),
      mapGeneration: u32(),
      size: fc.maxSafeNat(),
      blockCount: fc.maxSafeNat(),
      atimeNs: i64(),
      mtimeNs: i64(),
      ctimeNs: i64(),
      btimeNs: i64(),
      commitSeq: fc.maxSafeNat(),
      parent: fc.maxSafeNat(),
      entryCount: fc.maxSafeNat(),
      cookieNext: fc.maxSafeNat(),
      target: fc.uint8Array({ maxLength: 4095 }),
    })
    .map((fields) => ({ ...newInode(fields.ino, 0, 0n), ...fields }))
