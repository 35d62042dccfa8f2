/** Where the log of a mount goes. All of it is written at once, so that a crash loses none of it. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DestinationStream, type Logger, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'
import { CommandError, EXIT, messageOf } from './exit-codes.ts'
import type { MountSettings } from './mount-options.ts'

const STDERR = 2

/** Made in the volume's folder when a mount in the background has something to say. */
const LOG_NAME = 'oatomic.log'

/** Throws CommandError when the log's file cannot be written. */
export function openLog(volume: string, settings: MountSettings): Logger {
  const isQuiet = settings.logFile === undefined && !settings.foreground
  return pino(
    { level: settings.logLevel ?? (isQuiet ? 'warn' : 'info'), base: { pid: process.pid } },
    openDestination(volume, settings),
  )
}

/** The file that the log goes to; undefined for stderr. */
export function logFileOf(volume: string, settings: MountSettings): string | undefined {
  return settings.logFile ?? (settings.foreground ? undefined : join(volume, LOG_NAME))
}

function openDestination(volume: string, settings: MountSettings) {
  if (settings.logFile !== undefined) return openFile(settings.logFile)
  const file = logFileOf(volume, settings)
  if (file !== undefined) return lazyFile(file)
  return process.stderr.isTTY ? prettyTerminal() : openDescriptor(STDERR)
}

function openFile(path: string): DestinationStream {
  try {
    return openDescriptor(path)
  } catch (error) {
    throw new CommandError(EXIT.unusable, `Cannot write log "${path}": ${messageOf(error)}`)
  }
}

function openDescriptor(target: string | number): DestinationStream {
  const destination = pino.destination({ dest: target, sync: true })
  // A full disk or a closed terminal must not end the mount.
  destination.on('error', () => undefined)
  return destination
}

/** Opened for each line: most mounts never have one, and then there is no file. */
function lazyFile(path: string): DestinationStream {
  return {
    write(line) {
      try {
        appendFileSync(path, line, { mode: 0o600 })
      } catch {
        // There is nowhere else to say so.
      }
    },
  }
}

function prettyTerminal(): DestinationStream {
  const toText = prettyFactory({
    colorize: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid',
    singleLine: true,
  })
  const terminal = openDescriptor(STDERR)
  return {
    write(line) {
      terminal.write(toText(line))
    },
  }
}
