/**
 * Says where a shared library of SQLite is that was built with SQLITE_ENABLE_BATCH_ATOMIC_WRITE, and
 * otherwise as it is. Builds it first where it is missing, from the sources that the npm package
 * better-sqlite3 carries; needs gcc, and the registry once. It stays in the folder for temporary files.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PACKAGE = 'better-sqlite3'
const VERSION = '12.11.1'
const SHA512 =
  'dq9AtApgg5PGFtBzPFSBl3HZQjHok5gaQCM6zh2Yk0aSmDCs1CbnVI8/HgASQkNKsWFpseIO9beg5xxpYhbIfA=='
const LIBRARY = 'libsqlite3.so.0'

function run(command, parameters, cwd) {
  const { status, error, stderr } = spawnSync(command, parameters, { cwd, encoding: 'utf8' })
  if (status === 0) return
  const hint = error?.code === 'ENOENT' ? `: install ${command}` : `: ${error ?? stderr}`
  throw new Error(`Cannot build SQLite: ${command} failed${hint}`)
}

function build(folder) {
  const tarball = `${PACKAGE}-${VERSION}.tgz`
  run('npm', ['pack', `${PACKAGE}@${VERSION}`, '--silent'], folder)
  const found = createHash('sha512').update(readFileSync(join(folder, tarball)))
  if (found.digest('base64') !== SHA512) throw new Error(`"${tarball}" is not what it was`)
  run('tar', ['-xzf', tarball, '--strip-components=3', 'package/deps/sqlite3'], folder)
  const options = ['-shared', '-fPIC', '-O1', '-DSQLITE_ENABLE_BATCH_ATOMIC_WRITE']
  run('gcc', [...options, 'sqlite3.c', '-o', LIBRARY, '-lpthread', '-ldl', '-lm'], folder)
}

function isBuilt(folder) {
  try {
    return statSync(join(folder, LIBRARY)).uid === process.getuid()
  } catch {
    return false
  }
}

const home = join(tmpdir(), `oatomic-sqlite-${VERSION}-${process.getuid()}`)
if (!isBuilt(home)) {
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-sqlite-'))
  try {
    build(folder)
    renameSync(folder, home)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    // Somebody else may have built it meanwhile.
    if (!isBuilt(home)) throw error
  }
}
console.log(join(home, LIBRARY))
