/**
 * Goal: programs cannot tell the mount from a local filesystem.
 * Method: each operation has a file of cases that state what must hold (operations/*.py, see frame.py).
 * All run on ext4 first, which judges the cases, and then on our mounts; what differs must stand in
 * differences.ts. At the end each target is started again, and everything that the cases have left
 * must look as before.
 */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from '../support/run.ts'
import { DIFFERENCES, type Difference } from './differences.ts'
import { TARGETS, type Target } from './target.ts'

const SOURCE = new URL('../../../../test/mount/conform/', import.meta.url)
const PROGRAM = fileURLToPath(new URL('main.py', SOURCE))
const TIMEOUT_MS = 240_000

/** What main.py says of a case. */
interface Finding {
  readonly case: string
  readonly lacks: readonly string[]
  readonly error: string | null
}

const operations = readdirSync(new URL('operations', SOURCE))
  .filter((name) => name.endsWith('.py'))
  .map((name) => name.slice(0, -3))
  .toSorted()

for (const target of TARGETS) {
  test(target.name, { timeout: TIMEOUT_MS }, async (context) => {
    const running = await target.start(context)
    const { folder } = running
    const options = { timeoutMs: TIMEOUT_MS }
    const lacks = target.lacks.join(',') || '-'
    const output = await run('python3', [PROGRAM, folder, lacks, ...operations], options)
    const findings = output.trimEnd().split('\n').map(parseFinding)
    for (const operation of operations) {
      await context.test(operation, () => {
        const own = findings.filter(({ case: name }) => name.startsWith(`${operation}/`))
        assert.ok(own.length > 0, 'no case was run')
        assert.deepEqual(
          own.flatMap((finding) => complaint(target, finding)),
          [],
        )
      })
    }
    await context.test('a restart changes nothing that is left', async () => {
      const before = await run('python3', [PROGRAM, folder, '--show'], options)
      await running.restart()
      const after = await run('python3', [PROGRAM, folder, '--show'], options)
      assert.deepEqual(after.split('\n'), before.split('\n'))
    })
    await running.stop()
  })
}

test('docs/semantics.md names every difference', () => {
  const text = readFileSync(new URL('../../../docs/semantics.md', SOURCE), 'utf8')
  for (const { what, why } of DIFFERENCES) {
    const row = text.split('\n').find((line) => line.startsWith(`| ${what} `))
    assert.ok(row?.includes(`| ${why} `) === true, what)
  }
})

function parseFinding(line: string): Finding {
  // eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by main.py
  return JSON.parse(line) as Finding
}

/** What is wrong with the outcome of a case on a target, if anything. */
function complaint(target: Target, { case: name, error, lacks }: Finding): string[] {
  if (lacks.length > 0) return []
  const known = DIFFERENCES.find(
    (difference) => difference.cases.includes(name) && difference.on(target),
  )
  if (known === undefined) return error === null ? [] : [`${name}: ${error}`]
  return meets(known, error) ? [] : [`${name}: ${error ?? 'no difference any more'}`]
}

function meets({ finds }: Difference, error: string | null): boolean {
  return error !== null && finds.test(error)
}
