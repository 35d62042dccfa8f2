import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..', '..', 'src')

/** The folders of src/README.md, top down. */
const LAYERS = [
  ['client'],
  ['cli'],
  ['session', 'dump', 'repair'],
  ['check'],
  ['fuse'],
  ['fs'],
  ['scrub'],
  ['volume'],
  ['txn'],
  ['journal'],
  ['store'],
  ['device'],
  [''],
]

const layerOf = (folder: string): number => LAYERS.findIndex((layer) => layer.includes(folder))

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/from '(\.[^']+)'/g)].map(([, path]) => join(file, '..', path ?? ''))
}

const folderOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] ?? '') : '')

test('imports point to the same layer or down', () => {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.js'),
  )
  assert.ok(files.length > 50, 'the compiled sources are here')
  for (const file of files) {
    const from = layerOf(folderOf(file))
    assert.ok(from >= 0, `${file}: its folder is a row of src/README.md`)
    for (const imported of importsOf(file)) {
      const to = layerOf(folderOf(imported))
      const isSame = folderOf(file) === folderOf(imported)
      assert.ok(to > from || isSame, `${file} imports ${imported}`)
    }
  }
})

test('src/README.md has the folders that there are', () => {
  const readme = readFileSync(join(root, '..', '..', 'src', 'README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| `([a-z]+)\/`/gm)].map(([, folder]) => folder)
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  assert.deepEqual(new Set(rows), new Set(folders.map((entry) => entry.name)))
})
