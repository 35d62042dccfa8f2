/**
 * A process that mounts a MemoryFilesystem and does what its parent tells it:
 *
 *   node daemon.js <mountpoint> <options as JSON>
 */
import { createHash } from 'node:crypto'
import process from 'node:process'
import { pino } from 'pino'
import { KernelLink } from '../../../src/fuse/kernel/kernel-link.ts'
import { KernelSession } from '../../../src/fuse/kernel/session.ts'
import { NO_TIMEOUTS } from '../../../src/fuse/timeouts.ts'
import { MemoryFilesystem } from './memory-filesystem.ts'
import type { DaemonCommand, DaemonOptions } from './mounted.ts'

const [, , mountpoint = '', optionsText = '{}'] = process.argv
// eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by mounted.ts
const options = JSON.parse(optionsText) as DaemonOptions

const link = new KernelLink()
const filesystem = new MemoryFilesystem({ discardWrites: options.discardWrites === true })
const bugs: string[] = []
let letSyncsGo = (): void => undefined

async function execute({ verb, ino, size = 0, text = '' }: DaemonCommand): Promise<unknown> {
  switch (verb) {
    case 'resize': {
      filesystem.resize(ino, size)
      await link.resize(ino, size)
      return undefined
    }
    case 'invalidate': {
      await link.invalidate(ino)
      return undefined
    }
    case 'hold-syncs': {
      filesystem.syncsWaitFor = new Promise((resolve) => (letSyncsGo = resolve))
      return undefined
    }
    case 'let-syncs-go': {
      letSyncsGo()
      return undefined
    }
    case 'replace': {
      filesystem.node(ino).content.write(text)
      return undefined
    }
    case 'digest': {
      const { content, attributes } = filesystem.node(ino)
      return createHash('sha256').update(content.subarray(0, attributes.size)).digest('hex')
    }
    case 'state': {
      return {
        bugs,
        size: filesystem.nodes.get(ino)?.attributes.size,
        lookupCount: filesystem.nodes.get(ino)?.lookupCount,
        mtimeMs: Number((filesystem.nodes.get(ino)?.attributes.mtimeNs ?? 0n) / 1_000_000n),
        openCount: filesystem.nodes.get(ino)?.openCount,
        openedCount: filesystem.openedCount,
        syncingPid: filesystem.syncingPid,
      }
    }
    default: {
      throw new Error(`Unknown verb ${String(verb)}`)
    }
  }
}

const session = await KernelSession.start({
  filesystem,
  mountpoint,
  source: options.source ?? '/a volume',
  log: pino({ level: options.logLevel ?? 'warn' }, pino.destination(2)),
  onBug: (error) => bugs.push(String(error)),
  link,
  ...(options.noTimeouts === true && { timeouts: NO_TIMEOUTS }),
  ...(options.writebackCache !== undefined && { writebackCache: options.writebackCache }),
  ...(options.mountOptions !== undefined && { mount: { standard: options.mountOptions } }),
})

process.on('message', (command: DaemonCommand) => {
  execute(command).then(
    (result) => process.send?.({ number: command.number, result }),
    (error: unknown) => process.send?.({ number: command.number, error: String(error) }),
  )
})
process.send?.({ mounted: true })
await session.ended
if (process.connected) process.disconnect()
