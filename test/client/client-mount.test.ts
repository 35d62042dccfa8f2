/** The client library, as a program imports it, on a real mount. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as client from 'oatomic/client'
import { mounted } from '../mount/support/mount.ts'
import { start } from '../mount/support/run.ts'

const TEST = { timeout: 60_000 }
const EXAMPLES = join(import.meta.dirname, '..', '..', '..', 'examples')

const withCode = (code: string) => (error: unknown) => {
  assert.ok(error instanceof client.OatomicError, String(error))
  assert.equal(error.code, code, error.message)
  return true
}

test('the client opts files in and out, and tells their state', TEST, async (context) => {
  const mount = await mounted(context)
  const path = mount.at('file')
  await writeFile(path, 'old')
  assert.equal(await client.isOatomic(path), true)
  assert.equal(await client.isAtomic(path), false)
  await client.enable(path)
  assert.equal(await client.isAtomic(path), 'shared')
  await client.setOnClose(path, 'keep')
  await writeFile(path, 'new')
  const staged = await client.state(path)
  assert.equal(staged.isStaged, true)
  assert.equal(staged.baseSeq, staged.publishedSeq)
  assert.equal(staged.broken, undefined)
  await client.discard(path)
  assert.equal(await readFile(path, 'utf8'), 'old')
  await writeFile(path, 'new')
  await client.publish(path)
  assert.equal((await client.state(path)).isStaged, false)
  assert.equal((await client.limits(path)).alignment, 1)
  await client.disable(path)
  await client.disable(path)
  assert.equal(await client.isAtomic(path), false)
})

test('begin() updates a file as a whole, or not at all', TEST, async (context) => {
  const mount = await mounted(context)
  const path = mount.at('file')
  await writeFile(path, 'one two')
  const update = await client.begin(path)
  await update.file.write('ONE', 0)
  await update.file.write('TWO', 4)
  await update.publish()
  await assert.rejects(update.publish(), withCode('EINVAL'))
  await mount.crash()
  assert.equal(await readFile(path, 'utf8'), 'ONE TWO')

  const dropped = await client.begin(path)
  await dropped.file.write('xxx', 0)
  await dropped.discard()
  assert.equal(await readFile(path, 'utf8'), 'ONE TWO')
  const failing = async (): Promise<void> => {
    await using unfinished = await client.begin(path)
    await unfinished.file.write('yyy', 0)
    throw new Error('in the middle')
  }
  await assert.rejects(failing(), /in the middle/)
  assert.equal(await readFile(path, 'utf8'), 'ONE TWO')
})

test('publishAll() and groups publish several files in one commit', TEST, async (context) => {
  const mount = await mounted(context)
  const paths = ['a', 'b', 'c'].map((name) => mount.at(name))
  for (const path of paths) {
    await writeFile(path, 'old')
    await client.enable(path)
    await client.setOnClose(path, 'keep')
    await writeFile(path, 'new')
  }
  await assert.rejects(client.publishAll(mount.path, ['a', 'none']), withCode('ENOENT'))
  await assert.rejects(client.publishAll(mount.path, ['a\nb']), withCode('EINVAL'))
  await client.publishAll(mount.path, ['a', 'b'])
  await client.publishAll(mount.path, [])
  for (const path of paths.slice(1)) await client.setGroup(path, 'g')
  await writeFile(paths[1] ?? '', 'newer')
  await client.publish(paths[2] ?? '')
  await client.setGroup(paths[1] ?? '', undefined)
  await mount.crash()
  const contents = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  assert.deepEqual(contents, ['new', 'newer', 'new'])
})

test('exchange() exchanges the content of two files', TEST, async (context) => {
  const mount = await mounted(context)
  const [a, b] = [mount.at('a'), mount.at('b')]
  await writeFile(a, 'a'.repeat(10_000))
  await writeFile(b, 'b')
  await client.exchange(a, b, { dryRun: true })
  assert.equal(await readFile(b, 'utf8'), 'b')
  await client.exchange(a, b)
  assert.equal(await readFile(a, 'utf8'), 'b')
  assert.equal(await readFile(b, 'utf8'), 'a'.repeat(10_000))
  const range = { sourceOffset: 1, targetOffset: 0, lengthBytes: 4096 }
  await assert.rejects(client.exchange(a, b, { range }), withCode('EINVAL'))
})

test('on another filesystem the client says so', TEST, async () => {
  const path = tmpdir()
  assert.equal(await client.isOatomic(path), false)
  for (const call of [
    () => client.enable(path),
    () => client.isAtomic(path),
    () => client.state(path),
    () => client.begin(path),
    () => client.publishAll(path, ['a']),
    () => client.exchange(path, path),
  ]) {
    await assert.rejects(call(), client.NotOatomicError)
  }
  await assert.rejects(client.isOatomic('/does/not/exist'), withCode('ENOENT'))
})

async function run(command: string, ...words: string[]): Promise<void> {
  const { status, stderr } = await start(command, words).ended
  assert.equal(status, 0, `${command}: ${stderr}`)
}

test('the examples in C, Python and shell do what they say', TEST, async (context) => {
  const mount = await mounted(context)
  const read = async (name: string): Promise<string> => readFile(mount.at(name), 'latin1')
  const binary = join(mount.folder, 'update')
  const include = join(EXAMPLES, '..', 'include')
  await run('cc', '-Wall', '-I', include, '-o', binary, join(EXAMPLES, 'update.c'))
  await writeFile(mount.at('big'), Buffer.alloc(2 << 20, '.'))
  await run(binary, mount.at('big'), 'text')
  for (const name of ['first', 'second']) await writeFile(mount.at(name), 'old')
  await run('python3', join(EXAMPLES, 'update.py'), mount.path, 'first', 'second', 'both')
  await writeFile(mount.at('edited'), 'old')
  await run(join(EXAMPLES, 'update.sh'), mount.at('edited'), 'sh', '-c', 'printf new > "$0"')
  const { status } = await start(join(EXAMPLES, 'update.sh'), [
    mount.at('edited'),
    'sh',
    '-c',
    'echo half > "$0"; exit 1',
  ]).ended
  assert.equal(status, 1)
  await mount.crash()
  const big = await read('big')
  assert.ok(big.startsWith('text.') && big.slice(1 << 20).startsWith('text.'))
  assert.equal(await read('first'), 'both')
  assert.equal(await read('second'), 'both')
  assert.equal(await read('edited'), 'new')
})
