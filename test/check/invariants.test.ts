import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { INVARIANTS } from '../../src/check/invariants.ts'
import { FORMAT_MAJOR, FORMAT_MINOR } from '../../src/store/superblock.ts'

test('docs/format.md has this version and lists these invariants', () => {
  const text = readFileSync('docs/format.md', 'utf8').replaceAll(/\s+/g, ' ')
  assert.ok(text.includes(`Version ${FORMAT_MAJOR}.${FORMAT_MINOR}.`))
  const listed = [...text.matchAll(/- \*\*(F\d+)\*\*/g)].map(([, number]) => number)
  assert.deepEqual(listed, Object.keys(INVARIANTS))
  for (const [number, statement] of Object.entries(INVARIANTS)) {
    assert.ok(text.includes(`**${number}** ${statement}`), number)
  }
})
