/** Campaigns say how they are used, and what is wrong with a command line, before they begin. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const CAMPAIGNS = ['crash/campaign', 'process', 'corruption', 'fuzz', 'soak']

for (const name of CAMPAIGNS) {
  test(`${name}: --help, and an option that there is not`, { timeout: 60_000 }, () => {
    const program = fileURLToPath(new URL(`../${name}/run.js`, import.meta.url))
    const run = (...parameters: string[]) =>
      spawnSync(process.execPath, [program, ...parameters], { encoding: 'utf8' })
    const help = run('--help')
    assert.deepEqual([help.status, help.stderr], [0, ''])
    assert.match(help.stdout, /^usage: npm run /)
    for (const parameters of [['--absent'], ['--minutes', 'many']]) {
      const wrong = run(...parameters)
      assert.deepEqual([wrong.status, wrong.stdout], [2, ''])
      assert.match(wrong.stderr, /^[^\n]*(?:absent|minutes)[^\n]*\n\nusage: npm run /)
    }
  })
}
