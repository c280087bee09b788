"""Whether a task's rows are the same in another process, where strings have other hashes and sets another order."""

import json
import os
import pickle
import subprocess
import sys

from discbench.data.files import current, reading
from discbench.data.loading import read
from discbench.errors import DataError, PluginError, UserError
from discbench.values.place import pack, unpack
from discbench.values.types import Task

CALL = "from discbench.testing.elsewhere import answer; answer()"


def difference(task: Task, sha256: str) -> str:
    """Return how the rows that another process loads differ from those of this hash, in words; "" for the same rows.

    That process has this one's environment, module path and data directory, but another PYTHONHASHSEED. A task that
    cannot be sent to it, such as one that holds an open file, or whose files are not at hand there, is not looked at.
    """
    try:
        sent = pickle.dumps((sha256, current().directory, pack((task,))))
    except UserError:
        return ""
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(  # noqa: S603 - this interpreter, and what this process packed
        [sys.executable, "-c", CALL],
        input=sent,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        return f"loading them there ended with code {done.returncode} ({last[0]})"
    return str(json.loads(done.stdout))


def answer() -> None:
    """Be the other process: read a task from stdin, write what its rows hash to if they are not those expected."""
    expected, directory, packed = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    found = ""
    try:
        (task,) = unpack(packed)
    except Exception:  # noqa: BLE001 - its module may not be importable by name, as a test file is not
        task = None
    if task is not None:
        try:
            with reading(directory, download=False):
                _, sha256 = read(task)
            if sha256 != expected:
                found = "they are not; seed every draw, and sort what comes out of a set before it is cut or numbered"
        except PluginError as error:
            found = str(error)
        except DataError:  # the first load may have had its files from elsewhere, as in a test that replaces `fetch`
            pass
    sys.stdout.write(json.dumps(found))
