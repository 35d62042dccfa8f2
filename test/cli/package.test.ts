/** What `npm pack` packs is all that the program needs, and nothing that it does not. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { makeFolder, sh } from './support/command.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

test('the package works where it is installed', { timeout: 90_000 }, async (context) => {
  const folder = await makeFolder(context)
  // What it is packed from was built for the tests.
  await sh(`cd ${ROOT} && npm pack --ignore-scripts --silent --pack-destination ${folder}`)
  const [name = ''] = await readdir(folder)
  const target = join(folder, 'lib', 'oatomic')
  await mkdir(target, { recursive: true })
  await sh(`tar -xzf ${join(folder, name)} -C ${target} --strip-components=1`)
  await symlink(join(ROOT, 'node_modules'), join(target, 'node_modules'))
  // As npm links it into its folder of programs.
  const program = join(folder, 'oatomic')
  await symlink(join(target, 'dist', 'mount.js'), program)

  // eslint-disable-next-line typescript/no-unsafe-type-assertion -- the package's own file
  const { version } = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8')) as {
    version: string
  }
  assert.equal(await sh(`${program} --version`), `oatomic ${version}\n`)
  await sh(`${program} make ${folder}/volume --ring-size 1M`)
  assert.match(await sh(`${program} check ${folder}/volume`), /^clean: /)
  await sh(`${program} install-helper --directory ${folder}`)
  assert.match(await sh(`${folder}/mount.oatomic --help`), /^Usage: oatomic mount /)
  const files = (await sh(`cd ${target} && find . -type f -not -path './node_modules/*'`)).split(
    '\n',
  )
  for (const needed of ['./dist/src/cli/daemon.js', './docs/oatomic.1', './LICENSE']) {
    assert.ok(files.includes(needed), needed)
  }
  assert.deepEqual(
    files.filter((file) => /^\.\/((dist\/)?(test|bench|scripts)|src)\//.test(file)),
    [],
  )
})
