/** PostgreSQL with its data on the mount: after kills all is there that it has acknowledged. */
import assert from 'node:assert/strict'
import { chmod, chown, mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Mount } from '../mount/support/mount.ts'
import { type Running, needs, run, start } from '../mount/support/run.ts'
import { killAtEnd, testOnBoth } from './support/on-both.ts'

const VERSIONS = '/usr/lib/postgresql'
const AS_POSTGRES = ['--reuid=postgres', '--regid=postgres', '--init-groups', '--']
const ENOUGH = 40

/** A server, and its clients, all as the user postgres. */
class Postgres {
  readonly #mount: Mount
  readonly #programs: string

  constructor(mount: Mount, programs: string) {
    this.#mount = mount
    this.#programs = programs
  }

  async make(): Promise<void> {
    const { folder } = this.#mount
    const owner = Number(await run('id', ['-u', 'postgres']))
    const group = Number(await run('id', ['-g', 'postgres']))
    await chmod(folder, 0o711)
    for (const path of [this.#data, this.#sockets]) {
      await mkdir(path, { mode: 0o700 })
      await chown(path, owner, group)
    }
    await this.run('initdb', '-D', this.#data, '-A', 'trust', '--no-locale', '-E', 'UTF8')
  }

  get #data(): string {
    return this.#mount.at('data')
  }

  get #sockets(): string {
    return join(this.#mount.folder, 'sockets')
  }

  start(program: string, ...parameters: readonly string[]): Running {
    const all = [...AS_POSTGRES, join(this.#programs, program), ...parameters]
    return start('setpriv', all, { environment: { PGHOST: this.#sockets } })
  }

  async run(program: string, ...parameters: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.start(program, ...parameters).ended
    assert.equal(status, 0, `${program}: ${stdout}${stderr}`)
    return stdout.trim()
  }

  async serve(context: TestContext): Promise<Running> {
    const options = ['-c', 'listen_addresses=', '-c', `unix_socket_directories=${this.#sockets}`]
    const server = this.start('postgres', '-D', this.#data, ...options)
    killAtEnd(context, server, () => kill(server))
    for (let tries = 0; tries < 300; tries += 1) {
      const ready = await this.start('pg_isready', '-q').ended
      if (ready.status === 0) return server
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await kill(server)
    return assert.fail(`PostgreSQL does not serve: ${(await server.ended).stderr}`)
  }

  ask(query: string): Promise<string> {
    return this.run('psql', '-qAtX', '-d', 'postgres', '-c', query)
  }
}

/** Kills a server and all its processes, each of which is in a session of its own. */
async function kill(server: Running): Promise<void> {
  const { pid } = server
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  process.kill(pid, 'SIGKILL')
  for (const child of children.trim().split(' ').map(Number)) {
    try {
      process.kill(child, 'SIGKILL')
    } catch {
      // It has seen the end of its parent.
    }
  }
  await server.ended
}

/** Commits numbers until enough are acknowledged, then kills the server; returns those that were. */
async function insertUntilKilled(postgres: Postgres, server: Running): Promise<string[]> {
  const client = postgres.start('psql', '-qAtX', '-d', 'postgres')
  for (let n = 1; n <= 5000; n += 1) client.tell(`INSERT INTO noted VALUES (${n}) RETURNING n;`)
  await client.said(String(ENOUGH))
  await kill(server)
  const { stdout } = await client.ended
  return stdout.split('\n').slice(0, -1)
}

const CONSISTENT = `SELECT count(*) >= 60, sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts),
  sum(delta) = (SELECT sum(tbalance) FROM pgbench_tellers),
  sum(delta) = (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history`

testOnBoth(
  'PostgreSQL keeps what it has acknowledged',
  { timeout: 120_000 },
  async (mount, context) => {
    const versions = await readdir(VERSIONS).catch(() => [])
    const version = versions.toSorted((a, b) => Number(b) - Number(a))[0]
    assert.ok(version !== undefined, 'This test needs PostgreSQL: apt-get install postgresql')
    await needs('setpriv', 'util-linux')
    const postgres = new Postgres(mount, join(VERSIONS, version, 'bin'))
    await postgres.make()
    const first = await postgres.serve(context)
    await postgres.run('pgbench', '-i', '-q', 'postgres')
    await postgres.run('pgbench', '-c', '2', '-t', '30', 'postgres')
    await postgres.ask('CREATE TABLE noted (n int PRIMARY KEY)')
    const noted = await insertUntilKilled(postgres, first)
    assert.ok(noted.length >= ENOUGH)
    await mount.crash()

    const second = await postgres.serve(context)
    const found = await postgres.ask('SELECT n FROM noted ORDER BY n')
    assert.deepEqual(found.split('\n').slice(0, noted.length), noted)
    assert.equal(await postgres.ask(CONSISTENT), 't|t|t|t')
    assert.equal(await postgres.ask('SELECT count(*) FROM pgbench_accounts'), '100000')
    second.process.kill('SIGINT')
    assert.equal((await second.ended).status, 0)
  },
)
