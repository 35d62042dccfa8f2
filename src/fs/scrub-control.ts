/**
 * The scrub as an attribute of the root: set to `start`, `start rate=BYTES` or `stop`; read, it says
 * how far the scrub is and what it has found, as `key=value` lines.
 */
import { FsError } from '../errors.ts'
import { type Ino, ROOT_INO } from '../store/inode.ts'
import type { ScrubFinding } from '../scrub/parts.ts'
import { SCRUB_RATE_DEFAULT, SCRUB_RATE_MIN, type Scrubber } from '../scrub/scrubber.ts'
import type { FsContext } from './context.ts'
import { Identity, ROOT } from './identity.ts'
import type { Caller } from './operations.ts'

export const SCRUB_NAME = 'user.atomic.scrub'

/** An attribute has 64 KiB at most. */
const FINDINGS_BYTES_MAX = 56 * 1024

/** Throws FsError ENODATA for any inode but the root. */
export function getScrub(context: FsContext, ino: Ino): string {
  const { status } = scrubberOf(context, ino)
  const lines = [
    `state=${status.state}`,
    `done_bytes=${status.doneBytes}`,
    `total_bytes=${status.totalBytes}`,
    `rate_bytes=${status.rateBytes}`,
    `findings=${status.findingCount}`,
    `mended=${status.mendedCount}`,
  ]
  let room = FINDINGS_BYTES_MAX
  for (const finding of status.findings) {
    const line = `finding=${toText(finding)}`
    room -= line.length + 1
    if (room < 0) break
    lines.push(line)
  }
  return `${lines.join('\n')}\n`
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** JSON in one line of ASCII. */
function toText(finding: ScrubFinding): string {
  return JSON.stringify(finding).replaceAll(/[^\x20-\x7e]/g, escape)
}

/** Starts or stops a scrub. Throws FsError EPERM, EINVAL, or EBUSY when one is running. */
export function setScrub(
  context: FsContext,
  ino: Ino,
  value: string,
  caller: Caller | undefined,
): void {
  const scrubber = scrubberOf(context, ino)
  if (caller === undefined || !mayScrub(new Identity(context.processes, caller))) {
    throw new FsError('EPERM', 'Only root and the user who mounted the volume may scrub it')
  }
  const [, command, digits] = /^(start|stop)(?: rate=(\d+))?$/.exec(value) ?? []
  if (command === 'start') {
    const rate = digits === undefined ? SCRUB_RATE_DEFAULT : Number(digits)
    if (!Number.isSafeInteger(rate) || rate < SCRUB_RATE_MIN) {
      throw new FsError('EINVAL', `The rate of a scrub is ${SCRUB_RATE_MIN} bytes a second or more`)
    }
    scrubber.start(rate)
  } else if (command === 'stop' && digits === undefined) {
    scrubber.stop()
  } else {
    throw new FsError('EINVAL', `${SCRUB_NAME} is "start", "start rate=BYTES" or "stop"`)
  }
}

function mayScrub(who: Identity): boolean {
  return who.uid === 0 || who.uid === process.getuid?.() || who.has('SYS_ADMIN', ROOT)
}

function scrubberOf({ scrubber }: FsContext, ino: Ino): Scrubber {
  if (ino !== ROOT_INO) throw new FsError('ENODATA', `${SCRUB_NAME} belongs to the root`)
  if (scrubber !== undefined) return scrubber
  throw new FsError('EOPNOTSUPP', 'This volume cannot be scrubbed')
}
