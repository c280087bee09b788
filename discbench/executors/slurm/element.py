"""One element of an array: its cells into the store, one after another; where its time ends, to be continued.

It runs as the function that submitit calls on a node. Nothing is returned: what is done is in the store. A signal that
asks it to end (`scancel`, a preemption) ends it without a word, for Slurm alone knows whether it will run again.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from discbench.errors import UserError
from discbench.executors import local
from discbench.executors.slurm import queue
from discbench.results.running.arrays import Stamp, stamp
from discbench.results.store import Store
from discbench.values.cells import Cell
from discbench.values.jobs import Event, Job
from discbench.values.place import Place, gpu_count, gpus_here

GRACE, SHARE = 60.0, 0.2
"""Seconds before the end of its time at which an element stops, and at most which share of its time they are."""
KILLED = 120.0
"""Seconds in which Slurm ends a job that it has put back into the queue."""


class TimeIsUp(BaseException):
    """The time limit is near; no `Exception`, so that nothing takes it for a failure."""


@dataclass(frozen=True, slots=True)
class Work:
    """What an element is given."""

    jobs: tuple[Job, ...]
    """Its cells."""
    place: Place
    gpus: int
    """That it asked for; it runs a cell on each at once, and without one a cell on the CPU."""
    threads: int
    minutes: int
    """The time limit of each run of it."""
    before: dict[str, Stamp]
    """Cell id -> the stamp of the record that lay at its place when the array was submitted."""

    def left(self) -> list[Job]:
        """Return the cells without a result, and those whose result is a failure of older days."""
        store, found = Store(self.place.results), []
        for job in self.jobs:
            assert job.cell is not None
            at = stamp(store.path(job.cell))
            if at is None or (at == self.before.get(job.cell.id) and not store.finished(job.cell)):
                found.append(job)
        return found


@dataclass
class Told:
    """Which cells have begun, which have ended, and which had the element's whole time."""

    began: dict[str, Cell] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    def watch(self, event: Event) -> None:
        """Take note of an event."""
        if event.kind == "start":
            self.began[event.cell.id] = event.cell
            self.whole |= set() if self.ended else {event.cell.id}
        elif event.kind == "end":
            self.ended.add(event.cell.id)
            print(f"{event.cell.words}: {event.result.get('cause', event.result.get('status'))}", flush=True)  # noqa: T201


def run(work: Work) -> None:
    """Run what is left of an element's cells until all are done or its time is up.

    Raises:
        SystemExit: It was asked to end.
    """
    told, started, place = Told(), time.monotonic(), on_node(work)
    states = {cell.id: stamp(state_of(work, cell)) for job in work.jobs if (cell := job.cell) is not None}
    _listen()
    limit = 60.0 * work.minutes
    bell = threading.Timer(limit - min(GRACE, SHARE * limit), _ring)
    bell.daemon = True
    bell.start()
    try:
        local.run(work.left(), place, max(1, work.gpus), work.threads, told.watch)
    except TimeIsUp:
        saved = {cell.id for cell in told.began.values() if stamp(state_of(work, cell)) not in {None, states[cell.id]}}
        _stop(work, told, saved, time.monotonic() - started)
    finally:
        bell.cancel()


def _listen() -> None:
    """Take over from submitit, which would wait a signal out; SIGUSR2, its warning, comes up to a minute early."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, _time_is_up)
    signal.signal(signal.SIGTERM, _end)


def _ring() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def _time_is_up(_number: int, _frame: FrameType | None) -> None:
    raise TimeIsUp


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def on_node(work: Work) -> Place:
    """Return the place with the devices of this node instead of those where the array was submitted.

    Raises:
        UserError: GPUs were asked for, and the job sees fewer.
    """
    if not work.gpus:
        return replace(work.place, device="cpu", devices=("",) if gpu_count() else ())
    seen = gpus_here()
    if len(seen) < work.gpus:
        raise UserError(f"--gpus-per-node {work.gpus}: {where()} sees {len(seen)}; does the cluster hand them out?")
    return replace(work.place, device="cuda", devices=seen[: work.gpus])


def state_of(work: Work, cell: Cell) -> Path:
    """Return where the training state of a cell is saved, if it is: with one, a cell goes on where it was."""
    return Store(work.place.results).state_path(cell)


def _stop(work: Work, told: Told, saved: set[str], spent: float) -> None:
    """Tell of cells that the whole time was too short for; the others go on in another run of this element.

    A cell goes on if its training state was `saved` in this run, or if other cells had a part of the time. So each run
    brings something about, and there is an end to them.
    """
    store = Store(work.place.results)
    late = [told.began[name] for name in told.whole - told.ended - saved]
    if not told.began:  # it took all that time to begin, and would again
        late = [job.cell for job in work.left()[:1] if job.cell is not None]
    for cell in late:
        if not store.finished(cell):
            did = "it ran alone for" if told.began else "it had not begun after"
            cause = (
                f"its time was over: {did} {spent / 60:.1f} minutes of --time {work.minutes} ({where()}); give a longer"
                " --time, or --checkpoint-minutes"
            )
            store.fail(cell, cause)
            print(f"{cell.words}: {cause}", flush=True)  # noqa: T201
    left = work.left()
    job = os.environ.get("SLURM_JOB_ID", "")
    print(f"{len(left)} cells are left" + (f"; job {job} goes back into the queue" if left else ""), flush=True)  # noqa: T201
    if left and job and queue.requeue(job):
        time.sleep(KILLED)


def where() -> str:
    """Return which job this is, and on which node."""
    array, element = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    job = f"{array}_{element}" if array else os.environ.get("SLURM_JOB_ID", "?")
    return f"Slurm job {job} on {os.environ.get('SLURMD_NODENAME', '?')}"


def last_line(logs: Sequence[Path]) -> str:
    """Return the last line of the first of these files that has one, or the last that says that it is an error."""
    for log in logs:
        try:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            continue
        if lines:
            return next((line for line in reversed(lines) if "rror" in line), lines[-1]).strip()[:200]
    return ""
