/**
 * The program that works on a mount with ordinary system calls, and what it understands: a command is
 * a line of JSON, and so is its answer. Bytes are in base64. Paths begin with `/`, below the mount.
 */

export type WorkerCommand =
  | { readonly do: 'create' | 'open' | 'close' | 'sync'; readonly path: string }
  | { readonly do: 'mkdir' | 'rmdir' | 'unlink' | 'syncdir'; readonly path: string }
  | { readonly do: 'write'; readonly path: string; readonly at: number; readonly data: string }
  | { readonly do: 'truncate'; readonly path: string; readonly size: number }
  | { readonly do: 'rename' | 'link' | 'symlink'; readonly path: string; readonly to: string }
  | { readonly do: 'chmod'; readonly path: string; readonly mode: number }
  | {
      readonly do: 'setxattr'
      readonly path: string
      readonly name: string
      readonly data: string
    }
  | { readonly do: 'ioctl'; readonly path: string; readonly request: number }
  /** A transaction of SQLite; answers with what the database holds then. */
  | { readonly do: 'transact'; readonly path: string; readonly round: number }
  | { readonly do: 'observe' }

export interface ObservedNode {
  readonly path: string
  readonly ino: number
  readonly mode: number
  readonly content: string
  readonly xattrs: readonly (readonly [name: string, value: string])[]
}

export interface WorkerAnswer {
  readonly content?: string
  readonly ino?: number
  readonly nodes?: readonly ObservedNode[]
  readonly error?: string
}

/** A close publishes only after it has returned, so `close` waits until nothing is staged any more. */
export const WORKER_PROGRAM = `
import base64, json, sqlite3, stat, subprocess
root, opened, databases = sys.argv[1], {}, {}
os.umask(0)
def at(path): return root + path

def observe_node(path, inode):
    content = b''
    if stat.S_ISREG(inode.st_mode):
        with open(path, 'rb') as file: content = file.read()
    elif stat.S_ISLNK(inode.st_mode): content = os.fsencode(os.readlink(path))
    xattrs = []
    if not stat.S_ISLNK(inode.st_mode):
        for name in os.listxattr(path):
            xattrs.append([name, base64.b64encode(os.getxattr(path, name)).decode()])
    return {'path': path[len(root):], 'ino': inode.st_ino, 'mode': inode.st_mode,
            'content': base64.b64encode(content).decode(), 'xattrs': xattrs}

def observe(folder):
    nodes = []
    for name in sorted(os.listdir(folder)):
        path = folder + '/' + name
        inode = os.lstat(path)
        nodes.append(observe_node(path, inode))
        if stat.S_ISDIR(inode.st_mode): nodes += observe(path)
    return nodes

def close(path):
    os.close(opened.pop(path))
    while b'state=clean' not in os.getxattr(at(path), 'user.atomic.state'): time.sleep(0.001)

def sync_folder(path):
    fd = os.open(at(path), os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)

def write(path, offset, data):
    fd = opened[path]
    while data:
        count = os.pwrite(fd, data, offset)
        data, offset = data[count:], offset + count

def transact(path, round):
    if path not in databases:
        databases[path] = sqlite3.connect(at(path), isolation_level=None)
        databases[path].execute('PRAGMA synchronous = FULL')
    db = databases[path]
    db.execute('BEGIN IMMEDIATE')
    for i in range(16):
        db.execute('UPDATE t SET k = ?, pad = randomblob(4000) WHERE id = ?', (round, (round * 16 + i) % 64))
    if round % 4 == 0: db.execute('INSERT INTO t VALUES (?, ?, randomblob(20000))', (1000 + round, round))
    db.execute('COMMIT')
    # Not through a descriptor: closing one would give up the locks that SQLite has.
    read = subprocess.run(['cat', at(path)], stdout=subprocess.PIPE, check=True)
    return {'content': base64.b64encode(read.stdout).decode()}

def execute(c):
    do, path = c['do'], c.get('path')
    if do == 'create':
        opened[path] = os.open(at(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        return {'ino': os.fstat(opened[path]).st_ino}
    if do == 'mkdir':
        os.mkdir(at(path), 0o755)
        return {'ino': os.lstat(at(path)).st_ino}
    if do == 'symlink':
        os.symlink(c['to'], at(path))
        return {'ino': os.lstat(at(path)).st_ino}
    if do == 'transact': return transact(path, c['round'])
    if do == 'observe': return {'nodes': observe(root)}
    if do == 'open': opened[path] = os.open(at(path), os.O_RDWR)
    elif do == 'close': close(path)
    elif do == 'sync': os.fsync(opened[path])
    elif do == 'rmdir': os.rmdir(at(path))
    elif do == 'unlink': os.unlink(at(path))
    elif do == 'syncdir': sync_folder(path)
    elif do == 'write': write(path, c['at'], base64.b64decode(c['data']))
    elif do == 'ioctl': fcntl.ioctl(opened[path], c['request'])
    elif do == 'truncate': os.ftruncate(opened[path], c['size'])
    elif do == 'rename':
        os.rename(at(path), at(c['to']))
        if path in opened: opened[c['to']] = opened.pop(path)
    elif do == 'link': os.link(at(path), at(c['to']))
    elif do == 'chmod': os.chmod(at(path), c['mode'])
    elif do == 'setxattr': os.setxattr(at(path), c['name'], base64.b64decode(c['data']))
    else: raise ValueError(do)
    return {}

for line in sys.stdin:
    try: answer = execute(json.loads(line))
    except Exception as error: answer = {'error': repr(error)}
    say(json.dumps(answer))
`
