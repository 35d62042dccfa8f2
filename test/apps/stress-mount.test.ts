/**
 * Stressors of stress-ng that use files, each for a second, verifying what they read: all of its class
 * "filesystem" and some others. They run on ordinary and on atomic files side by side. What fails
 * on ext4 too, or has nothing to do with a mount, is left out.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { mounted } from '../mount/support/mount.ts'
import { needs, run, shell } from '../mount/support/run.ts'

/** Stressors of the class that are left out, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'bind-mount': 'mounts, and looks at no file of a folder',
  binderfs: 'mounts another filesystem',
  procfs: 'reads /proc',
  sysfs: 'reads /sys',
  eventfd: 'uses no file',
  ioprio: 'uses no file',
  fanotify: 'watches all mounts of the machine',
  getdent: 'walks through all of /tmp, and waits for whatever is mounted there',
  io: 'calls sync(2) for all filesystems of the machine',
  verity: 'ext4 has it with a feature of its own only',
  fiemap: 'Linux does not pass FS_IOC_FIEMAP on to FUSE',
}

/** Of other classes: those that read and write files in ways of their own. */
const OTHERS = ['aio', 'aiol', 'readahead', 'revio', 'seek', 'sendfile', 'splice']

async function stressors(): Promise<string[]> {
  // It says so on stderr, and calls the question an error.
  const answer = await shell(`stress-ng --class 'filesystem?' 2>&1 || true`)
  const names = /class 'filesystem' stressors: (.*)/.exec(answer)?.[1]?.split(' ') ?? []
  assert.ok(names.length > 20, `stress-ng names no stressors: ${answer}`)
  return [...names.filter((name) => LEFT_OUT[name] === undefined), ...OTHERS]
}

async function stress(
  context: TestContext,
  newFiles: 'ordinary' | 'shared',
  names: readonly string[],
): Promise<void> {
  const mount = await mounted(context, { newFiles })
  await shell('chmod 777 .', { cwd: mount.path })
  const halves = [0, 1].map((half) => names.filter((_, i) => i % 2 === half))
  const faults = await Promise.all(
    halves.map(async (half, i) => faultsOf(half, mount.path, `${mount.folder}/stress-${i}.log`)),
  )
  assert.deepEqual(faults.flat(), [], `on ${newFiles} files`)
  await mount.unmount()
}

/** What stress-ng complains of, one line for each. */
async function faultsOf(names: readonly string[], cwd: string, log: string): Promise<string[]> {
  const chosen = names.flatMap((name) => [`--${name}`, '1'])
  const options = ['--sequential', '1', '--timeout', '1', '--verify', '--temp-path', '.']
  const failure = await run('stress-ng', [...chosen, ...options, '--log-file', log, '--quiet'], {
    cwd,
    timeoutMs: 150_000,
  }).then(
    () => [],
    (error: unknown) => [String(error)],
  )
  const said = await readFile(log, 'utf8')
  return [...said.split('\n').filter((line) => /\b(fail|error):/.test(line)), ...failure]
}

test('stressors', { timeout: 180_000 }, async (context) => {
  await needs('stress-ng', 'stress-ng')
  const names = await stressors()
  await Promise.all([stress(context, 'ordinary', names), stress(context, 'shared', names)])
})
