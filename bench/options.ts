/** The command line. */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { SCALES, type Scale } from './scale.ts'

export const USAGE = `usage: node dist/bench/run.js [options] [--only NAME...]

  --quick           smaller files and fewer rounds
  --smoke           only shows that everything works
  --only NAME       measure these groups: NAMES
  --dir FOLDER      where to measure; by default the folder for temporary files
  --json FILE       write the value of every round
  --markdown FILE   put the table between the marks of this file
  --plots FOLDER    write the ratios there as a picture, ratios.svg
  --scale           measure instead how the costs of open, commit, read and check, and memory, grow
                    with the number of files and of extents, the size of a file, and its age; writes
                    docs/benchmarks/scale.md, or the file of --markdown, and plots beside it
  --strict          exit with 3 when a figure misses what it must reach
  --help`

export interface Options {
  readonly scale: Scale
  readonly only: readonly string[]
  readonly folder: string
  readonly json: string | undefined
  readonly markdown: string | undefined
  /** Folder for pictures. */
  readonly plots: string | undefined
  /** Whether curves are measured instead of figures. */
  readonly curves: boolean
  readonly strict: boolean
  readonly help: boolean
}

/** Throws TypeError on an unknown option or group. */
export function readOptions(parameters: string[], groupNames: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: parameters,
    // Names may follow --only without repeating it.
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      dir: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
      markdown: { type: 'string' },
      plots: { type: 'string' },
      scale: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const only = [...values.only, ...positionals]
  const unknown = only.find((name) => !groupNames.includes(name))
  if (unknown !== undefined || (values.only.length === 0 && positionals.length > 0)) {
    throw new TypeError(`"${unknown ?? positionals[0]}" is not one of ${groupNames.join(', ')}`)
  }
  const name = values.smoke ? 'smoke' : values.quick ? 'quick' : 'full'
  return {
    scale: SCALES[name],
    only,
    folder: values.dir,
    json: values.json,
    markdown: values.markdown,
    plots: values.plots,
    curves: values.scale,
    strict: values.strict,
    help: values.help,
  }
}
