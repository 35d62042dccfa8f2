/**
 * Ends a daemon that waits for the disk for too long, and the mount of one that cannot die.
 *
 * The main thread may be in the kernel, in a write or a flush that the disk does not answer; then no
 * code of the daemon runs that could say so. Or a thread of the daemon waits for pages to be written
 * back, that is for an answer of the daemon itself. Nothing interrupts either wait: killed then, the
 * daemon stays, holds the FUSE device open, and whoever looks at the mount hangs.
 *
 * So a shell waits beside it. Every five seconds it looks whether the main thread has run, by the
 * sign that the kernel's own detector of hung tasks goes by: the count of its context switches, which
 * a timer of the daemon moves every second. A thread that was stopped, or a disk that still completes
 * requests, is left alone. After ten seconds without a sign it writes to the log; after `iotimeout` it
 * kills the daemon, as it would do of itself if it could. The kernel sends the shell SIGTERM when the
 * daemon's main thread dies; if any of the daemon is left a second later, its connection is forced to
 * its end, and who uses the mount gets errors. The main thread itself may be what waits, when it is the
 * last to let go of a file that the daemon has mapped (`fuse/kernel/write-backs.ts`): no signal comes
 * then, so every second the shell looks whether it is ending. A shell takes 2 MB and no time to start; a thread of
 * Node.js takes 10 MB and 20 ms, and could not outlive the daemon. It has no descriptor of the FUSE
 * device. Forcing the end takes root; pdeathsig takes util-linux's setpriv.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { MountNote } from '../fuse/kernel/mount-note.ts'

/**
 * `$1` is the daemon's process, `$2` the mount point, `$3` and `$4` that and the source as they stand
 * in the mount table, `$5` the timeout in seconds, `$6` the statistics of the disk, `$7` the log or
 * nothing. A shell cannot wait with a limit, so `sleep` does it.
 */
const SCRIPT = `
pid=$1 mount=$2 place=$3 source=$4 timeout=$5 statistics=$6 log=$7 isDead=
trap isDead=1 TERM

# Sets state, switches and ticks of the main thread; fails when it is dead.
look() {
  state= switches=0
  while read -r name value _; do
    case $name in
      State:) state=$value ;;
      *_ctxt_switches:) switches=$((switches + value)) ;;
    esac
  done 2>/dev/null < "/proc/$pid/task/$pid/status"
  { read -r line < "/proc/$pid/task/$pid/stat"; } 2>/dev/null || return 1
  set -- \${line##*) }
  ticks=$((\${12} + \${13}))
  case $state in Z*|X*|'') return 1 ;; esac
}

# Whether the main thread was told to end (PF_EXITING), and is still there.
ends() {
  { read -r line < "/proc/$pid/task/$pid/stat"; } 2>/dev/null || return 1
  set -- \${line##*) }
  [ $(($7 & 4)) -ne 0 ]
}

# Sets done to what the disk has completed.
count() {
  done=
  { read -r line < "$statistics"; } 2>/dev/null || return 0
  set -- $line
  done="$1 $5 \${16}"
}

# In the background, as the log may be on the disk that hangs.
say() {
  now=$(date +%s)
  text="{\\"level\\":$1,\\"time\\":\${now}000,\\"pid\\":$pid,\\"seconds\\":$seconds,\\"msg\\":\\"$2\\"}"
  if [ -n "$log" ]; then { printf '%s\\n' "$text" >> "$log"; } 2>/dev/null &
  else printf '%s\\n' "$text" >&2 & fi
}

# Whether any thread of the daemon is left that has not ended.
lives() {
  for task in /proc/$pid/task/*; do
    while read -r name value _; do
      [ "$name" = State: ] || continue
      case $value in Z*|X*) ;; *) return 0 ;; esac
    done 2>/dev/null < "$task/status"
  done
  return 1
}

# Ends the mount, if it is still the daemon's.
force() {
  found=
  while read -r name value type _; do
    [ "$value" = "$place" ] && found="$name $type"
  done < /proc/self/mounts
  [ "$found" = "$source fuse.oatomic" ] || return 0
  # For the next life of a mount that comes back by itself: who has taken it away.
  printf W
  umount -i -c -f "$mount"
}

idle=0 seconds=0 isSaid= before=0 ticksBefore=0 doneBefore=
while [ -z "$isDead" ] && look; do
  count
  moved=$((switches - before)) worked=$((ticks - ticksBefore))
  # The daemon's timer wakes it every second; the kernel wakes a wait for the disk once a minute.
  case $((moved < 3 && worked < 10))$state in
    1[DS])
      seconds=$((seconds + 5))
      [ -n "$done" ] && [ "$done" != "$doneBefore" ] || idle=$((idle + 5)) ;;
    *)
      [ -n "$isSaid" ] && say 40 'the disk has answered the daemon'
      idle=0 seconds=0 isSaid= ;;
  esac
  before=$switches ticksBefore=$ticks doneBefore=$done
  if [ "$seconds" -ge 10 ] && [ -z "$isSaid" ]; then
    isSaid=1
    say 40 'the daemon waits for the disk, which has not answered'
  fi
  if [ "$timeout" -gt 0 ] && { [ "$idle" -ge "$timeout" ] || [ "$seconds" -ge $((timeout * 10)) ]; }
  then
    say 60 'the disk has not answered; the daemon ends, the next mount recovers the volume'
    kill -KILL "$pid"
    break
  fi
  for second in 1 2 3 4 5; do
    ends && isDead=1
    [ -z "$isDead" ] || break
    sleep 1 2>/dev/null & wait $!
  done
done
exec 2>/dev/null
for try in 1 2 3 4 5; do
  sleep 1
  lives || exit 0
  force
done`

export interface WatchdogOptions {
  readonly mountpoint: string
  readonly source: string
  readonly timeoutSeconds: number
  /** File with what the disk has done. */
  readonly statistics: string
  /** Without it the shell writes to stderr. */
  readonly logFile?: string
  /** Where the lives of a mount that comes back leave word. */
  readonly note?: MountNote
}

export class Watchdog {
  readonly #shell: ChildProcess

  constructor(options: WatchdogOptions) {
    const { mountpoint, source, timeoutSeconds, statistics, logFile = '', note } = options
    const place = [
      mountpoint,
      escapeField(mountpoint),
      escapeField(source).replaceAll('#', '\\043'),
    ]
    const what = [String(process.pid), ...place, String(timeoutSeconds), statistics, logFile]
    this.#shell = spawn(
      'setpriv',
      ['--pdeathsig', 'TERM', '/bin/sh', '-c', SCRIPT, 'sh', ...what],
      {
        cwd: '/',
        detached: true,
        stdio: ['ignore', note?.fd ?? 'ignore', logFile === '' ? 'inherit' : 'ignore'],
      },
    )
    // Without it the mount works, and a daemon that hangs may need "umount -f" by hand.
    this.#shell.on('error', () => undefined)
    this.#shell.unref()
  }

  /** The volume is closed. */
  dismiss(): void {
    const { pid } = this.#shell
    try {
      // The shell and what it waits for: it leads a group of its own.
      if (pid !== undefined) process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
}

/** As the mount table shows it. */
function escapeField(path: string): string {
  return path.replaceAll(/[ \t\n\\]/g, (character) => {
    return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`
  })
}
