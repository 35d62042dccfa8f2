/** What files below /proc say of a process, read from their text. */
import type { Ino } from '../store/inode.ts'

/** `unknown`: another user's process that /proc hides, or one in another pid namespace. */
export type ProcessState = 'running' | 'exited' | 'died' | 'unknown'

/** PF_EXITING in a task's flags. */
const EXITING = 0x4
const FLAGS_FIELD = 9
const EXIT_CODE_FIELD = 52
const SIGKILL_BIT = 1 << 8

/** Reads `/proc/PID/stat`. Fields are counted from 1, as proc(5) does. */
export function parseStat(stat: string): ProcessState {
  // The name of the command may hold anything, spaces and parentheses too.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  if (!Number.isInteger(field(FLAGS_FIELD)) || !Number.isInteger(field(EXIT_CODE_FIELD))) {
    return 'unknown'
  }
  if ((field(FLAGS_FIELD) & EXITING) === 0) return 'running'
  return field(EXIT_CODE_FIELD) === 0 ? 'exited' : 'died'
}

export type Phase = 'running' | 'executing' | 'ending'

/**
 * Reads `/proc/PID/status`. A process gives up its memory before its descriptors when it ends, and
 * gets a new and empty one before those that are not passed on are closed when it executes a program.
 */
export function parseStatus(status: string): Phase {
  if (!/^VmSize:/m.test(status)) return 'ending'
  return /^VmExe:\s*0 kB$/m.test(status) ? 'executing' : 'running'
}

/**
 * Reads `/proc/PID/status`: whether a process may have more open than /proc shows, because it is giving
 * up what it has, or has threads left without its first one. Kernel threads have no memory either.
 */
export function isEnding(status: string): boolean {
  const isKernel = /^Kthread:/m.test(status)
    ? /^Kthread:\s*1$/m
    : /^(?:PPid:\s*2|Name:\s*kthreadd)$/m
  if (status === '' || isKernel.test(status) || parseStatus(status) !== 'ending') return false
  return !/^State:\s*[ZX]/m.test(status) || !/^Threads:\s*[01]$/m.test(status)
}

/** Reads `/proc/PID/status`: whether SIGKILL, which any deadly signal becomes, waits to be seen. */
export function hasKillPending(status: string): boolean {
  const pending = /^SigPnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? ''
  return (parseInt(pending.slice(-8), 16) & SIGKILL_BIT) !== 0
}

/** Reads a number out of `/proc/PID/status`; 0 if it is not there. */
export function numberIn(status: string, name: 'Tgid' | 'PPid'): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)$`, 'm').exec(status)?.[1] ?? 0)
}

/** Reads `/proc/PID/maps`: `address permissions offset device inode path` on each line. */
export function hasSharedMapping(maps: string, ino: Ino): boolean {
  return maps.split('\n').some((line) => {
    const [, permissions, , , inode] = line.split(/ +/, 5)
    return inode === String(ino) && permissions?.endsWith('s') === true
  })
}
