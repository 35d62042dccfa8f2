import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMMANDS } from '../../src/cli/commands.ts'
import { parseMountOptions } from '../../src/cli/mount-options.ts'
import { parseCommandLine } from '../../src/cli/parse.ts'
import { oatomic, refuse } from './support/command.ts'

const TEST = { timeout: 30_000 }

test('--help shows every command', TEST, async () => {
  for (const flag of ['--help', '-h']) {
    const { status, stdout } = await oatomic([flag])
    assert.equal(status, 0)
    for (const name of Object.keys(COMMANDS)) assert.match(stdout, new RegExp(`oatomic ${name} `))
  }
})

for (const name of Object.keys(COMMANDS)) {
  test(`${name} --help needs no other parameter`, TEST, async () => {
    const { status, stdout, stderr } = await oatomic([name, '--help'])
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
    assert.match(stdout, new RegExp(`^Usage: oatomic ${name} `))
  })
}

test('--version names the program and a version', TEST, async () => {
  const { status, stdout } = await oatomic(['--version'])
  assert.equal(status, 0)
  assert.match(stdout, /^oatomic \d+\.\d+\.\d+\n$/)
})

test('a wrong command line ends with 1 and one line', TEST, async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /Missing command/],
    ['frobnicate', /Unknown command "frobnicate"/],
    ['mount', /Missing VOLUME and MOUNTPOINT/],
    ['mount volume', /Missing MOUNTPOINT/],
    ['mount volume mnt more', /Unexpected argument "more"/],
    ['mount --frob volume mnt', /Unknown option "--frob"/],
    ['check -x volume', /Unknown option "-x"/],
    ['volume mnt -o', /argument missing/],
    ['volume mnt -o dax', /option "dax": there is no such option/],
    ['volume mnt -o noacl', /option "noacl"/],
    ['volume mnt -o rw,nofrob,noatime', /option "nofrob"/],
    ['volume mnt -o atomic=private', /option "atomic=private"/],
    ['volume mnt -o log=', /option "log": it needs a file/],
    ['volume mnt -o loglevel=loud', /option "loglevel=loud": the levels are/],
    ['volume mnt -o iotimeout', /option "iotimeout": it needs a number of seconds/],
    ['volume mnt -o iotimeout=', /option "iotimeout=": it is a number of seconds/],
    ['volume mnt -o iotimeout=2m', /option "iotimeout=2m": it is a number of seconds/],
    ['volume mnt -t ext4', /type "ext4"/],
    ['make volume --ring-size 5', /size "5"/],
    ['make volume --ring-size 4097K', /size "4097K"/],
    ['make volume --ring-size 512K', /size "512K"/],
  ]
  for (const [line, message] of cases) {
    await refuse(line === '' ? [] : line.split(' '), 1, message)
  }
})

test('options may come before, between and after the rest', () => {
  for (const line of ['-o ro,noatime V M', 'V -o ro,noatime M', 'V M -o ro -o noatime']) {
    const { positionals, values } = parseCommandLine('mount', COMMANDS.mount, line.split(' '))
    assert.deepEqual(positionals, ['V', 'M'])
    const { readOnly, noAccessTimes } = parseMountOptions(values.get('options') ?? [])
    assert.deepEqual({ readOnly, noAccessTimes }, { readOnly: true, noAccessTimes: true })
  }
})

test('parseMountOptions() lets the last option win', () => {
  assert.equal(parseMountOptions(['ro,rw']).readOnly, false)
  assert.equal(parseMountOptions(['rw', 'ro']).readOnly, true)
})

/** Which times of access are kept; for directories too unless it says otherwise. */
function kept(options: string): string {
  const settings = parseMountOptions([options])
  assert.deepEqual(settings.standard, options.split(','))
  const { noAccessTimes, strictAccessTimes, noDirectoryAccessTimes } = settings
  const files = noAccessTimes ? 'none' : strictAccessTimes ? 'strict' : 'relative'
  return noDirectoryAccessTimes ? `${files}, no directories` : files
}

test('parseMountOptions() has the last option say which times of access are kept', () => {
  const cases: Readonly<Record<string, string>> = {
    relatime: 'relative',
    noatime: 'none',
    'noatime,atime': 'relative',
    'noatime,relatime': 'relative',
    strictatime: 'strict',
    'strictatime,noatime': 'none',
    'noatime,strictatime': 'strict',
    'strictatime,nostrictatime': 'relative',
    nodiratime: 'relative, no directories',
    'nodiratime,diratime': 'relative',
    'strictatime,nodiratime': 'strict, no directories',
  }
  for (const [options, wanted] of Object.entries(cases))
    assert.equal(kept(options), wanted, options)
})

test('parseMountOptions() passes standard options on and ignores those of fstab', () => {
  const settings = parseMountOptions([
    'defaults,noexec,nofail,_netdev,user,user=me,auto,noauto,x-systemd.automount,comment=x,nodev,,',
  ])
  assert.deepEqual(settings, { ...parseMountOptions([]), standard: ['noexec', 'nodev'] })
})

test('parseMountOptions() reads what is of this filesystem', () => {
  const { standard, logFile, ...settings } = parseMountOptions([
    'ro,atomic=shared,noatime,allow_other,default_permissions,nowriteback,foreground,create,restart',
    'idmap,log=/var/log/a=b.log,loglevel=debug,iotimeout=7,noidlepoll',
  ])
  assert.deepEqual(settings, {
    readOnly: true,
    newFiles: 'shared',
    noAccessTimes: true,
    strictAccessTimes: false,
    noDirectoryAccessTimes: false,
    allowOther: true,
    writebackCache: false,
    idlePoll: false,
    transport: 'kernel',
    allowIdmap: true,
    foreground: true,
    create: true,
    restart: true,
    logLevel: 'debug',
    ioTimeoutSeconds: 7,
  })
  assert.equal(logFile, '/var/log/a=b.log')
  assert.deepEqual(standard, ['ro', 'noatime'])
})
