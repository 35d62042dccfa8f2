/**
 * Has a mount come back by itself: a shell starts the daemon, waits, and starts it again when it was
 * killed or has crashed. It is a shell because it does nothing but wait, in 1 MiB where Node.js takes
 * 40. Nobody looks after the shell itself: if it is killed, the mount goes on as one without it.
 *
 * It ends for good when the daemon ends in order or says that another try is of no use (an exit code
 * below those of RETRY), when it is told to end, and at the fifth death within a minute. The last life
 * that it starts then only writes that into the log.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { RETRY } from './daemon-link.ts'

const SHELL = '/bin/sh'
const NAME = 'oatomic-restart'
const DEATHS_WITHIN_S = 60
const RETRY_AFTER_S = 5

/**
 * `$1` is the mount point, by which the shell is found; `$2` what a hangup does; the rest starts the
 * daemon, which is also told which life it is and the status with which the last one ended. Until
 * `wait` has not been interrupted by a signal, its status is not the daemon's.
 * The pipe of its stderr is one to a command that has long ended.
 */
const SCRIPT = `
hangup=$2
shift 2
daemon= stopped= life=first status=0 first= second= third= fourth=
stop() {
  interrupted=1 stopped=1
  [ -z "$daemon" ] || kill -TERM "$daemon" 2>/dev/null
}
trap stop TERM INT
trap "$hangup" HUP
trap '' PIPE
while [ -z "$stopped" ]; do
  "$@" "$life" "$status" &
  daemon=$!
  [ -z "$stopped" ] || kill -TERM "$daemon" 2>/dev/null
  while
    interrupted=
    wait "$daemon" 2>/dev/null
    status=$?
    [ -n "$interrupted" ]
  do :; done
  daemon=
  [ "$status" -ge 128 ] || [ "$status" = ${RETRY.crashed} ] || [ "$status" = ${RETRY.notStarted} ] || exit "$status"
  [ "$life" != over ] || exit 5
  read -r now _ </proc/uptime
  now=\${now%.*} life=again
  if [ -n "$first" ] && [ $((now - first)) -lt ${DEATHS_WITHIN_S} ]; then life=over; fi
  first=$second second=$third third=$fourth fourth=$now
  if [ "$status" = ${RETRY.notStarted} ] && [ -z "$stopped" ]; then sleep ${RETRY_AFTER_S} & wait $!; fi
done
exit 5`

/** The command that runs \`daemon\` and supervises it. */
export function supervised(
  mountpoint: string,
  foreground: boolean,
  daemon: readonly string[],
): readonly [string, readonly string[]] {
  const hangup = foreground ? 'stop' : ''
  return [SHELL, ['-c', SCRIPT, NAME, mountpoint, hangup, ...daemon]]
}

/** The process that has a mount come back on one of these paths; undefined if none does. */
export function supervisorOf(mountpoints: readonly string[]): number | undefined {
  const pid = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name)) return false
    const [shell, , , called, mountpoint = ''] = commandLineOf(name)
    return shell === SHELL && called === NAME && mountpoints.includes(mountpoint)
  })
  return pid === undefined ? undefined : Number(pid)
}

function commandLineOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}
