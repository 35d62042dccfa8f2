/**
 * The daemon of one mount, for as long as its parent wants it:
 *
 *   node daemon.js <options as JSON>
 *
 * It says when the mount is live, and ends with 0 when the volume was closed in order.
 */
import process from 'node:process'
import { pino } from 'pino'
import { Session } from '../../../src/session/session.ts'
import type { DaemonMessage, DaemonOptions } from './mount.ts'

const tell = (message: DaemonMessage): void => {
  process.send?.(message)
}

try {
  // eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by mount.ts
  const options = JSON.parse(process.argv[2] ?? '{}') as DaemonOptions
  const session = await Session.start({
    ...options,
    source: options.volume,
    noAccessTimes: false,
    allowOther: false,
    log: pino({ level: process.env['OATOMIC_LOG'] ?? 'warn' }, pino.destination(2)),
  })
  // Without a parent there is nobody to unmount.
  process.on('disconnect', () => {
    session.stop().then(
      () => process.exit(1),
      () => process.exit(2),
    )
  })
  tell({ recovery: session.recovery })
  await session.ended
  process.removeAllListeners('disconnect')
  if (process.connected) process.disconnect()
} catch (error) {
  tell({ failure: String(error) })
  process.exitCode = 1
  if (process.connected) process.disconnect()
}
