/** What a process has of memory while something is done. */
import { readFileSync, writeFileSync } from 'node:fs'

const LOOK_MS = 50

export interface Peak {
  /** Resident before, with mapped files. */
  readonly beforeBytes: number
  /** Resident at its highest, with mapped files. */
  readonly residentBytes: number
  /** Of that what is not mapped files, at the highest that was seen. */
  readonly anonymousBytes: number
}

export async function watchMemory(pid: number, work: () => Promise<unknown>): Promise<Peak> {
  // Linux counts the highest from now on.
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const beforeBytes = readBytes(pid, 'VmRSS')
  let anonymousBytes = 0
  const timer = setInterval(() => {
    anonymousBytes = Math.max(anonymousBytes, readBytes(pid, 'RssAnon'))
  }, LOOK_MS)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return { beforeBytes, residentBytes: readBytes(pid, 'VmHWM'), anonymousBytes }
}

function readBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)
  if (match === null) throw new Error(`/proc/${pid}/status has no ${field}`)
  return Number(match[1]) * 1024
}
