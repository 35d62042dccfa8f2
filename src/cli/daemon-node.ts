/** How Node.js is to run the daemon. */

/**
 * Staged content counts as garbage soon to come, and V8 begins with a heap so small that 17 MiB of it start a
 * collection: seven in a second of commits of 64 pages. From this size on, in MiB, it takes a third of that.
 */
const HEAP_MIB = 64

const THREAD_COUNT = 16

export const DAEMON_FLAGS: readonly string[] = [
  '--enable-source-maps',
  `--initial-old-space-size=${HEAP_MIB}`,
]

export const DAEMON_ENVIRONMENT = { UV_THREADPOOL_SIZE: String(THREAD_COUNT) } as const
