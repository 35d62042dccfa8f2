/** The help, the man page and docs/command-line.md name the same options and exit codes. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { COMMANDS } from '../../src/cli/commands.ts'
import { EXIT } from '../../src/cli/exit-codes.ts'
import { commandHelp, programHelp } from '../../src/cli/help.ts'
import { MOUNT_OPTIONS } from '../../src/cli/mount-options.ts'

const names = [
  'mount',
  'unmount',
  'run',
  'make',
  'scrub',
  'check',
  'dump',
  'install-helper',
] as const
const help = [programHelp(), ...names.map(commandHelp)].join('\n')
const documents = {
  help,
  'oatomic.1': withoutRoff(read('oatomic.1')),
  'command-line.md': read('command-line.md'),
}

for (const [document, text] of Object.entries(documents)) {
  test(`${document} names every command and option, and no other`, () => {
    assert.deepEqual(names.toSorted(), Object.keys(COMMANDS).toSorted())
    for (const name of names) assert.ok(text.includes(`oatomic ${name}`), name)
    assert.deepEqual(longOptions(text), longOptions(help))
  })

  test(`${document} names every mount option`, () => {
    for (const form of Object.keys(MOUNT_OPTIONS)) {
      assert.match(text, new RegExp(`(^|[\\s\`])${form}([\\s\`,]|$)`, 'm'), form)
    }
  })

  test(`${document} names every exit code`, () => {
    const section = text.slice(text.search(/exit (codes|status)/i))
    for (const code of Object.values(EXIT)) {
      assert.match(section, new RegExp(`^\\|? *${code}\\b`, 'm'), String(code))
    }
  })
}

test('the help shows every option of the table', () => {
  const shown = Object.values(COMMANDS).flatMap(({ options }) =>
    Object.entries(options).flatMap(([key, option]) => ('text' in option ? [`--${key}`] : [])),
  )
  assert.deepEqual(longOptions(help), [...new Set([...shown, '--version'])].toSorted())
})

function read(name: string): string {
  return readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8')
}

/** The text as a reader sees it, as far as this test needs. */
function withoutRoff(text: string): string {
  return text
    .replaceAll(/\\f[A-Z]|\\(?=-)/g, '')
    .replaceAll(/^\.BI (\S+) (\S+)$/gm, '$1$2')
    .replaceAll(/^\.[A-Z]+ /gm, '')
    .replaceAll('"', '')
}

function longOptions(text: string): readonly string[] {
  const found = [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option)
  return [...new Set(found)].toSorted()
}
