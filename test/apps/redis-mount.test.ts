/** Redis: with `appendfsync always` every key that it has acknowledged is there after kills. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Mount } from '../mount/support/mount.ts'
import { type Running, needs, run, shell, start } from '../mount/support/run.ts'
import { killAtEnd, testOnBoth } from './support/on-both.ts'

const SETTINGS = '--appendonly yes --appendfsync always --save "" --port 0'
const ENDLESS = 'n=0; while true; do n=$((n + 1)); echo "SET key$n value$n"; done'
const ENOUGH = 150

const socketOf = (mount: Mount): string => join(mount.folder, 'redis.sock')

async function serve(mount: Mount, context: TestContext): Promise<Running> {
  const folder = mount.at('redis')
  const script = `exec redis-server ${SETTINGS} --dir "$FOLDER" --unixsocket "$SOCKET"`
  const environment = { FOLDER: folder, SOCKET: socketOf(mount) }
  const server = start('bash', ['-c', script], { environment, ownGroup: true })
  killAtEnd(context, server, () => server.killed())
  const answers = `for try in $(seq 200); do
    if [ "$(redis-cli -s "$SOCKET" PING 2>&1)" = PONG ]; then exit 0; fi; sleep 0.05
  done; exit 1`
  const { status } = await start('bash', ['-c', answers], { environment }).ended
  assert.equal(status, 0, 'Redis serves')
  return server
}

/** Sets keys until so many are acknowledged, then kills the server; returns how many were. */
async function setUntilKilled(mount: Mount, server: Running): Promise<number> {
  const client = start('bash', ['-c', `{ ${ENDLESS}; } | redis-cli -s "$SOCKET"`], {
    environment: { SOCKET: socketOf(mount) },
    ownGroup: true,
  })
  let answers = ''
  const enough = new Promise<void>((resolve) => {
    client.process.stdout?.on('data', (text: string) => {
      answers += text
      if (answers.length >= ENOUGH * 'OK\n'.length) resolve()
    })
  })
  await Promise.race([enough, client.ended])
  await server.killed()
  await client.killed()
  return answers.split('\n').filter((answer) => answer === 'OK').length
}

testOnBoth(
  'Redis has every acknowledged key after kills',
  { timeout: 60_000 },
  async (mount, context) => {
    await needs('redis-server', 'redis-server')
    await needs('redis-cli', 'redis-tools')
    await shell('mkdir redis', { cwd: mount.path })
    const acknowledged = await setUntilKilled(mount, await serve(mount, context))
    assert.ok(acknowledged >= ENOUGH)
    await mount.crash()
    const names = Array.from({ length: acknowledged }, (_, index) => `key${index + 1}`)
    const expected = names.map((name) => `${name.replace('key', 'value')}\n`).join('')
    const ask = (...words: readonly string[]): Promise<string> =>
      run('redis-cli', ['-s', socketOf(mount), ...words])

    const second = await serve(mount, context)
    assert.equal(await ask('MGET', ...names), expected)
    // This one dies while it replaces its file by a shorter one.
    await ask('BGREWRITEAOF')
    await second.killed()

    const third = await serve(mount, context)
    assert.equal(await ask('MGET', ...names), expected)
    await ask('SHUTDOWN')
    assert.equal((await third.ended).status, 0)
  },
)
