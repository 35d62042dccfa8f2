/** The control attributes of one file, as text. */
import { constants } from 'node:os'
import { NotOatomicError, failure } from './error.ts'
import { getXattr, removeXattr, setXattr } from './libc.ts'

const VALUE_SIZE_MAX = 65_536
const { ENODATA, EOPNOTSUPP, E2BIG } = constants.errno

/** Present on every file of a mounted volume without having been set, and nowhere else. */
export const STATE = 'user.atomic.state'

/** The value of an attribute, or undefined where there is none. Throws OatomicError. */
export async function read(path: string, name: string): Promise<string | undefined> {
  const value = Buffer.allocUnsafe(VALUE_SIZE_MAX)
  const length = await getXattr(path, name, value)
  if (length === -ENODATA || length === -EOPNOTSUPP) return undefined
  if (length < 0) throw failure(`read ${name} of "${path}"`, -length, path)
  return value.toString('utf8', 0, length)
}

/** Throws OatomicError, and NotOatomicError where the attribute would only be stored. */
export async function write(path: string, name: string, text: string): Promise<void> {
  await assertOatomic(path)
  const value = Buffer.from(text)
  // Linux would say so, too, but in a way that looks like a limit of the file.
  const result = value.length > VALUE_SIZE_MAX ? -E2BIG : await setXattr(path, name, value)
  if (result < 0) throw failure(`set ${name} of "${path}"`, -result, path)
}

/** Removes an attribute; nothing happens if it is not set. Throws OatomicError. */
export async function remove(path: string, name: string): Promise<void> {
  await assertOatomic(path)
  const result = await removeXattr(path, name)
  if (result < 0 && result !== -ENODATA) throw failure(`remove ${name} of "${path}"`, -result, path)
}

export async function assertOatomic(path: string): Promise<void> {
  if ((await read(path, STATE)) === undefined) throw new NotOatomicError(path)
}

/** Reads lines of `key=value`. */
export function parseLines(text: string): ReadonlyMap<string, string> {
  const pairs = text.split('\n').filter((line) => line.includes('='))
  return new Map(
    pairs.map((line) => {
      const at = line.indexOf('=')
      return [line.slice(0, at), line.slice(at + 1)]
    }),
  )
}
