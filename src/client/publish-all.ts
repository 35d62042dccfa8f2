/** Several files in one commit. */
import { write } from './attributes.ts'
import { OatomicError } from './error.ts'

/**
 * Publishes files below a folder, by their paths relative to it, in one commit: all of them or, if it
 * throws, none. Durable when it resolves. Throws OatomicError.
 */
export async function publishAll(folder: string, names: readonly string[]): Promise<void> {
  const bad = names.find((name) => name === '' || name.includes('\n'))
  if (bad !== undefined) {
    throw new OatomicError('EINVAL', `Cannot commit "${bad}": a name has one line`, folder)
  }
  if (names.length > 0) await write(folder, 'user.atomic.commit', names.join('\n'))
}
