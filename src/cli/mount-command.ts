import { isAbsolute, resolve } from 'node:path'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { parseMountOptions, splitOptions } from './mount-options.ts'
import type { CommandLine } from './parse.ts'
import { isRemount, remount } from './remount.ts'
import { startDaemon } from './start-daemon.ts'

/** What mount(8) may say of the type, with -t. */
const TYPES = ['oatomic', 'fuse.oatomic']

/**
 * Mounts a volume. In the background it returns when the mount is live; in the foreground when the
 * mount has ended, with the exit code that tells how.
 */
export async function runMount(line: CommandLine): Promise<ExitCode> {
  const { positionals, flags, values } = line
  const [volume = '', mountpoint = ''] = positionals
  refuseForeign(line)
  const transports = (values.get('transport') ?? []).map((name) => `transport=${name}`)
  const options = splitOptions([...(values.get('options') ?? []), ...transports])
  const isSloppy = flags.has('sloppy')
  if (isRemount(options)) return remount(resolve(mountpoint), options, { isSloppy })
  const settings = parseMountOptions(options, { isSloppy })
  if (flags.has('fake')) return EXIT.ok
  return startDaemon({
    volume: resolve(volume),
    source: isAbsolute(volume) ? volume : resolve(volume),
    mountpoint: resolve(mountpoint),
    settings: { ...settings, foreground: settings.foreground || flags.has('foreground') },
  })
}

function refuseForeign({ values }: CommandLine): void {
  const type = values.get('type')?.find((each) => !TYPES.includes(each))
  if (type !== undefined) {
    throw new CommandError(EXIT.usage, `Cannot mount type "${type}": this is for oatomic volumes`)
  }
  const [namespace] = values.get('namespace') ?? []
  if (namespace !== undefined) {
    throw new CommandError(
      EXIT.usage,
      `Cannot mount in namespace "${namespace}" from outside; use: nsenter --mount=${namespace} mount ...`,
    )
  }
}
