"""Workers that are other people's programs: git and tar."""
from common import *

GIT = ('git', '-c', 'core.fsync=all', '-c', 'core.fsyncMethod=fsync', '-c', 'gc.auto=0',
       '-c', 'user.name=soak', '-c', 'user.email=soak@localhost', '-c', 'safe.directory=*')


class Git(Worker):
    """Commits; what was noted is in the history, and all of it is sound."""

    def git(self, *parameters):
        return self.run(*GIT, *parameters, cwd=self.at('repository'))

    def verify(self):
        noted = self.note.get()
        if not noted:
            shutil.rmtree(self.at('repository'), ignore_errors=True)
            os.mkdir(self.at('repository'))
            self.git('init', '-q')
            self.commit()
        # A killed git leaves its locks; what they protect is whole.
        for folder, _, names in os.walk(self.at('repository', '.git')):
            for name in names:
                if name.endswith('.lock'):
                    os.unlink(os.path.join(folder, name))
        self.git('fsck', '--full', '--strict', '--no-dangling')
        self.git('merge-base', '--is-ancestor', self.note.get()[0], 'HEAD')
        self.git('reset', '-q', '--hard')
        self.git('clean', '-q', '-f', '-d')
        check(self.git('status', '--porcelain') == '', 'the work tree differs from what was committed')

    def commit(self):
        name = f'{self.random.randrange(40)}.txt'
        folder = self.at('repository', f'{self.random.randrange(5)}')
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), 'a') as file:
            file.write(f'{self.random.random()}\n' * self.random.choice((1, 20, 500)))
        self.git('add', '-A')
        self.git('commit', '-q', '-m', f'commit {self.stepped}')
        self.note.set(self.git('rev-parse', 'HEAD').strip())

    def step(self):
        self.commit()
        if self.random.random() < 0.05:
            self.git('repack', '-a', '-d', '-q')
            self.git('prune')


class Tar(Worker):
    """Unpacks a tree, makes it durable, compares it with where it came from, and deletes it."""

    def __init__(self, *parameters):
        super().__init__(*parameters)
        self.source, self.archive = self.beside('source'), self.beside('tar')

    def pack(self):
        shutil.rmtree(self.source, ignore_errors=True)
        for n in range(120):
            folder = os.path.join(self.source, f'{n % 7}', f'{n % 3}')
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, f'file{n}'), 'wb') as file:
                file.write(body(self.name, n))
            os.symlink(f'file{n}', os.path.join(folder, f'link{n}'))
        self.run('tar', '-C', self.source, '-cf', self.archive + '.new', '.')
        os.rename(self.archive + '.new', self.archive)

    def compare(self):
        self.run('diff', '-r', '--no-dereference', self.source, self.at('copy'))

    def verify(self):
        if not os.path.exists(self.archive):
            self.pack()
        if self.note.get() == ['unpacked']:
            self.compare()
        self.remove()

    def remove(self):
        self.note.set('nothing')
        self.run('rm', '-rf', self.at('copy'))

    def step(self):
        os.mkdir(self.at('copy'))
        self.run('tar', '-C', self.at('copy'), '-xf', self.archive)
        self.run('find', self.at('copy'), '-not', '-type', 'l', '-exec', 'sync', '{}', '+')
        self.note.set('unpacked')
        self.compare()
        self.remove()
