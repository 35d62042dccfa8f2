/** The program as users have it: makes, mounts, unmounts and checks volumes. */
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { type Ended, run, start } from '../mount/support/run.ts'
import type { State } from '../crash/model.ts'
import type { Lifetime } from '../support/devices/at-end.ts'
import { makeHostFolder } from '../support/loop-disk/host-filesystem.ts'
import { Worker } from './worker.ts'

const ENTRY = fileURLToPath(new URL('../../mount.js', import.meta.url))

/** The command line, for who starts it with something before it. */
export const OATOMIC: readonly string[] = [process.execPath, ENTRY]

export function attemptOatomic(...parameters: readonly string[]): Promise<Ended> {
  return start(process.execPath, [ENTRY, ...parameters]).ended
}

export function oatomic(...parameters: readonly string[]): Promise<string> {
  return run(process.execPath, [ENTRY, ...parameters])
}

/** Mounts what a crash has left, reads all of it, unmounts and checks it. */
export async function recoverByBinary(context: Lifetime, volume: string): Promise<State> {
  const folder = await makeHostFolder(context)
  await oatomic('mount', volume, folder)
  const worker = new Worker(context, folder)
  const state = await worker.observe()
  await worker.end()
  await oatomic('unmount', folder)
  const { status, stdout } = await attemptOatomic('check', volume)
  assert.equal(status, 0, stdout)
  return state
}
