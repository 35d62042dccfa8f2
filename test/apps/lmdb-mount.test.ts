/** LMDB: a B+tree in one shared mapping, with pages written by the file or through the mapping. */
import assert from 'node:assert/strict'
import { run, start } from '../mount/support/run.ts'
import { testOnBoth } from './support/on-both.ts'

/** Debian's, for which the package of LMDB is, also where another one comes first. */
const PYTHON = '/usr/bin/python3'

const PROGRAM = `
import hashlib, lmdb, os, sys
path, writemap, step = sys.argv[1], sys.argv[2] == 'writemap', sys.argv[3]
def opened():
    return lmdb.open(path, map_size=8 << 20, writemap=writemap, max_dbs=2)
def key(worker, n): return b'%d-%d' % (worker, n)
def value(worker, n): return hashlib.sha256(key(worker, n)).digest() * (n % 40 + 1)
if step == 'write':
    workers = []
    for worker in range(2):
        pid = os.fork()
        if pid == 0:
            try:
                environment = opened()
                for start in range(0, 200, 50):
                    with environment.begin(write=True) as transaction:
                        for n in range(start, start + 50): transaction.put(key(worker, n), value(worker, n))
                with environment.begin(write=True) as transaction:
                    for n in range(0, 200, 5): assert transaction.delete(key(worker, n))
                environment.close()
                os._exit(0)
            except BaseException as error:
                print(error, file=sys.stderr, flush=True)
                os._exit(1)
        workers.append(pid)
    for pid in workers: assert os.waitpid(pid, 0)[1] == 0, 'a writer failed'
expected = {key(w, n): value(w, n) for w in range(2) for n in range(200) if n % 5}
environment = opened()
with environment.begin() as transaction: assert dict(transaction.cursor()) == expected
environment.close()
`

for (const way of ['pwrite', 'writemap']) {
  testOnBoth(`LMDB with two writers, by ${way}`, { timeout: 60_000 }, async (mount) => {
    const { status } = await start(PYTHON, ['-c', 'import lmdb']).ended
    assert.equal(status, 0, 'This test needs LMDB for Python: apt-get install python3-lmdb')
    await run(PYTHON, ['-c', PROGRAM, mount.at('base'), way, 'write'])
    await mount.crash()
    await run(PYTHON, ['-c', PROGRAM, mount.at('base'), way, 'read'])
  })
}
