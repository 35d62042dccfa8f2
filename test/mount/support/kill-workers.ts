/**
 * The programs of the kill loop. A worker works in a folder of its own, in numbered steps; each step
 * is noted in a manifest outside of the mount when it was acknowledged, never earlier. Whatever a
 * step leaves can be computed from the worker's name and the number of the step, so that a look at
 * the folder tells which steps it has seen, and whether it has seen half of one.
 */
import { python, type Running, startPython } from './run.ts'

export const WORKER_KINDS = ['overwrite', 'append', 'replace', 'names', 'truncate'] as const
export type WorkerKind = (typeof WORKER_KINDS)[number]

const COMMON = `
import random
folder, kind, manifest = sys.argv[1:4]
name = os.path.basename(folder)
def body(step, salt=''):
    choice = random.Random(f'{name} {step} {salt}')
    size = choice.choice([10, 3000, 4096, 5000, 40000, 300000, 1500000])
    unit = hashlib.sha256(f'{name} {step} {salt}'.encode()).digest()
    return (unit * (size // 32 + 1))[:size]
def line(step): return body(step)[:200] + b'\\n'
def at(*names): return os.path.join(folder, *map(str, names))
`

const WORK = `${COMMON}
step = int(sys.argv[4])
notes = open(manifest, 'a')
def done(): notes.write(f'{step}\\n'); notes.flush()
def sync(path):
    fd = os.open(path, os.O_RDONLY); os.fsync(fd); os.close(fd)
fd = -1 if kind in ('replace', 'names') else os.open(at('file'), os.O_RDWR | os.O_CREAT)
say('ready')
while True:
    step += 1
    if kind == 'overwrite':
        content = body(step)
        for start in range(0, len(content), 100000): os.pwrite(fd, content[start:start + 100000], start)
        os.ftruncate(fd, len(content)); os.fsync(fd)
    elif kind == 'truncate':
        os.ftruncate(fd, 0); os.pwrite(fd, body(step), 0); os.fdatasync(fd)
    elif kind == 'append':
        os.pwrite(fd, line(step), os.fstat(fd).st_size); os.fsync(fd)
    elif kind == 'replace':
        with open(at('new'), 'wb') as new: new.write(body(step))
        os.rename(at('new'), at('file'))
        if step % 3 == 0: sync(folder)
    elif kind == 'names':
        os.mkdir(at('made')); os.rename(at('made'), at(f'd{step}'))
        with open(at(f'd{step}', 'inner'), 'w') as inner: inner.write(str(step))
        os.link(at(f'd{step}', 'inner'), at(f'f{step}'))
        if step > 5: os.unlink(at(f'f{step - 5}'))
        sync(folder)
    done()
`

/**
 * Says which step a folder shows, after making sure that it shows all of that and nothing else.
 * \`replace\` was acknowledged in full only at every third step, but nothing may look torn.
 */
const CHECK = `${COMMON}
with open(manifest) as notes: steps = [int(text) for text in notes.read().split()]
acknowledged = max(steps, default=0)
def seen_step(content, minimum):
    for step in (acknowledged + 1, *range(acknowledged, minimum - 1, -1)):
        if content == (body(step) if step > 0 else b''): return step
    raise SystemExit(f'{name}: {len(content)} bytes are no version from {minimum} to {acknowledged + 1}')
def read(path):
    with open(path, 'rb') as file: return file.read()
if kind in ('overwrite', 'truncate'):
    seen = seen_step(read(at('file')), acknowledged)
elif kind == 'append':
    lines = read(at('file')); seen = acknowledged
    for count in (acknowledged, acknowledged + 1):
        if lines == b''.join(line(step) for step in range(1, count + 1)): seen = count; break
    else: raise SystemExit(f'{name}: {len(lines)} bytes are not {acknowledged} lines or one more')
elif kind == 'replace':
    seen = seen_step(read(at('file')), acknowledged // 3 * 3) if os.path.exists(at('file')) else 0
    assert seen >= acknowledged // 3 * 3, (name, seen, acknowledged)
elif kind == 'names':
    names = set(os.listdir(folder)); seen = acknowledged
    for count in range(acknowledged, acknowledged + 2):
        wanted = {f'd{n}' for n in range(1, count + 1)} | {f'f{n}' for n in range(max(1, count - 4), count + 1)}
        if names == wanted: seen = count
    begun = {'made', f'd{acknowledged + 1}', f'f{acknowledged + 1}'}
    certain = {f'd{n}' for n in range(1, acknowledged + 1)}
    certain |= {f'f{n}' for n in range(max(1, acknowledged - 3), acknowledged + 1)}
    assert certain <= names, (name, acknowledged, certain - names)
    assert names - certain <= begun | {f'f{acknowledged - 4}'}, (name, acknowledged, names - certain)
    for n in range(1, acknowledged + 1):
        assert read(at(f'd{n}', 'inner')) == b'%d' % n, (name, n, acknowledged)
    for n in range(max(1, acknowledged - 3), acknowledged + 1):
        assert os.stat(at(f'f{n}')).st_ino == os.stat(at(f'd{n}', 'inner')).st_ino, (name, n)
    # close(2) was answered, but no fsync after it: the content is there or not, and is made so.
    if seen > acknowledged:
        last = at(f'd{seen}', 'inner')
        assert read(last) in (b'', b'%d' % seen), (name, seen, read(last))
        with open(last, 'w') as inner: inner.write(str(seen)); inner.flush(); os.fsync(inner.fileno())
    # The step that was under way is taken back, so that it can be done again.
    if seen == acknowledged:
        for left in (f'f{acknowledged + 1}', f'd{acknowledged + 1}/inner'):
            if os.path.exists(at(left)): os.unlink(at(left))
        for left in ('made', f'd{acknowledged + 1}'):
            if os.path.exists(at(left)): os.rmdir(at(left))
with open(manifest, 'w') as notes: notes.write(f'{seen}\\n')
print(seen)
`

export interface Worker {
  readonly kind: WorkerKind
  readonly folder: string
  readonly manifest: string
}

export function startWorker({ folder, kind, manifest }: Worker, step: number): Running {
  return startPython(WORK, [folder, kind, manifest, String(step)], { timeoutMs: 3_600_000 })
}

/** The step that a worker's folder shows. Fails when an acknowledged one is missing or torn. */
export async function checkWorker({ folder, kind, manifest }: Worker): Promise<number> {
  return Number(await python(CHECK, [folder, kind, manifest]))
}
