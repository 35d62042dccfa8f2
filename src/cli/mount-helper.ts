/**
 * The program as mount(8) calls it: `mount.fuse.oatomic SOURCE DIRECTORY [-sfnv] [-N NAMESPACE]
 * [-o OPTIONS] [-t TYPE]`. It is the mount command, with three differences: `-f` is mount(8)'s own, to do
 * all but mount; exit codes are of mount(8)'s kind; and `nofail` means that a volume may be absent.
 */
import { existsSync } from 'node:fs'
import { CommandError, EXIT, type ExitCode, exitCodeOf, messageOf } from './exit-codes.ts'
import { splitOptions } from './mount-options.ts'
import { runMount } from './mount-command.ts'
import type { CommandLine } from './parse.ts'

export async function runMountHelper(line: CommandLine): Promise<ExitCode> {
  const flags = new Set(line.flags)
  if (flags.delete('foreground')) flags.add('fake')
  if (mayBeAbsent(line)) return EXIT.ok
  try {
    const exitCode = await runMount({ ...line, flags })
    if (exitCode !== EXIT.ok) return EXIT.mountFailed
    if (flags.has('verbose') && !flags.has('fake')) process.stdout.write(done(line))
    return EXIT.ok
  } catch (error) {
    // Its other numbers are bits that mean something else.
    if (exitCodeOf(error) === EXIT.usage) throw error
    throw new CommandError(EXIT.mountFailed, messageOf(error), { cause: error })
  }
}

/** Of a volume that is there but cannot be mounted mount(8) wants to hear. */
function mayBeAbsent({ positionals: [volume = ''], values }: CommandLine): boolean {
  const options = splitOptions(values.get('options') ?? [])
  const has = (name: string, opposite: string): boolean =>
    options.lastIndexOf(name) > options.lastIndexOf(opposite)
  return has('nofail', 'fail') && !options.includes('create') && !existsSync(volume)
}

const done = ({ positionals: [volume = '', mountpoint = ''] }: CommandLine): string =>
  `"${volume}" is mounted on "${mountpoint}"\n`
