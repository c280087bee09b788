"""The executor: one driver process after another, until every cell has an end or no cluster is left."""

import contextlib
import importlib.util
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import IO

from discbench.errors import DiscbenchError, UserError
from discbench.executors import start
from discbench.executors.ray import cluster, driver
from discbench.executors.ray.asked import Asked, Family, Gone, Lost, Unreachable
from discbench.results.store import Store
from discbench.values.cells import Cell
from discbench.values.jobs import Event, Job, Watch
from discbench.values.place import Place
from discbench.words.names import one_line

LIVES = 3
"""How often a driver is started: a cluster of ours is started anew, a given one is joined again."""
PATIENCE = 15.0
"""Seconds in which a driver may stop its cluster before it is killed; the cluster's processes end with it."""


def ready() -> None:
    """See that Ray is there.

    Raises:
        UserError: It is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "--executor ray needs the package ray, which is not installed; install discbench with its extra:"
            " pip install 'discbench[ray]'"
        )


@dataclass
class Told:
    """What the drivers have told so far; each cell's start and end are passed on once."""

    watch: Watch
    started: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    flying: dict[str, Cell] = field(default_factory=dict)
    """Cells of the present driver that have started and not ended."""
    tries: Counter[str] = field(default_factory=Counter)
    """Attempts that were lost, by cell id."""
    causes: dict[str, str] = field(default_factory=dict)
    family: Family = field(default=Family((), ()))
    """The present driver's cluster."""

    def hear(self, message: Event | Lost | Family) -> None:
        """Take a message of the driver."""
        if isinstance(message, Family):
            self.family = message
            return
        if isinstance(message, Lost):
            self.lose(message.cell, message.cause)
            return
        event, name = message, message.cell.id
        if event.kind == "start":
            self.flying[name] = event.cell
            if name in self.started:
                return
            self.started.add(name)
        elif event.kind in {"end", "passed"}:
            self.flying.pop(name, None)
            self.ended.add(name)
        self.watch(event)

    def lose(self, cell: Cell, cause: str) -> None:
        """Take note that an attempt at a cell was lost."""
        self.flying.pop(cell.id, None)
        self.tries[cell.id] += 1
        self.causes[cell.id] = cause

    def driver_gone(self, cause: str) -> None:
        """Take note that the driver is gone, and with it the attempts that it had under way."""
        for cell in list(self.flying.values()):
            self.lose(cell, cause)


def run(
    jobs: Sequence[Job],
    place: Place,
    workers: int,
    threads: int,
    watch: Watch,
    *,
    address: str | None = None,
    gpus_per_cell: float | None = None,
) -> None:
    """Run the jobs: checks on this machine first, then each cell as a task of Ray.

    Args:
        jobs: Checks and cells.
        place: Where results go.
        workers: Cells at once, at most; 0 for as many as the cluster has room for.
        threads: Of each cell; a cell on a CPU asks Ray for as many CPUs.
        watch: Told of every event.
        address: HOST:PORT of a cluster, or auto; None to start one on this machine, which is stopped at the end.
        gpus_per_cell: The share of each cell; by default 1 where the device is a GPU.

    Raises:
        DiscbenchError: What a check found (no cell is started then); no cluster could be had, or it was lost for good.
    """
    ready()
    asked, told = Asked.of(place, workers, threads, address, gpus_per_cell), Told(watch)
    if asked.address is not None:
        cluster.reach(asked.address)
    checks, cells = [job for job in jobs if job.cell is None], [job for job in jobs if job.cell is not None]
    gone = ""
    for _ in range(LIVES):
        left = [job for job in cells if job.cell is not None and job.cell.id not in told.ended]
        try:
            gone = _drive([*checks, *left], place, asked, told)
        except Unreachable as error:
            if not gone:
                raise
            gone = str(error)
            break
        if not gone:
            return
        told.driver_gone(gone)
    _give_up([job.cell for job in cells if job.cell is not None], place, told, gone)


def _drive(jobs: list[Job], place: Place, asked: Asked, told: Told) -> str:
    """Run jobs by one driver; return "" when all of them have ended, else why the driver is gone."""
    ours, theirs = start.pipe()
    with tempfile.TemporaryFile() as log:
        given = (theirs, jobs, place, asked, dict(told.tries), start.Passed(log))
        process = start.process(driver.work, given)
        theirs.close()
        try:
            return _listen(ours, told) or _last_words(process, log)
        except EOFError:
            return ""
        finally:
            ours.close()  # whatever it does, it ends now
            _end(process)
            cluster.clear(told.family)
            told.family = Family((), ())


def _listen(pipe: Connection, told: Told) -> str:
    """Hear the driver until it is done (EOFError) or gone; return the reason that it gave, or "" if it gave none."""
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            return ""
        if isinstance(message, Gone):
            return message.cause
        if message is None:
            raise EOFError
        if isinstance(message, BaseException):
            raise message
        told.hear(message)


def _last_words(process: BaseProcess, log: IO[bytes]) -> str:
    process.join(PATIENCE)
    log.seek(0)
    said = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    last = one_line(said[-1], 200) if said else "no message"
    return f"Ray ended the process that drove it with code {process.exitcode} ({last})"


def _end(process: BaseProcess) -> None:
    with contextlib.suppress(AttributeError, ValueError):
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            process.join(1)


def _give_up(cells: list[Cell], place: Place, told: Told, cause: str) -> None:
    """Record cells that were tried as failed.

    Raises:
        DiscbenchError: There are others, which were never tried.
    """
    store = Store(place.results)
    for cell in cells:
        if cell.id in told.causes and cell.id not in told.ended:
            result = store.fail(cell, told.causes[cell.id])
            told.hear(Event("start", cell))
            told.hear(Event("end", cell, result=result))
    left = [cell for cell in cells if cell.id not in told.ended]
    if left:
        raise DiscbenchError(
            f"--executor ray: no cluster is left to run {len(left)} of {len(cells)} cells ({cause}); what was finished"
            " is in the store, run again to go on"
        )
