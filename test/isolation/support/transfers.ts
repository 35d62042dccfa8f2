/**
 * Programs that move amounts between accounts of one isolated file. An account is 24 bytes, so many of
 * them share a block and some lie across two: a balance, how often it was changed, and by whom.
 */
import { type Running, python, startPython } from '../../mount/support/run.ts'

const COMMON = `
import random
path, notes, name, seed = sys.argv[1:5]
random.seed(f'{seed} {name}')
COUNT, ACCOUNT = 700, struct.Struct('<qQQ')
def again(call, *parameters):
    # Whoever is killed inside of setxattr(2) leaves an error at the file, to whoever comes next.
    try: return call(*parameters)
    except OSError as error:
        if error.errno != errno.EIO: raise
        return call(*parameters)
def opened(flags): return again(os.open, path, flags)
def account(fd, i):
    data = again(os.pread, fd, ACCOUNT.size, i * ACCOUNT.size)
    assert len(data) == ACCOUNT.size, len(data)
    return ACCOUNT.unpack(data)
`

const MAKE = `${COMMON}
with open(path, 'wb') as file: file.write(ACCOUNT.pack(1000, 0, 0) * COUNT)
os.setxattr(path, 'user.atomic', b'isolated')
`

/** Moves amounts, each in a transaction that is tried again until it is published. */
const WRITE = `${COMMON}
log = open(notes, 'a')
def transfer(fd, moves):
    changed = []
    for i, amount in moves:
        balance, count, _ = account(fd, i)
        again(os.pwrite, fd, ACCOUNT.pack(balance + amount, count + 1, os.getpid()), i * ACCOUNT.size)
        if random.random() < 0.02: time.sleep(0.005)
        assert account(fd, i) == (balance + amount, count + 1, os.getpid())
        changed.append((i, count + 1))
    return changed
def drop():
    os.setxattr(path, 'user.atomic.rollback', b'1')
fd, refused = opened(os.O_RDWR), 0
say('ready')
while True:
    hot = random.random() < 0.3
    ids = random.sample(range(8 if hot else COUNT), random.choice([2, 2, 4]))
    amounts = [random.randrange(-50, 50) for _ in ids[1:]]
    moves = list(zip(ids, [-sum(amounts)] + amounts))
    while True:
        changed = transfer(fd, moves)
        if random.random() < 0.05:
            drop(); break
        try:
            again(os.fsync, fd)
        except OSError as error:
            if error.errno != errno.EBUSY: raise
            refused += 1
            drop()
            continue
        log.write(' '.join(f'{i}:{count}' for i, count in changed) + '\\n'); log.flush()
        break
    if random.random() < 0.1:
        # Each descriptor of its own, closed with nothing or with half a transfer that must not count.
        os.close(fd); fd = opened(os.O_RDWR)
`

/** Opens, reads bit by bit while others publish, and reads again. */
const READ = `${COMMON}
say('ready')
while True:
    fd = opened(os.O_RDONLY)
    first = []
    for start in range(0, COUNT * ACCOUNT.size, 1000):
        first.append(again(os.pread, fd, 1000, start))
        if random.random() < 0.2: time.sleep(0.003)
    data = b''.join(first)
    assert len(data) == COUNT * ACCOUNT.size
    total = sum(ACCOUNT.unpack_from(data, i * ACCOUNT.size)[0] for i in range(COUNT))
    assert total == 1000 * COUNT, f'half of a transfer: {total}'
    assert again(os.pread, fd, len(data), 0) == data, 'a reader saw something else the second time'
    os.close(fd)
`

/** Leaves half a transfer behind in every way that a process can end. */
const DIE = `${COMMON}
fd = opened(os.O_RDWR)
say('ready')
again(os.pwrite, fd, ACCOUNT.pack(10 ** 6, 0, 0), random.randrange(COUNT) * ACCOUNT.size)
if name.endswith('0'): os._exit(3)
os.kill(os.getpid(), signal.SIGKILL)
`

/**
 * Whether the transfers, as noted and as the file has them, are those of some order: each change of an
 * account has its own number, all of the numbers up to the last are there but for what was not noted any
 * more, and no transfer comes before another in one account and behind it in a second one.
 */
const JUDGE = `${COMMON}
fd = opened(os.O_RDONLY)
accounts = [account(fd, i) for i in range(COUNT)]
assert sum(balance for balance, _, _ in accounts) == 1000 * COUNT
seen, transfers = {}, []
for file in os.listdir(notes):
    for line in open(os.path.join(notes, file)):
        if not line.endswith('\\n'): continue
        changes = [tuple(map(int, each.split(':'))) for each in line.split()]
        for change in changes:
            assert change not in seen, f'change {change} was made twice'
            seen[change] = len(transfers)
        transfers.append(changes)
lost = 0
for i, (_, count, _) in enumerate(accounts):
    known = [c for c in range(1, count + 1) if (i, c) in seen]
    lost += count - len(known)
    assert all(c <= count for (j, c) in seen if j == i), f'account {i} has lost a change'
assert lost <= 4 * int(seed), f'{lost} changes were noted by nobody'
after = [[] for _ in transfers]
waiting = [0] * len(transfers)
for (i, count), transfer in seen.items():
    later = [seen[(i, c)] for c in range(count + 1, accounts[i][1] + 1) if (i, c) in seen][:1]
    for other in later:
        after[transfer].append(other); waiting[other] += 1
ready = [i for i, count in enumerate(waiting) if count == 0]
done = 0
while ready:
    done += 1
    for other in after[ready.pop()]:
        waiting[other] -= 1
        if waiting[other] == 0: ready.append(other)
assert done == len(transfers), 'no order has all of these transfers'
print(len(transfers))
`

export interface Bank {
  readonly file: string
  /** A folder outside of the mount, of what was acknowledged. */
  readonly notes: string
  readonly seed: number
}

export async function makeBank({ file, notes, seed }: Bank): Promise<void> {
  await python(MAKE, [file, notes, 'make', String(seed)])
}

export function startProgram(
  { file, notes, seed }: Bank,
  kind: 'write' | 'read' | 'die',
  name: string,
): Running {
  const program = { write: WRITE, read: READ, die: DIE }[kind]
  return startPython(program, [file, `${notes}/${name}`, name, String(seed)], {
    timeoutMs: 600_000,
  })
}

/** Fails unless all that was noted has some order; returns how many transfers that are. */
export async function judge({ file, notes }: Bank, unnotedMax: number): Promise<number> {
  return Number(await python(JUDGE, [file, notes, 'judge', String(unnotedMax)]))
}
