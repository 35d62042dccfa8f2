/**
 * A tmpfs of single pages: what Linux's own copying from its cache comes to, in the pieces that it gives FUSE,
 * with no filesystem to ask.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { freemem } from 'node:os'

const TIMEOUT_MS = 30_000

export interface SinglePages {
  readonly path: string
  stop(): void
}

/** Undefined without the right to mount it, or without memory for twice of it. */
export function mountSinglePages(path: string, sizeBytes: number): SinglePages | undefined {
  if (process.geteuid?.() !== 0 || freemem() < 2 * sizeBytes) return undefined
  mkdirSync(path)
  const options = `huge=never,size=${Math.ceil(sizeBytes * 1.1)}`
  const parameters = ['-t', 'tmpfs', '-o', options, 'tmpfs', path]
  if (spawnSync('mount', parameters, { timeout: TIMEOUT_MS }).status !== 0) return undefined
  const stop = (): void => {
    process.off('exit', stop)
    spawnSync('umount', ['-l', '--', path], { timeout: TIMEOUT_MS })
  }
  process.on('exit', stop)
  return { path, stop }
}
