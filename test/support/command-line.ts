/** What the campaigns' command lines have in common: `--help`, and one clear line for what is wrong. */
import process from 'node:process'

/**
 * What `read` makes of the parameters. With `--help` prints the usage and ends the process with 0; for
 * what `read` throws prints that and the usage, and ends it with 2.
 */
export function readCommandLine<Options>(
  usage: string,
  read: (parameters: readonly string[]) => Options,
): Options {
  const parameters = process.argv.slice(2)
  if (parameters.includes('--help')) {
    process.stdout.write(`${usage}\n`)
    process.exit(0)
  }
  try {
    return read(parameters)
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    process.stderr.write(`${reason}\n\n${usage}\n`)
    process.exit(2)
  }
}

/** Throws TypeError unless it is a number that is not negative. */
export function numberOf(name: string, text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value
  throw new TypeError(`--${name} takes a number, not "${text}"`)
}
