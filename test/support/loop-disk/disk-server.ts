/**
 * The process behind a loop disk: serves the file under a mount point until the parent ends it.
 *
 *   node disk-server.js <options as JSON>
 *
 * It must never look at the loop device or at what is mounted from it: it would wait for itself.
 */
import { openSync } from 'node:fs'
import process from 'node:process'
import { pino } from 'pino'
import { KernelSession } from '../../../src/fuse/kernel/session.ts'
import { DiskContent, type Patch } from './disk-content.ts'
import { DiskFaults, type Failure, type RequestKind } from './disk-faults.ts'
import { diskFilesystem } from './disk-filesystem.ts'
import { DiskLogWriter } from './disk-log.ts'

export interface DiskServerOptions {
  readonly mountpoint: string
  /** The file that holds the bytes. */
  readonly file: string
  readonly sizeBytes: number
  readonly isOverlay: boolean
  /** Where the log goes, if there is to be one. */
  readonly log?: string
}

export type DiskCommand =
  | { readonly verb: 'mark'; readonly label: string }
  | { readonly verb: 'fail'; readonly failure: Failure }
  | { readonly verb: 'hang'; readonly kind: RequestKind }
  | { readonly verb: 'heal' | 'waiting' }
  | { readonly verb: 'reset'; readonly patches: readonly Patch[]; readonly log?: string }

export interface DiskRequest {
  readonly number: number
  readonly command: DiskCommand
}

export interface DiskAnswer {
  /** 0: the disk is there. */
  readonly number: number
  readonly result?: number
  readonly error?: string
}

// eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by loop-disk.ts
const options = JSON.parse(process.argv[2] ?? '{}') as DiskServerOptions
const fd = openSync(options.file, 'r+')
const parts = {
  content: new DiskContent(fd, options.sizeBytes, options.isOverlay),
  faults: new DiskFaults(),
  log: options.log === undefined ? undefined : new DiskLogWriter(options.log),
}

function execute(command: DiskCommand): number | undefined {
  switch (command.verb) {
    case 'mark': {
      parts.log?.mark(command.label)
      return undefined
    }
    case 'fail': {
      parts.faults.fail(command.failure)
      return undefined
    }
    case 'hang': {
      parts.faults.hang(command.kind)
      return undefined
    }
    case 'heal': {
      parts.faults.heal()
      return undefined
    }
    case 'waiting': {
      return parts.faults.waitingCount
    }
    case 'reset': {
      parts.content.reset(command.patches)
      if (command.log !== undefined) parts.log = new DiskLogWriter(command.log)
      return undefined
    }
  }
}

const tell = (answer: DiskAnswer): void => {
  process.send?.(answer)
}

process.on('message', ({ number, command }: DiskRequest) => {
  try {
    const result = execute(command)
    tell({ number, ...(result !== undefined && { result }) })
  } catch (error) {
    tell({ number, error: String(error) })
  }
})
process.on('disconnect', () => process.exit(1))

const session = await KernelSession.start({
  filesystem: diskFilesystem(parts),
  mountpoint: options.mountpoint,
  source: 'loop disk',
  log: pino({ level: 'error' }, pino.destination(2)),
  onBug: (error) => {
    process.stderr.write(`The loop disk has failed: ${String(error)}\n`)
  },
  writebackCache: false,
})
tell({ number: 0 })
await session.ended
process.exit(0)
