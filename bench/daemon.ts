/**
 * Serves one mount, whose new files are atomic, until its parent closes the channel or is gone:
 *
 *   node daemon.js <volume> <mount point>
 */
import process from 'node:process'
import { pino } from 'pino'
import { Session } from '../src/session/session.ts'

const [, , volume = '', mountpoint = ''] = process.argv

const session = await Session.start({
  volume,
  mountpoint,
  source: volume,
  readOnly: false,
  newFiles: 'shared',
  noAccessTimes: false,
  allowOther: false,
  mountOptions: [],
  writebackCache: true,
  log: pino({ level: 'warn' }, pino.destination(2)),
})
process.on('disconnect', () => {
  session.stop().catch((error: unknown) => {
    process.stderr.write(`Cannot unmount "${mountpoint}": ${String(error)}\n`)
    process.exit(1)
  })
})
process.send?.({ mounted: true })
await session.ended
