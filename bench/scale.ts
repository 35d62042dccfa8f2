/** How much a run measures. The bounds of a figure hold for the full scale. */
const MIB = 1024 * 1024
const GIB = 1024 * MIB

export interface Scale {
  readonly name: 'full' | 'quick' | 'smoke'
  readonly roundCount: number
  /** How long one round commits. */
  readonly commitTimeMs: number
  readonly smallFileBytes: number
  readonly largeFileBytes: number
  readonly sequentialBytes: number
  /** Commits of 16 pages between two readings of what was written to the disk. */
  readonly countedCommits: number
  readonly extentCount: number
  readonly fileCount: number
  /** Files of an archive. */
  readonly archivedCount: number
  /** Entries of one large folder. */
  readonly entryCount: number
  readonly sqliteUpdates: number
  /** Free space that the run needs. */
  readonly spaceBytes: number
}

export const SCALES: Readonly<Record<Scale['name'], Scale>> = {
  full: {
    name: 'full',
    roundCount: 5,
    commitTimeMs: 1000,
    smallFileBytes: 64 * MIB,
    largeFileBytes: 4 * GIB,
    sequentialBytes: GIB,
    countedCommits: 8192,
    extentCount: 1_000_000,
    fileCount: 10_000,
    archivedCount: 5000,
    entryCount: 1_000_000,
    sqliteUpdates: 2000,
    spaceBytes: 10 * GIB,
  },
  quick: {
    name: 'quick',
    roundCount: 3,
    commitTimeMs: 300,
    smallFileBytes: 64 * MIB,
    largeFileBytes: 512 * MIB,
    sequentialBytes: 256 * MIB,
    countedCommits: 2048,
    extentCount: 100_000,
    fileCount: 2000,
    archivedCount: 1000,
    entryCount: 100_000,
    sqliteUpdates: 500,
    spaceBytes: 2 * GIB,
  },
  // Shows that everything works; its numbers mean nothing.
  smoke: {
    name: 'smoke',
    roundCount: 1,
    commitTimeMs: 50,
    smallFileBytes: 4 * MIB,
    largeFileBytes: 8 * MIB,
    sequentialBytes: 8 * MIB,
    countedCommits: 64,
    extentCount: 2000,
    fileCount: 50,
    archivedCount: 50,
    entryCount: 2000,
    sqliteUpdates: 20,
    spaceBytes: GIB / 2,
  },
}
