/**
 * Measures this filesystem against the disk it lies on. Exit status: 0, 1 when something failed or a
 * file did not hold what was synced, 2 for a wrong command line, 3 with --strict when a figure
 * missed what it must reach.
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { METHOD, showCurves, writeCurves } from './curves/report.ts'
import { measureCurves } from './curves/run.ts'
import { type Figure, verdictOf } from './figures.ts'
import { aged } from './groups/aged.ts'
import { append } from './groups/append.ts'
import { cold } from './groups/cold.ts'
import { commits } from './groups/commits.ts'
import { files, replace } from './groups/files.ts'
import { folders } from './groups/folders.ts'
import { fragments } from './groups/fragments.ts'
import type { Group } from './groups/group.ts'
import { isolation } from './groups/isolation.ts'
import { passthrough } from './groups/passthrough.ts'
import { sequential } from './groups/sequential.ts'
import { together } from './groups/together.ts'
import { sqlite } from './groups/sqlite.ts'
import { sqliteBatch } from './groups/sqlite-batch.ts'
import { untar } from './groups/untar.ts'
import { written } from './groups/written.ts'
import { describeMachine, showMachine } from './machine.ts'
import { type Options, USAGE, readOptions } from './options.ts'
import { table, writeMarkdown } from './report.ts'
import { ratioChart } from './svg/bar-chart.ts'

const GROUPS: Readonly<Record<string, Group>> = {
  commits,
  append,
  aged,
  isolation,
  sequential,
  cold,
  written,
  fragments,
  replace,
  files,
  untar,
  folders,
  together,
  sqlite,
  'sqlite-batch': sqliteBatch,
  passthrough,
}

const CURVES_PAGE = 'docs/benchmarks/scale.md'

const status = await main(process.argv.slice(2))
process.exit(status)

async function main(parameters: string[]): Promise<number> {
  const options = tryReadOptions(parameters)
  if (options === undefined) return 2
  if (options.help) {
    print(USAGE.replace('NAMES', Object.keys(GROUPS).join(', ')))
    return 0
  }
  const folder = mkdtempSync(join(resolve(options.folder), 'oatomic-bench-'))
  // What is mounted in it has been unmounted by then.
  process.on('exit', () => {
    rmSync(folder, { recursive: true, force: true })
  })
  for (const [signal, number] of [['SIGINT', 2] as const, ['SIGTERM', 15] as const]) {
    process.once(signal, () => {
      process.exit(128 + number)
    })
  }
  assertSpace(folder, options.scale.spaceBytes)
  return options.curves ? curves(options, folder) : measure(options, folder)
}

async function curves(options: Options, folder: string): Promise<number> {
  const { json, markdown = CURVES_PAGE, scale } = options
  const day = new Date().toISOString().slice(0, 10)
  const machine = showMachine(describeMachine(folder))
  print(`${machine}\n`)
  const all = await measureCurves(scale, folder)
  for (const each of all) print(`${each.dimension.title}\n\n${showCurves(each)}\n`)
  print(METHOD)
  writeCurves(markdown, `${day}, ${scale.name} run. ${machine}.`, all)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(all, undefined, 2)}\n`)
  return 0
}

async function measure(options: Options, folder: string): Promise<number> {
  const started = new Date()
  const machine = describeMachine(folder)
  print(`${showMachine(machine)}\n`)
  const figures: Figure[] = []
  const failures: string[] = []
  for (const [name, group] of Object.entries(GROUPS)) {
    if (options.only.length > 0 && !options.only.includes(name)) continue
    const groupStarted = performance.now()
    const groupFolder = join(folder, name)
    mkdirSync(groupFolder)
    try {
      figures.push(...(await group({ scale: options.scale, folder: groupFolder })))
    } catch (error) {
      failures.push(`${name}: ${String(error)}`)
    }
    process.stderr.write(`${name}: ${((performance.now() - groupStarted) / 1000).toFixed(0)} s\n`)
  }
  report(options, { started, machine, figures, failures })
  if (failures.length > 0) return 1
  const isMissed = figures.some((figure) => verdictOf(figure) === 'missed must')
  return options.strict && isMissed ? 3 : 0
}

interface Results {
  readonly started: Date
  readonly machine: ReturnType<typeof describeMachine>
  readonly figures: readonly Figure[]
  readonly failures: readonly string[]
}

function report({ scale, json, markdown, plots }: Options, results: Results): void {
  const { started, machine, figures, failures } = results
  print(`\n${table(figures)}`)
  for (const failure of failures) print(`\nFAILED ${failure}`)
  if (json !== undefined) {
    const withVerdicts = figures.map((figure) => ({ ...figure, verdict: verdictOf(figure) }))
    const content = { started, scale, machine, figures: withVerdicts, failures }
    writeFileSync(json, `${JSON.stringify(content, undefined, 2)}\n`)
  }
  const day = started.toISOString().slice(0, 10)
  if (plots !== undefined) {
    mkdirSync(plots, { recursive: true })
    const title = `Ours against what it is compared with, ${day}, ${scale.name} run`
    writeFileSync(join(plots, 'ratios.svg'), ratioChart(title, figures))
  }
  if (markdown !== undefined) {
    const failed = failures.map((failure) => `- failed: ${failure}`)
    const text = [`${day}, ${scale.name} run. ${showMachine(machine)}.`, table(figures)]
    writeMarkdown(
      markdown,
      [...text, ...(failed.length > 0 ? [failed.join('\n')] : [])].join('\n\n'),
    )
  }
}

function tryReadOptions(parameters: string[]): Options | undefined {
  try {
    return readOptions(parameters, Object.keys(GROUPS))
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    process.stderr.write(`${error.message}\n`)
    return undefined
  }
}

function assertSpace(folder: string, neededBytes: number): void {
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize >= neededBytes) return
  throw new Error(`"${folder}" has ${bavail * bsize} bytes free; this run needs ${neededBytes}`)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
