/** One folder with many entries, through the kernel and the usual tools. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { mounted } from './support/mount.ts'
import { python, run } from './support/run.ts'

const TEST = { timeout: 120_000 }
const COUNT = 10_000

const MAKE = `
folder, count = sys.argv[1], int(sys.argv[2])
os.umask(0)
os.mkdir(folder)
for i in range(count): os.close(os.open(f'{folder}/file-{i}', os.O_CREAT | os.O_EXCL, i % 0o1000))
assert sorted(os.listdir(folder)) == sorted(f'file-{i}' for i in range(count))
`

/** Reads on while every second entry goes, and new ones come. */
const CHANGE = `
folder, count = sys.argv[1], int(sys.argv[2])
seen = []
with os.scandir(folder) as entries:
    for at, entry in enumerate(entries):
        seen.append(entry.name)
        if at == 100:
            for i in range(0, count, 2): os.unlink(f'{folder}/file-{i}')
            for i in range(500): os.close(os.open(f'{folder}/new-{i}', os.O_CREAT))
assert len(seen) == len(set(seen)), 'a name was listed twice'
assert {f'file-{i}' for i in range(1, count, 2)} <= set(seen), 'a name that stays was not listed'
for i in range(count):
    try: mode = os.lstat(f'{folder}/file-{i}').st_mode & 0o777
    except FileNotFoundError: mode = None
    assert mode == (i % 0o1000 if i % 2 else None), (i, mode)
`

test('a folder of 10,000 entries is listed, changed and removed', TEST, async (context) => {
  const mount = await mounted(context)
  const folder = join(mount.path, 'folder')
  await python(MAKE, [folder, String(COUNT)])
  await mount.unmount()
  await mount.remount()
  await python(CHANGE, [folder, String(COUNT)])
  const listed = await run('ls', ['-l', folder])
  assert.equal(listed.trimEnd().split('\n').length, 1 + COUNT / 2 + 500)
  await run('rm', ['-r', folder])
  assert.equal(await run('ls', ['-A', mount.path]), '')
  await mount.unmount()
})
