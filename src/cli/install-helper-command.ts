/**
 * Puts a program where mount(8) looks for one, under both names of the filesystem. It is a script that
 * names Node.js and this program by their full paths: mount(8) calls its helpers without a PATH, so a
 * link to a program that is found by `env` works only where Node.js happens to be in /usr/bin.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HELPER_WORD } from './called-by-mount.ts'
import { CommandError, EXIT, type ExitCode, messageOf } from './exit-codes.ts'
import type { CommandLine } from './parse.ts'

/** Where mount(8) looks. */
const FOLDER = '/sbin'
const NAMES = ['mount.fuse.oatomic', 'mount.oatomic']
const PROGRAM = fileURLToPath(new URL('../../mount.js', import.meta.url))
/** By this a helper is known as ours, whichever installation has made it. */
const MARK = '# Made by "oatomic install-helper"'

export async function runInstallHelper({ flags, values }: CommandLine): Promise<ExitCode> {
  const folder = resolve(values.get('directory')?.at(-1) ?? FOLDER)
  const purpose = flags.has('remove') ? 'remove' : 'install'
  const paths = NAMES.map((name) => join(folder, name))
  const foreign = paths.find((path) => !isOurs(path))
  if (foreign !== undefined) {
    throw refusal(purpose, foreign, 'what is there was not made by this command')
  }
  for (const path of paths) {
    try {
      if (purpose === 'remove') await rm(path, { force: true })
      else await install(path)
    } catch (error) {
      throw refusal(purpose, path, messageOf(error))
    }
  }
  return EXIT.ok
}

/** Whoever mounts meanwhile finds the old script or the new one. */
async function install(path: string): Promise<void> {
  accessSync(process.execPath, constants.X_OK)
  const temporary = `${path}.${process.pid}`
  try {
    await writeFile(temporary, script(), { mode: 0o755, flag: 'wx' })
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
}

function script(): string {
  return `#!/bin/sh
${MARK}; "oatomic install-helper --remove" takes it away.
node=${quote(process.execPath)}
program=${quote(PROGRAM)}
if [ ! -x "$node" ] || [ ! -r "$program" ]; then
  echo 'oatomic: Cannot mount: Node.js or oatomic has moved; run: oatomic install-helper' >&2
  exit ${EXIT.mountFailed}
fi
exec "$node" "$program" ${HELPER_WORD} "$@"
`
}

/** Nothing there, a script of ours, or a link to this program made by hand. */
function isOurs(path: string): boolean {
  try {
    const text = readFileSync(path, 'utf8')
    return text.includes(`\n${MARK}`) || text === readFileSync(PROGRAM, 'utf8')
  } catch {
    return !existsSync(path)
  }
}

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

function refusal(purpose: string, path: string, reason: string): CommandError {
  return new CommandError(EXIT.unusable, `Cannot ${purpose} "${path}": ${reason}`)
}
