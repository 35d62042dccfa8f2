/** What a volume costs, measured in this process; each is measured in one of its own. */
import { readFileSync } from 'node:fs'
import { checkPath } from '../../src/check/check-path.ts'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import { spreadOf } from '../figures.ts'
import { CALLER, O_RDWR, ROOT, onVolume, writeOf } from '../in-process.ts'
import { PAGE_SIZE, pageBuffer } from '../pages.ts'
import type { Target } from './dimensions.ts'

export interface Use {
  readonly openMs: number
  /** Of one page: name to handle, the page, and the handle let go. Medians. */
  readonly readUs: number
  readonly commitUs: number
  /** At the end, without mapped files. */
  readonly memoryMiB: number
}

export interface Check {
  readonly checkMs: number
  /** At its highest. */
  readonly memoryMiB: number
}

const OPERATIONS = 500
const WARM_UP = 100
const KIB_PER_MIB = 1024

/** Opens a volume, reads pages and commits some, one by one, at random places. */
export async function measureUse(path: string, target: Target): Promise<Use> {
  const page = pageBuffer(PAGE_SIZE)
  return onVolume(path, async (filesystem, openMs) => {
    const readUs = await medianUs(async () =>
      withRandomPage(filesystem, target, async (fh, offset) => {
        const parts = await filesystem.read(fh, offset, PAGE_SIZE)
        const lengthBytes = parts.reduce((sum, part) => sum + part.length, 0)
        if (lengthBytes !== PAGE_SIZE) throw new Error(`A page has ${lengthBytes} bytes`)
      }),
    )
    const commitUs = await medianUs(async () =>
      withRandomPage(filesystem, target, async (fh, offset) => {
        await filesystem.write(fh, writeOf(offset, page))
        await filesystem.fsync(fh)
      }),
    )
    return { openMs, readUs, commitUs, memoryMiB: memoryMiB('RssAnon') }
  })
}

/** Checks a volume without its data, as `oatomic check` does; throws if it is damaged. */
export async function measureCheck(path: string): Promise<Check> {
  const started = performance.now()
  const { findings } = await checkPath(path, { data: false })
  const checkMs = performance.now() - started
  if (findings.length > 0) throw new Error(`Volume "${path}": ${findings[0]?.message ?? ''}`)
  return { checkMs, memoryMiB: memoryMiB('VmHWM') }
}

async function withRandomPage(
  filesystem: Filesystem,
  { fileCount, nameOf, pagesPerFile, strideBlocks }: Target,
  work: (fh: number, offset: number) => Promise<void>,
): Promise<void> {
  const found = filesystem.lookup(ROOT, nameOf(random(fileCount)))
  if (found === undefined) throw new Error('A file is missing')
  const { fh } = await filesystem.open(found.ino, O_RDWR, CALLER)
  await work(fh, random(pagesPerFile) * strideBlocks * PAGE_SIZE)
  await filesystem.release(fh)
  filesystem.forget(found.ino, 1)
}

async function medianUs(work: () => Promise<void>): Promise<number> {
  for (let i = 0; i < WARM_UP; i++) await work()
  const times: number[] = []
  for (let i = 0; i < OPERATIONS; i++) {
    const started = performance.now()
    await work()
    times.push((performance.now() - started) * 1000)
  }
  return spreadOf(times).median
}

function memoryMiB(field: string): number {
  const status = readFileSync('/proc/self/status', 'latin1')
  const match = new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(status)
  if (match === null) throw new Error(`/proc/self/status has no ${field}`)
  return Number(match[1]) / KIB_PER_MIB
}

const random = (count: number): number => Math.floor(Math.random() * count)
