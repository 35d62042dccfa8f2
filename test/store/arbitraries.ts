/** Random values that several property tests need. */
import * as fc from 'fast-check'
import { COUNTER_MAX } from '../../src/bytes.ts'
import { FILE_SIZE_MAX, type Inode, newInode } from '../../src/store/inode.ts'

export const RUN = { timeout: 20_000 } as const

fc.configureGlobal(
  process.env['OATOMIC_SEED'] === undefined ? {} : { seed: Number(process.env['OATOMIC_SEED']) },
)

export const u32 = (): fc.Arbitrary<number> => fc.nat(0xffff_ffff)
/** What is counted up in a volume. */
export const counter = (): fc.Arbitrary<number> => fc.nat(COUNTER_MAX)
export const i64 = (): fc.Arbitrary<bigint> => fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)

/** A byte string: characters of 0 to 255. */
export const latin1 = (maxLength = 30): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1'))

export const inode = (): fc.Arbitrary<Inode> =>
  fc
    .record({
      ino: fc.maxSafeNat(),
      mode: fc.nat(0xffff),
      uid: u32(),
      gid: u32(),
      nlink: fc.nat(0xffff_fffe),
      rdev: u32(),
      flags: fc.nat(0x7fff_ffff),
      mapGeneration: fc.nat(0xffff_fffe),
      size: fc.nat(FILE_SIZE_MAX),
      blockCount: fc.nat(0xffff_fffe),
      atimeNs: i64(),
      mtimeNs: i64(),
      ctimeNs: i64(),
      btimeNs: i64(),
      commitSeq: counter(),
      parent: counter(),
      entryCount: counter(),
      cookieNext: counter(),
      target: fc.uint8Array({ maxLength: 4095 }),
    })
    .map((fields) => ({ ...newInode(fields.ino, 0, 0n), ...fields }))
