/**
 * Reads what strace has written of a process's file calls:
 *
 *   strace -f --seccomp-bpf -y -xx -s BIG -e signal=none -e trace=… -o FILE …
 *
 * A call that another thread interrupts takes two lines, so a call has a begin and an end. strace
 * writes the end before the call returns to the program, so a mark is simply the size of its file.
 */
import { invariant } from '../../src/errors.ts'

/** The calls that change files or make them durable, and those that tell which file it is. */
const TRACED_CALLS =
  'openat,open,creat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range,' +
  'truncate,ftruncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,' +
  'link,linkat,symlink,symlinkat,lseek,dup,dup2,dup3,copy_file_range,sendfile'

const STRING_SIZE_MAX = 16 * 1024 * 1024

/** What comes before the command line. Of longer strings only the begin is shown. */
export function straceCommand(output: string, stringSizeMax = STRING_SIZE_MAX): string[] {
  const format = ['-f', '--seccomp-bpf', '-y', '-xx', '-s', String(stringSizeMax)]
  return ['strace', ...format, '-e', 'signal=none', '-e', `trace=${TRACED_CALLS}`, '-o', output]
}

export interface TracedCall {
  readonly name: string
  /** As strace shows it, what is between the brackets. */
  readonly parameters: string
  /** As strace shows it; undefined while the call has not ended. */
  result: string | undefined
}

export type TraceEvent =
  | { readonly type: 'begin' | 'end'; readonly call: TracedCall; readonly at: number }
  | { readonly type: 'mark'; readonly at: number }

/** Begins and ends of calls in order, `at` the place in the file; marks are such places. */
export function readTrace(text: string, marks: readonly number[]): TraceEvent[] {
  const events: TraceEvent[] = []
  const open = new Map<string, TracedCall>()
  let nextMark = 0
  for (let at = 0; at < text.length;) {
    for (; (marks[nextMark] ?? Infinity) <= at; nextMark++) events.push({ type: 'mark', at })
    const end = text.indexOf('\n', at)
    events.push(...readLine(text.slice(at, end), at, open))
    at = end + 1
  }
  for (; nextMark < marks.length; nextMark++) events.push({ type: 'mark', at: text.length })
  return events
}

const UNFINISHED = ' <unfinished ...>'

function readLine(line: string, at: number, open: Map<string, TracedCall>): TraceEvent[] {
  const space = line.indexOf(' ')
  const thread = line.slice(0, space)
  const rest = line.slice(space).trimStart()
  if (rest.startsWith('+++') || rest.startsWith('---')) return []
  if (rest.startsWith('<... ')) return readEnd(rest, at, thread, open)
  const bracket = rest.indexOf('(')
  const name = rest.slice(0, bracket)
  if (rest.endsWith(UNFINISHED)) {
    const parameters = rest.slice(bracket + 1, -UNFINISHED.length)
    const call: TracedCall = { name, parameters, result: undefined }
    open.set(thread, call)
    return [{ type: 'begin', call, at }]
  }
  // Strings are in hexadecimal digits, so this is nowhere else.
  const equals = rest.lastIndexOf(' = ')
  // The process was killed in the call.
  if (equals < 0) {
    const call: TracedCall = { name, parameters: rest.slice(bracket + 1), result: undefined }
    return [{ type: 'begin', call, at }]
  }
  const parameters = rest
    .slice(bracket + 1, equals)
    .trimEnd()
    .slice(0, -1)
  const call: TracedCall = { name, parameters, result: rest.slice(equals + 3) }
  return [
    { type: 'begin', call, at },
    { type: 'end', call, at },
  ]
}

function readEnd(
  rest: string,
  at: number,
  thread: string,
  open: Map<string, TracedCall>,
): TraceEvent[] {
  const call = open.get(thread)
  invariant(call !== undefined, 'a call that is resumed has begun')
  open.delete(thread)
  const close = rest.lastIndexOf(' = ')
  if (close < 0) return []
  call.result = rest.slice(close + 3)
  return [{ type: 'end', call, at }]
}

/** A descriptor with its path, as in `23<\x2f\x74>`; undefined for none. */
export function descriptorOf(
  text: string,
): { readonly fd: number; readonly path: string } | undefined {
  const [, fd, path] = /^(\d+)<([^>]*)>/.exec(text) ?? []
  if (fd === undefined || path === undefined) return undefined
  return { fd: Number(fd), path: unhex(path).toString() }
}

/** All strings among parameters, as bytes. */
export function stringsIn(parameters: string): Buffer[] {
  const strings: Buffer[] = []
  for (let at = parameters.indexOf('"'); at >= 0; at = parameters.indexOf('"', at)) {
    const end = parameters.indexOf('"', at + 1)
    strings.push(unhex(parameters.slice(at + 1, end)))
    at = end + 1
  }
  return strings
}

/** The last numbers among parameters, of which there are so many. */
export function numbersAtEnd(parameters: string, count: number): number[] {
  // What comes before may be very long.
  const words = parameters.slice(-200).split(', ').slice(-count)
  return words.map((word) => Number.parseInt(word, 10))
}

function unhex(text: string): Buffer {
  return Buffer.from(text.replaceAll(String.raw`\x`, ''), 'hex')
}
