"""`kill -9` at random moments: nothing that was finished is lost, changed or trained again.

    python tests/faults/kills.py --kills 200                    # `make faults`; about ten minutes on two idle cores
    python tests/faults/kills.py --kills 30 --seed 7

Sweeps of twelve small cells with two workers are started again and again on one store. Each time after a random while
the command or one of its workers is killed. After each kill every record is read as `discbench board` reads it, its
predictions are hashed, and those that were finished before must be the same files. A sweep that is whole must give the
board of an undisturbed one, byte for byte; then another store is begun, until there were enough kills.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HERE))

from discbench.results import board  # noqa: E402 - of this tree
from discbench.results.store import Store, as_text  # noqa: E402

PARENTS = 0.3
"""Share of kills that are for the command; each costs a start, so most are for workers."""
EARLY, BETWEEN = 8.0, 1.5
"""Seconds within which a command is killed, from its start on, and within which the next kill of a worker comes."""


class Fault(Exception):  # noqa: N818 - it is what the name says
    """What must never be."""


class Sweeps:
    """A store, and the command that fills it.

    Args:
        model: Directory of the checkpoint.
        root: The store.
    """

    def __init__(self, model: Path, root: Path) -> None:
        self.model, self.root = model, root
        self.finished: dict[Path, tuple[int, int, str]] = {}
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the command."""
        words = ["--model", self.model, "--tasks", "formal.factor,formal.depth", "--seeds", 3, "--recipe", "quick"]
        words += ["--set", "epochs=12", "--limit", 48, "--workers", 2, "--results", self.root]
        environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "discbench", "eval", *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ended(self) -> bool:
        """Tell whether the command has ended by itself with every cell finished; start it again if it is not whole."""
        assert self.process is not None
        if self.process.poll() is None:
            return False
        _, errors = self.process.communicate()
        if self.process.returncode == 0:
            return True
        if self.process.returncode not in {1, -signal.SIGKILL}:
            raise Fault(f"exit code {self.process.returncode}: {errors.splitlines()[-1:]}")
        self.start()
        return False

    def kill(self, whom: str, draw: random.Random) -> bool:
        """Kill the command or one of its workers; tell whether there was one."""
        assert self.process is not None
        victims = [self.process.pid] if whom == "command" else workers(self.process.pid)
        if not victims or self.process.poll() is not None:
            return False
        try:
            os.kill(draw.choice(victims), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def check(self) -> None:
        """See that what is finished is whole, and what was finished before is as it was."""
        now: dict[Path, tuple[int, int, str]] = {}
        store = Store(self.root)
        for path in store.paths() if self.root.is_dir() else []:
            said = path.stat()
            result = store._read(path)
            if result["status"] == "finished":
                answers = path.with_name(result["predictions"]["file"]).read_bytes()
                if hashlib.sha256(answers).hexdigest() != result["predictions"]["sha256"]:
                    raise Fault(f"{path}: its predictions are others")
                now[path] = said.st_ino, said.st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()
        for path, before in self.finished.items():
            if now.get(path) != before:
                raise Fault(f"{path} was finished and is {'written anew' if path in now else 'gone'}")
        self.finished = now

    def board(self) -> str:
        """Return the board of all cells, as text."""
        return as_text(board.build(Store(self.root).results()))


def workers(parent: int) -> list[int]:
    """Return the processes that train: children of the command's fork server."""
    return [child for server in children(parent) for child in children(server) if is_worker(server)]


def children(of: int) -> list[int]:
    """Return the numbers of a process's children."""
    try:
        return [int(child) for child in Path(f"/proc/{of}/task/{of}/children").read_text().split()]
    except OSError:
        return []


def is_worker(server: int) -> bool:
    """Tell whether a process is the fork server, whose children train."""
    try:
        return b"forkserver" in Path(f"/proc/{server}/cmdline").read_bytes()
    except OSError:
        return False


def disturbed(sweeps: Sweeps, draw: random.Random, left: int, until: float) -> Counter[str]:
    """Fill a store under at most so many kills; return how many there were of each kind."""
    killed: Counter[str] = Counter()
    sweeps.start()
    while not sweeps.ended():
        if time.monotonic() > until:
            raise Fault("the time is over and the sweep is not whole")
        if killed.total() >= left:
            time.sleep(0.2)
            continue
        whom = "command" if draw.random() < PARENTS else "worker"
        time.sleep(draw.uniform(0, EARLY if whom == "command" else BETWEEN))
        killed[whom] += sweeps.kill(whom, draw)
        sweeps.check()
    sweeps.check()
    return killed


def main() -> None:
    """Kill, look, and say what was seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and of who is killed")
    parser.add_argument("--minutes", type=float, default=60, help="after which it counts as failed")
    asked = parser.parse_args()
    draw, until, killed, stores = random.Random(asked.seed), time.monotonic() + 60 * asked.minutes, Counter[str](), 0
    from discbench.testing import tiny_checkpoint

    with tempfile.TemporaryDirectory() as name:
        model = tiny_checkpoint(Path(name) / "tiny")
        alone = Sweeps(model, Path(name) / "alone")
        disturbed(alone, draw, 0, until)
        print(f"undisturbed: {len(alone.finished)} cells", flush=True)
        while killed.total() < asked.kills:
            stores += 1
            sweeps = Sweeps(model, Path(name) / f"store{stores}")
            killed += disturbed(sweeps, draw, asked.kills - killed.total(), until)
            if sweeps.board() != alone.board():
                raise Fault(f"the board of store {stores} is another than that of an undisturbed sweep")
            print(f"store {stores}: {killed.total()} kills ({dict(killed)}), the board is the same", flush=True)
    print(f"{killed.total()} kills, {stores} stores: nothing lost, nothing changed, nothing trained twice")


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(f"fault: {fault}")
