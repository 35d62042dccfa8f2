/** What is read from /proc and from the command line. */
import assert from 'node:assert/strict'
import { COMMANDS, type CommandSpec } from '../../../src/cli/commands.ts'
import { CommandError } from '../../../src/cli/exit-codes.ts'
import { MOUNT_OPTIONS, parseMountOptions } from '../../../src/cli/mount-options.ts'
import { parseCommandLine } from '../../../src/cli/parse.ts'
import { mapHas, parseCredentials } from '../../../src/fs/credentials.ts'
import { parseFdInfo } from '../../../src/fs/descriptors.ts'
import { hasSharedMapping, parseStat } from '../../../src/fs/process-text.ts'
import { hasMapped, isWriter, mountIdsOf } from '../../../src/fs/open-writers.ts'
import { parseMountTable } from '../../../src/fuse/kernel/mount-table.ts'
import type { Random } from '../../support/random.ts'
import type { Target } from '../kit/target.ts'

const TEXTS = [
  '/mnt/a',
  '/mnt/a\\040b',
  'fuse.oatomic',
  '\\134',
  '\\777',
  '0:45',
  '42',
  'rw',
  'rw,idmapped',
  '',
]

const line = (random: Random, count: number): string =>
  Array.from({ length: count }, () => random.pick(TEXTS)).join(' ')

function statLine(random: Random): string {
  const fields = Array.from({ length: 50 }, () => String(random.int(300)))
  return `42 (${random.pick(['sh', 'a) (b', ') 4', ''])}) S ${fields.join(' ')}\n`
}

function statusLines(random: Random): string {
  const ids = Array.from({ length: 4 }, () => String(random.int(9))).join('\t')
  return `Uid:\t${ids}\nGid:\t${ids}\nGroups:\t${random.int(9)} \nCapEff:\t0000${random.int(9)}\n`
}

function parser(name: string, generate: (random: Random) => string, run: (text: string) => void) {
  return {
    name,
    weight: 0.3,
    generate: (random: Random) => [Buffer.from(generate(random), 'latin1')],
    run: ([bytes]: readonly Uint8Array[]) => {
      run(Buffer.from(bytes ?? []).toString('latin1'))
    },
  } satisfies Target
}

/** Throws what is no refusal of a command line, or a refusal that nobody understands. */
function commandLine(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    assert.doesNotMatch(error.message, /\[native code\]|\[object|undefined|NaN/)
  }
}

const WORDS = [
  '--help',
  '-o',
  '--json',
  '-fo',
  '--ring-size=4M',
  'a',
  '',
  '--',
  '-',
  '--__proto__=1',
]

const OPTIONS = [
  ...Object.keys(MOUNT_OPTIONS),
  'log=/tmp/x',
  'loglevel=info',
  'constructor',
  '__proto__',
  'toString=1',
  'x-systemd.a=b',
]

const STATES = ['running', 'exited', 'died', 'unknown']

export const textParsers: readonly Target[] = [
  parser(
    'proc-mounts',
    (random) => Array.from({ length: 4 }, () => line(random, 6)).join('\n'),
    (text) => {
      for (const entry of parseMountTable(text)) assert.equal(typeof entry.mountpoint, 'string')
    },
  ),
  parser(
    'proc-mountinfo',
    (random) => Array.from({ length: 4 }, () => line(random, 10)).join('\n'),
    (text) => {
      const ids = mountIdsOf(text, '/mnt/a')
      if (!text.includes('/mnt/a')) assert.equal(ids.size, 0, 'other mounts are not ours')
      if (!text.includes('idmapped')) assert.equal(hasMapped(text, '42'), false)
    },
  ),
  parser('proc-stat', statLine, (text) => {
    assert.ok(STATES.includes(parseStat(text)))
    if (text.split(' ').length < 50) assert.equal(parseStat(text), 'unknown', 'a line is cut')
  }),
  parser('proc-status', statusLines, (text) => {
    const found = parseCredentials(text)
    if (found === undefined) return
    for (const id of [found.uid, found.gid]) assert.ok(Number.isInteger(id), 'ids are numbers')
    if (!/^CapEff:/m.test(text)) assert.fail('capabilities out of nothing')
  }),
  parser(
    'proc-idmap',
    (random) => `${random.int(9)} ${random.int(9)} ${random.int(9)}\n${line(random, 3)}\n`,
    (text) => {
      assert.equal(mapHas(text, 'other', -1), false)
    },
  ),
  parser(
    'proc-maps',
    (random) => `7f00-7f10 rw-s 0000 00:2d ${random.int(9)}   /mnt/a\n${line(random, 6)}\n`,
    (text) => {
      assert.equal(typeof hasSharedMapping(text, 5), 'boolean')
    },
  ),
  parser(
    'proc-fdinfo',
    (random) => `pos:\t0\nflags:\t0${random.int(8)}\nmnt_id:\t7\nino:\t${random.int(9)}\n`,
    (text) => {
      if (isWriter(text, 5, new Set(['7']))) assert.match(text, /^ino:\s*5/m)
      const found = parseFdInfo(text)
      if (found !== undefined) assert.ok(Number.isSafeInteger(found.ino + found.flags))
    },
  ),
  parser(
    'mount-options',
    (random) => Array.from({ length: 3 }, () => random.pick(OPTIONS)).join(','),
    (text) => {
      commandLine(() => parseMountOptions([text]))
    },
  ),
  parser(
    'command-line',
    (random) => Array.from({ length: 4 }, () => random.pick(WORDS)).join('\n'),
    (text) => {
      for (const [name, spec] of Object.entries<CommandSpec>(COMMANDS)) {
        commandLine(() => parseCommandLine(name, spec, text.split('\n')))
      }
    },
  ),
]
