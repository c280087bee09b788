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
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HERE))

from discbench.results import board  # noqa: E402 - of this tree
from discbench.results.store import Store, as_text  # noqa: E402

EARLY = 0.25
"""Share of commands that are killed before they have workers; the others are when some of their workers were."""
BETWEEN, MOST = 1.5, 6
"""Seconds within which the next kill of a worker comes; how many there are at most before the command's own."""
EACH = 25
"""Kills of one store's sweep; then it is let run to its end, and another is begun."""


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
        words += ["--set", "epochs=30", "--limit", 48, "--workers", 2, "--results", self.root]
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

    def at_work(self) -> bool:
        """Tell whether workers are there."""
        assert self.process is not None
        return bool(workers(self.process.pid))

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
        if whom == "command":
            self.process.wait()
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


@dataclass
class Plan:
    """When the next kills come, and for whom."""

    draw: random.Random
    starting: float
    """Seconds in which an undisturbed command comes to have workers."""
    whom: list[str] = field(default_factory=list)
    """Kills of the present command that are still to come."""

    def begin(self) -> None:
        """Draw what becomes of a command that has just been started."""
        early = self.draw.random() < EARLY
        some = ["worker"] * self.draw.randint(1, MOST)
        self.whom = ["early"] if early else [*some, *(["command"] if self.draw.random() < 0.7 else [])]

    def pause(self) -> float:
        """Draw the seconds until the next kill."""
        return self.draw.uniform(0, self.starting if self.whom[0] == "early" else BETWEEN)


def disturbed(sweeps: Sweeps, plan: Plan, left: int, until: float) -> Counter[str]:
    """Fill a store under at most so many kills; return how many there were of each kind."""
    killed: Counter[str] = Counter()
    sweeps.start()
    plan.begin()
    process = sweeps.process
    while not sweeps.ended():
        if time.monotonic() > until:
            raise Fault("the time is over and the sweep is not whole")
        if sweeps.process is not process:
            process = sweeps.process
            plan.begin()
        if killed.total() >= left or not plan.whom or (plan.whom[0] != "early" and not sweeps.at_work()):
            time.sleep(0.05)
            continue
        time.sleep(plan.pause())
        whom = plan.whom.pop(0)
        killed[whom] += sweeps.kill("worker" if whom == "worker" else "command", plan.draw)
        sweeps.check()
    sweeps.check()
    return killed


def undisturbed(sweeps: Sweeps) -> float:
    """Fill a store; return the seconds until there were workers."""
    began = time.monotonic()
    sweeps.start()
    while not sweeps.at_work() and not sweeps.ended():
        time.sleep(0.02)
    starting = time.monotonic() - began
    while not sweeps.ended():
        time.sleep(0.1)
    sweeps.check()
    return starting


def main() -> None:
    """Kill, look, and say what was seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and of who is killed")
    parser.add_argument("--minutes", type=float, default=60, help="after which it counts as failed")
    asked = parser.parse_args()
    until, killed, stores = time.monotonic() + 60 * asked.minutes, Counter[str](), 0
    from discbench.testing import tiny_checkpoint

    with tempfile.TemporaryDirectory() as name:
        model = tiny_checkpoint(Path(name) / "tiny")
        alone = Sweeps(model, Path(name) / "alone")
        plan = Plan(random.Random(asked.seed), undisturbed(alone))
        print(f"undisturbed: {len(alone.finished)} cells; workers after {plan.starting:.1f} s", flush=True)
        while killed.total() < asked.kills:
            stores += 1
            sweeps = Sweeps(model, Path(name) / f"store{stores}")
            killed += disturbed(sweeps, plan, min(EACH, asked.kills - killed.total()), until)
            if sweeps.board() != alone.board():
                raise Fault(f"the board of store {stores} is another than that of an undisturbed sweep")
            print(f"store {stores}: {killed.total()} kills ({dict(killed)}), the board is the same", flush=True)
    print(f"{killed.total()} kills, {stores} stores: nothing lost, nothing changed, nothing trained twice")


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(f"fault: {fault}")
