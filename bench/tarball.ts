/** An archive of many small files, and what tar(1) makes of it. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { PAGE_SIZE, pageBuffer } from './pages.ts'

const TIMEOUT_MS = 280_000
const FILES_PER_FOLDER = 100
/** Files are of one byte up to so many pages, as sources are. */
const PAGES_MAX = 4

/** Makes a tree of files and an archive of it. */
export function makeTarball(tree: string, archive: string, fileCount: number): void {
  const content = pageBuffer(PAGES_MAX * PAGE_SIZE)
  for (let index = 0; index < fileCount; index++) {
    const folder = join(tree, `folder-${Math.floor(index / FILES_PER_FOLDER)}`)
    fs.mkdirSync(folder, { recursive: true })
    const sizeBytes = 1 + ((index * 2654435761) % content.length)
    fs.writeFileSync(join(folder, `file-${index}`), content.subarray(0, sizeBytes))
  }
  command('tar', ['-cf', archive, '-C', tree, '.'])
}

/** Unpacks an archive into a folder that is made for it; returns seconds. */
export function untar({ archive, folder }: { archive: string; folder: string }): number {
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(folder)
  const started = performance.now()
  command('tar', ['-xf', archive, '-C', folder])
  return (performance.now() - started) / 1000
}

/** Throws if two trees differ. */
export function compareTrees(one: string, other: string): void {
  command('diff', ['-r', '--', one, other])
}

function command(name: string, parameters: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(name, parameters, {
    env: { ...process.env, LC_ALL: 'C' },
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  })
  if (status !== 0) throw new Error(`${name} has ended with ${String(status)}: ${stdout}${stderr}`)
}
