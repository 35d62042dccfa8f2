/**
 * LevelDB aborts the process at some kinds of damage to its tables. So the index is read by another
 * process first, and only the end of that is looked at: what it survives this one survives.
 */
import { spawn } from 'node:child_process'
import { FsError } from '../errors.ts'

const PROGRAM = `
  const { checkUnprobed } = await import(process.argv[1])
  await checkUnprobed(process.argv[2], { data: false })`

/**
 * Runs `checkUnprobed` of a module on a volume, in another process. Throws FsError EIO when that
 * ends by a signal; all else is left for others to find.
 */
export async function probeVolume(module: string, path: string): Promise<void> {
  const signal = await signalOf(['--input-type=module', '--eval', PROGRAM, module, path])
  if (signal === null) return
  throw new FsError(
    'EIO',
    `Cannot open volume "${path}": its index is damaged, LevelDB ends with ${signal}`,
  )
}

/** What ended the process, if it did not end by itself. */
function signalOf(options: readonly string[]): Promise<NodeJS.Signals | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, options, { stdio: 'ignore' })
    child.once('error', reject)
    child.once('exit', (_code, signal) => {
      resolve(signal)
    })
  })
}
