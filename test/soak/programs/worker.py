"""
A worker of the soak:

    worker.py KIND NAME MOUNT STATE SEED [verify]

works until it is told to stop, or only verifies. It ends with 10 when something is wrong, after a line
that says what.
"""
import sys
import traceback

sys.dont_write_bytecode = True

from atomic import Pages, Policies, Reader
from common import Stopped, Violation
from database import Database
from ordinary import Append, Replace, Trees
from tools import Git, Tar

KINDS = {'pages': Pages, 'policies': Policies, 'reader': Reader, 'append': Append,
         'replace': Replace, 'trees': Trees, 'database': Database, 'git': Git, 'tar': Tar}

kind, name, mount, state, seed, *mode = sys.argv[1:]
try:
    worker = KINDS[kind](name, mount, state, seed)
    if mode == ['verify']:
        worker.verify_only()
    else:
        worker.live()
except Stopped:
    pass
except (Violation, OSError) as error:
    print(f'{name}: {error}', flush=True)
    sys.exit(10)
except Exception:
    print(f'{name}: {traceback.format_exc()}', flush=True)
    sys.exit(10)
