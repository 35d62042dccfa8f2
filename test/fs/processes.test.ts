import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProcFilesystem } from '../../src/fs/processes.ts'
import {
  hasKillPending,
  hasSharedMapping,
  isEnding,
  parseStat,
  parseStatus,
} from '../../src/fs/process-text.ts'
import { hasMapped, isWriter, mountIdsOf } from '../../src/fs/open-writers.ts'
import { TIMEOUT } from './fixture.ts'

const EXITING = 0x4
const OTHER_FLAGS = 0x400100

/** A line of /proc/PID/stat: field 9 has the flags, field 52 the exit code. */
function statLine(command: string, flags: number, exitCode: number): string {
  const fields: string[] = Array.from({ length: 50 }, (_, i) => (i === 0 ? 'S' : '0'))
  fields[9 - 3] = String(flags)
  fields[52 - 3] = String(exitCode)
  return `42 (${command}) ${fields.join(' ')}\n`
}

test('parseStat() tells a close from an exit and from a death', TIMEOUT, () => {
  for (const command of ['sh', 'a b', 'a) S 1 (b', ') 0 0 4']) {
    assert.equal(parseStat(statLine(command, OTHER_FLAGS, 0)), 'running')
    assert.equal(parseStat(statLine(command, OTHER_FLAGS, 9)), 'running')
    assert.equal(parseStat(statLine(command, OTHER_FLAGS | EXITING, 0)), 'exited')
    assert.equal(parseStat(statLine(command, OTHER_FLAGS | EXITING, 9)), 'died')
    assert.equal(parseStat(statLine(command, EXITING, 3 << 8)), 'died')
  }
})

test('parseStatus() tells who executes a program, and who ends', TIMEOUT, () => {
  assert.equal(parseStatus('Name:\tx\nVmSize:\t    4096 kB\nVmExe:\t      20 kB\n'), 'running')
  assert.equal(parseStatus('Name:\tx\nVmSize:\t       4 kB\nVmExe:\t       0 kB\n'), 'executing')
  assert.equal(parseStatus('Name:\tVmSize:\nState:\tS (sleeping)\n'), 'ending')
})

test('a process that is not there is unknown', TIMEOUT, () => {
  const processes = new ProcFilesystem('/')
  assert.equal(processes.state(process.pid), 'running')
  for (const pid of [0, -1, 2 ** 30]) assert.equal(processes.state(pid), 'unknown')
  for (const pid of [process.pid, 0, -1, 2 ** 30]) assert.equal(processes.isKilled(pid), false)
})

const statusIn = (state: string, threads: number, more: string): string =>
  `Name:\tx\nState:\t${state}\nPPid:\t7\n${more}Threads:\t${threads}\n`

test('isEnding() sees who may hide what it has open', TIMEOUT, () => {
  assert.equal(isEnding(statusIn('R (running)', 1, 'VmSize:\t 4096 kB\nVmExe:\t 20 kB\n')), false)
  assert.equal(isEnding(statusIn('D (disk sleep)', 1, '')), true)
  assert.equal(isEnding(statusIn('D (disk sleep)', 1, 'Kthread:\t0\n')), true)
  assert.equal(isEnding(statusIn('S (sleeping)', 1, 'Kthread:\t1\n')), false)
  assert.equal(isEnding(statusIn('S (sleeping)', 1, '').replace('PPid:\t7', 'PPid:\t2')), false)
  assert.equal(isEnding(statusIn('Z (zombie)', 1, '')), false)
  assert.equal(isEnding(statusIn('Z (zombie)', 2, '')), true)
})

const statusWith = (own: string, shared: string): string =>
  `Name:\tSigPnd:\t0100\nThreads:\t1\nSigPnd:\t${own}\nShdPnd:\t${shared}\nSigBlk:\t${own}\n`

test('hasKillPending() sees SIGKILL only', TIMEOUT, () => {
  assert.equal(hasKillPending(statusWith('0000000000000100', '0000000000000000')), true)
  assert.equal(hasKillPending(statusWith('ffffffffffffffff', '0000000000000000')), true)
  assert.equal(hasKillPending(statusWith('fffffffffffffeff', 'ffffffffffffffff')), false)
  assert.equal(hasKillPending(''), false)
})

test('hasSharedMapping() sees shared mappings of the inode only', TIMEOUT, () => {
  const maps =
    '7f00-7f10 rw-s 00000000 00:2d 42                         /mnt/a\n' +
    '7f10-7f20 r--p 00000000 00:2d 43                         /mnt/b\n' +
    '7f20-7f30 rw-p 00000000 00:00 0\n'
  assert.equal(hasSharedMapping(maps, 42), true)
  assert.equal(hasSharedMapping(maps, 43), false)
  assert.equal(hasSharedMapping(maps, 4), false)
})

test('parseStat() does not guess from a line that is cut', TIMEOUT, () => {
  const line = statLine('sh', OTHER_FLAGS | EXITING, 0)
  for (const cut of ['', line.slice(0, 9), line.split(' ').slice(0, 30).join(' ')]) {
    assert.equal(parseStat(cut), 'unknown')
  }
})

test('mountIdsOf() finds all mounts of a filesystem, and none of another', TIMEOUT, () => {
  const mountinfo =
    '21 1 0:45 / /mnt/a\\040b rw - fuse.oatomic v rw\n' +
    '22 1 0:45 / /mnt/bind rw - fuse.oatomic v rw\n' +
    '23 1 0:46 / /mnt/c rw - ext4 d rw\n'
  assert.deepEqual(mountIdsOf(mountinfo, '/mnt/a b'), new Set(['21', '22']))
  assert.deepEqual(mountIdsOf(mountinfo, '/mnt/d'), new Set())
})

const info = (flags: string): string => `pos:\t0\nflags:\t${flags}\nmnt_id:\t21\nino:\t7\n`

test('isWriter() reads flags, mount and inode', TIMEOUT, () => {
  assert.equal(isWriter(info('0100002'), 7, new Set(['21'])), true)
  assert.equal(isWriter(info('0100000'), 7, new Set(['21'])), false)
  assert.equal(isWriter(info('0100002'), 7, new Set(['22'])), false)
  assert.equal(isWriter(info('0100002'), 70, new Set(['21'])), false)
})

test('hasMapped() finds the mounts of a device that are mapped to other ids', TIMEOUT, () => {
  const plain = '79 50 0:41 / /mnt rw,relatime shared:1 - fuse.oatomic /v rw\n'
  const other = '80 50 0:42 / /idmapped rw,idmapped - fuse.oatomic /idmapped rw\n'
  const mapped = '81 50 0:41 / /at rw,relatime,idmapped - fuse.oatomic /v rw\n'
  assert.equal(hasMapped(plain + other, '0:41'), false)
  assert.equal(hasMapped(plain + other + mapped, '0:41'), true)
})
