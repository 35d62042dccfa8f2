/** Folders of very many empty files: made, listed, looked up in, and emptied again. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'

interface Names {
  readonly folder: string
  readonly from: number
  readonly to: number
}

const LIST_TIMEOUT_MS = 280_000

const nameOf = (index: number): string => `file-${String(index).padStart(7, '0')}`

/** Makes files by open(2) and close(2); returns microseconds for each. The folder may be there. */
export function makeEmptyFiles(names: Names): number {
  fs.mkdirSync(names.folder, { recursive: true })
  return each(names, (path) => {
    fs.closeSync(fs.openSync(path, 'wx'))
  })
}

/** Removes them; returns microseconds for each. */
export function removeEmptyFiles(names: Names): number {
  return each(names, (path) => {
    fs.unlinkSync(path)
  })
}

/** Looks up different files of the first `fileCount` at random; returns how many in a second. */
export function lookUpFiles(request: {
  readonly folder: string
  readonly fileCount: number
  readonly count: number
}): number {
  const { folder, fileCount } = request
  const chosen = new Set<number>()
  const count = Math.min(fileCount, request.count)
  while (chosen.size < count) chosen.add(Math.floor(Math.random() * fileCount))
  const paths = [...chosen].map((index) => join(folder, nameOf(index)))
  const started = performance.now()
  for (const path of paths) fs.lstatSync(path)
  return (count * 1000) / (performance.now() - started)
}

/** Runs ls(1), which shows nothing to anybody; returns seconds. */
export function listFolder({
  folder,
  options,
}: {
  readonly folder: string
  readonly options: readonly string[]
}): number {
  const started = performance.now()
  const { status, stderr } = spawnSync('ls', [...options, '--', folder], {
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: LIST_TIMEOUT_MS,
  })
  if (status !== 0) throw new Error(`ls has ended with ${String(status)}: ${stderr}`)
  return (performance.now() - started) / 1000
}

function each({ folder, from, to }: Names, work: (path: string) => void): number {
  const started = performance.now()
  for (let index = from; index < to; index++) work(join(folder, nameOf(index)))
  return ((performance.now() - started) * 1000) / (to - from)
}
