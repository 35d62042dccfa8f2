/** Changes of one page in each of many files, made durable one by one or in one commit. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { writeXattr } from '../src/cli/xattr.ts'
import { PAGE_SIZE, checkPage, pageBuffer, stampPage } from './pages.ts'

interface FilesRequest {
  readonly folder: string
  readonly fileCount: number
}

const page = pageBuffer(PAGE_SIZE)

const nameOf = (index: number): string => `file-${index}`

/** Makes atomic files of one page. */
export function makeAtomicFiles({ folder, fileCount }: FilesRequest): void {
  fs.mkdirSync(folder)
  writeXattr(folder, 'user.atomic', '1')
  for (let index = 0; index < fileCount; index++) {
    stampPage(page, 0, index, 0)
    fs.writeFileSync(join(folder, nameOf(index)), page)
  }
}

/** Changes all files again and again for a while; returns how many times in a second. */
export function commitFiles(
  request: FilesRequest & { readonly method: 'together' | 'each'; readonly timeMs: number },
): number {
  const { folder, fileCount, method, timeMs } = request
  const names = Array.from({ length: fileCount }, (_, index) => nameOf(index))
  const fds = names.map((name) => fs.openSync(join(folder, name), 'r+'))
  let version = fs.readFileSync(join(folder, nameOf(0))).readUInt32LE(4)
  const started = performance.now()
  let count = 0
  do {
    version++
    for (const [index, fd] of fds.entries()) {
      stampPage(page, 0, index, version)
      fs.writeSync(fd, page, 0, PAGE_SIZE, 0)
      if (method === 'each') fs.fsyncSync(fd)
    }
    if (method === 'together') writeXattr(folder, 'user.atomic.commit', names.join('\n'))
    count++
  } while (performance.now() - started < timeMs)
  const perSecond = (count * 1000) / (performance.now() - started)
  for (const fd of fds) fs.closeSync(fd)
  for (const [index, name] of names.entries()) {
    checkPage(name, fs.readFileSync(join(folder, name)), 0, index, version)
  }
  return perSecond
}
