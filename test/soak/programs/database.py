"""SQLite: accounts between which money moves, and a counter that is noted after each commit."""
from common import *

ACCOUNTS, MONEY = 200, 1000
SQLITE = ('sqlite3', '-batch', '-bail', '-cmd', '.timeout 30000')
SETUP = f"""
create table account(id integer primary key, money integer not null, memo text);
create table counter(value integer not null);
with recursive ids(id) as (select 1 union all select id + 1 from ids where id < {ACCOUNTS})
insert into account select id, {MONEY}, hex(randomblob(100)) from ids;
insert into counter values (0);
"""


class Database(Worker):
    """Works through a sqlite3 that stays open for some transactions, with `synchronous=full`."""

    TRANSACTIONS = 40

    def __init__(self, name, *parameters):
        super().__init__(name, *parameters)
        self.path = self.at('database')
        self.shell = None
        self.counter = 0
        self.mode = 'wal' if 'wal' in name else 'delete'
        self.is_atomic = 'atomic' in name

    def ask(self, *lines):
        text = '\n'.join((f'pragma journal_mode={self.mode};', 'pragma synchronous=full;', *lines))
        return self.run(*SQLITE, self.path, stdin=text).split()[1:]

    def verify(self):
        self.close()
        noted = self.note.get()
        if not noted:
            for name in os.listdir(self.folder):
                os.unlink(self.at(name))
            if self.is_atomic:
                os.setxattr(self.folder, 'user.atomic', b'1')
            self.ask('begin;', SETUP, 'commit;')
            self.sync(self.folder)
        self.counter = int(noted[0]) if noted else 0
        integrity, total, counter = self.ask(
            'pragma integrity_check;', 'select sum(money) from account;', 'select * from counter;')
        check(integrity == 'ok', f'{self.path}: integrity_check: {integrity}')
        check(int(total) == ACCOUNTS * MONEY, f'{self.path}: the money is {total}')
        is_right = int(counter) in (self.counter, self.counter + 1)
        check(is_right, f'{self.path}: the counter is {counter}, but {self.counter} was noted')
        self.counter = int(counter)
        self.note.set(self.counter)

    def step(self):
        self.doing('transactions')
        self.shell = subprocess.Popen(
            (*SQLITE, self.path), text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.say(f'pragma journal_mode={self.mode};', self.mode)
        self.say("pragma synchronous=full; pragma cache_size=20; select 'ready';", 'ready')
        for _ in range(self.random.randrange(1, self.TRANSACTIONS)):
            self.transfer()
        self.shell.stdin.close()
        if self.shell.wait() != 0:
            raise OSError(self.shell.stderr.read())
        self.close()

    def transfer(self):
        parts = ['begin immediate;']
        for _ in range(self.random.choice((1, 3, 60))):
            source, target = (self.random.randrange(ACCOUNTS) + 1 for _ in range(2))
            money = self.random.randrange(100)
            memo = f'hex(randomblob({self.random.choice((10, 100, 1500))}))'
            parts.append(f'update account set money = money - {money}, memo = {memo} where id = {source};')
            parts.append(f'update account set money = money + {money} where id = {target};')
        if self.random.random() < 0.1:
            self.say(' '.join((*parts, "rollback; select 'back';")), 'back')
            return
        next_counter = self.counter + 1
        commit = f"update counter set value = {next_counter}; commit; select 'done';"
        self.say(' '.join((*parts, commit)), 'done')
        self.counter = next_counter
        self.note.set(self.counter)

    def say(self, line, answer):
        self.shell.stdin.write(line + '\n')
        heard = self.shell.stdout.readline().strip()
        if heard != answer:
            self.shell.kill()
            raise OSError(f'sqlite3 answered "{heard}": {self.shell.stderr.read()[-300:]}')

    def close(self):
        if self.shell is None:
            return
        shell, self.shell = self.shell, None
        shell.kill()
        shell.wait()
        for pipe in (shell.stdin, shell.stdout, shell.stderr):
            try:
                pipe.close()
            except OSError:
                pass
