/**
 * Ends the connection when the daemon was killed and cannot die. A thread of the daemon may be in
 * the kernel, waiting for pages to be written back, that is for an answer of the daemon itself.
 * Nothing interrupts that wait; killed then, the daemon stays, holds the device open, and whoever
 * looks at the mount hangs.
 *
 * So a shell waits beside it. It reads from a pipe that the daemon never writes to: the pipe ends
 * when the daemon has really ended, and the kernel sends SIGTERM when the daemon's main thread dies.
 * After a second it looks whether any of the daemon is left, and then forces the mount to its end.
 * If the mount is to come back by itself, the note on its output says first who has taken it away.
 * It has no descriptor of the device. It takes root, and util-linux's setpriv.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { MountNote } from './mount-note.ts'
import { isPrivileged } from './unmount.ts'

/**
 * `$1` is the daemon's process, `$2` the mount point. A daemon that has died, reaped or not, has no
 * second thread; then the mount is dead already, or another one by now, and must be left alone.
 */
const SCRIPT = `
trap : TERM
read -r _
tasks=/proc/$1/task mount=$2
for try in 1 2 3 4 5; do
  sleep 1
  set -- "$tasks"/*
  [ $# -gt 1 ] || exit 0
  printf W
  umount -i -c -f "$mount"
done`

export class Watchdog {
  readonly #shell: ChildProcess | undefined

  constructor(mountpoint: string, note?: MountNote) {
    if (!isPrivileged()) return
    const watch = ['/bin/sh', '-c', SCRIPT, 'sh', String(process.pid), mountpoint]
    this.#shell = spawn('setpriv', ['--pdeathsig', 'TERM', ...watch], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', note?.fd ?? 'ignore', 'ignore'],
    })
    // Without it the mount works, and a killed daemon may need "umount -f" by hand.
    this.#shell.on('error', () => undefined)
    this.#shell.unref()
  }

  /** The mount has ended in order. */
  dismiss(): void {
    this.#shell?.kill('SIGKILL')
    this.#shell?.stdin?.destroy()
  }
}
