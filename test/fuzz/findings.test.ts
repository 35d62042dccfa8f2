/** What campaigns have found, each by its name: none of it comes back. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inputFromText } from './kit/input-codec.ts'
import { TARGETS } from './targets/all.ts'

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'test', 'fuzz', 'findings')

interface Stored {
  readonly target: string
  readonly items: readonly string[]
}

const files = existsSync(FOLDER) ? readdirSync(FOLDER).toSorted() : []

test('there are findings', () => {
  assert.ok(files.length > 0)
})

for (const file of files) {
  test(file.replace(/\.json$/, '').replaceAll('-', ' '), async () => {
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by report.ts
    const { target, items } = JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Stored
    const found = TARGETS.find(({ name }) => name === target)
    assert.ok(found !== undefined, `"${target}" is a target`)
    await found.run(inputFromText(items))
  })
}
