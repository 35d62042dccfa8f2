/** What a sampled stack of the daemon was busy with. */

export const CATEGORIES = [
  'requests in',
  'answers out',
  'sleep and wake',
  'the disk',
  'checksums',
  'index',
  'JavaScript',
  'garbage',
  'Node.js, C',
] as const

export type Category = (typeof CATEGORIES)[number]

/** By what stands anywhere in the stack; the first that fits counts. */
const BY_STACK: readonly (readonly [Category, RegExp])[] = [
  ['index', /leveldb::|classic-level/],
  ['requests in', /fuse_dev_do_read/],
  ['answers out', /fuse_dev_do_write/],
  ['the disk', /ext4_|xfs_|btrfs_|blk_|iomap_dio|submit_bio|f(data)?sync|pwrite64/],
  ['sleep and wake', /epoll|futex|__schedule|poll_idle/],
  [
    'garbage',
    /Scaveng|MarkCompact|ConcurrentMarking|IncrementalMarking|Sweep|Heap::CollectGarbage/,
  ],
]

/** By the function that runs. */
const BY_LEAF: readonly (readonly [Category, RegExp])[] = [
  ['checksums', /crc32\./],
  ['JavaScript', /JS:|Builtins_|perf-\d+\.map/],
]

/** Microseconds of processor time in each category, from the output of `perf script`. */
export function sumUp(script: string, sampleMicroseconds: number): Map<Category, number> {
  const sums = new Map<Category, number>(CATEGORIES.map((category) => [category, 0]))
  for (const stack of script.split('\n\n')) {
    const [, leaf] = stack.trim().split('\n')
    if (leaf === undefined) continue
    const category = categoryOf(stack, leaf)
    sums.set(category, (sums.get(category) ?? 0) + sampleMicroseconds)
  }
  return sums
}

function categoryOf(stack: string, leaf: string): Category {
  const fits = ([, pattern]: readonly [Category, RegExp]): boolean => pattern.test(stack)
  return (
    BY_STACK.find(fits)?.[0] ??
    BY_LEAF.find(([, pattern]) => pattern.test(leaf))?.[0] ??
    'Node.js, C'
  )
}
