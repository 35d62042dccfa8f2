/**
 * What the lives of a mount that is started again tell each other: whether its place in the mount
 * table, found bare, was bared by themselves. If not, somebody has unmounted, and that counts.
 *
 * It is a file that all lives inherit, without a name, so that it is gone with the last of them. Each
 * word is one letter, and the last one counts. A word is written before the step that it is about, so
 * that no moment of being killed leaves a bare place unexplained:
 *
 *   M   the mount is there: whoever takes it away now is not one of us
 *   C   a daemon clears the dead mount away, to mount again
 *   W   a watchdog forces the mount of a daemon that cannot die to its end
 */
import { fstatSync, readSync, writeSync } from 'node:fs'

const MOUNTED = 'M'
const CLEARING = 'C'

export class MountNote {
  readonly fd: number

  constructor(fd: number) {
    this.fd = fd
  }

  mounted(): void {
    writeSync(this.fd, MOUNTED)
  }

  clearing(): void {
    writeSync(this.fd, CLEARING)
  }

  /** Whether nobody has unmounted if nothing is mounted. So it is before the first mount, too. */
  get explainsBare(): boolean {
    const last = Buffer.alloc(1)
    readSync(this.fd, last, 0, 1, Math.max(0, fstatSync(this.fd).size - 1))
    return last.toString() !== MOUNTED
  }
}
