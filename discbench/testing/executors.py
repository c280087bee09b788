"""The conformance kit for executors: six cells of a tiny checkpoint, one of which fails."""

import multiprocessing
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from discbench.errors import CheckpointError
from discbench.results.store import Store
from discbench.testing.checkpoints import tiny_checkpoint
from discbench.testing.promises import promise
from discbench.values.asked import Evaluation
from discbench.values.cells import Cell
from discbench.values.jobs import Event, Executor, Job
from discbench.values.place import Place


def check_executor(executor: Executor) -> None:
    """Check what an executor promises, on six cells of a tiny checkpoint, one of which fails.

    Every cell is told once and stored, with the scores and predictions that this process gives; a cell that fails stops
    no other; what a look at a checkpoint finds is raised before any cell is started; no process is left behind. Of one
    that `shares`: a cell that is another process's is passed over.

    Raises:
        AssertionError: The first promise that is broken, in words.
    """
    from discbench.executors.builtin import INPROCESS

    before, threads = set(multiprocessing.active_children()), set(threading.enumerate())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = tiny_checkpoint(root / "tiny")
        jobs = _jobs(str(model))
        cells = [job.cell for job in jobs if job.cell is not None]
        told: list[Event] = []
        INPROCESS.run(jobs, Place(results=root / "expected"), 0, 1, lambda _: None)
        try:
            executor.run(jobs, Place(results=root / "found"), 2, 1, told.append)
        except Exception as error:
            raise AssertionError(f"{executor.name}: runs what it is given, but it raised {error!r}") from error
        _check_told(executor.name, cells, told)
        _check_stored(executor.name, cells, Store(root / "expected"), Store(root / "found"))
        left = set(multiprocessing.active_children()) - before
        promise(executor.name, "no process is left when it returns", not left, f"{len(left)} are")
        busy = [thread.name for thread in set(threading.enumerate()) - threads if not thread.daemon]
        promise(executor.name, "no thread is left when it returns", not busy, f"{busy} are")
        if executor.shares:
            _check_passing(executor, jobs, root / "found")
        (model / "model.safetensors").unlink()
        started: list[Event] = []
        try:
            executor.run(jobs, Place(results=root / "refused"), 2, 1, started.append)
        except CheckpointError:
            pass
        except Exception as error:
            raise AssertionError(f"{executor.name}: what a check finds is raised, but {error!r} was") from error
        else:
            raise AssertionError(f"{executor.name}: what a check finds is raised, but nothing was")
        promise(executor.name, "no cell is started when a check fails", not started, f"{len(started)} events were told")


def _jobs(model: str) -> list[Job]:
    """Return a look at a checkpoint and six cells, the fourth of which diverges."""
    from discbench.plugins import registry
    from discbench.sweeps import sweep

    manager, jobs = registry.plugins(), []
    for seeds, changes in ((3, {"epochs": 1}), (1, {"epochs": 1, "lr": 1e30})):
        request = Evaluation(
            inits="pretrained" if seeds == 1 else "pretrained,scratch",
            seeds=seeds,
            recipe="quick",
            set=changes,
            limit=16,
        ).request
        asked = sweep.prepare(
            manager,
            (model,),
            ("formal.factor",),
            request,
            directory=None,
            specials={},
            load=True,
            unverified=False,
            trust_remote_code=False,
        )
        jobs += sweep.jobs(asked, asked.cells)
    checks, cells = [job for job in jobs if job.cell is None], [job for job in jobs if job.cell is not None]
    return [*checks, *cells[:3], cells[-1], *cells[3:5]]


def _check_passing(executor: Executor, jobs: Sequence[Job], root: Path) -> None:
    """Run cells once more, those that are finished and one that another process holds."""
    store, told = Store(root), list[Event]()
    cells = [job for job in jobs if job.cell is not None]
    failed = next(job.cell for job in cells if job.cell is not None and not store.finished(job.cell))
    hold = store.holds.take(failed)
    promise(executor.name, "a cell is free when it has been told", hold is not None, f"{failed.words} is not")
    assert hold is not None
    executor.run(cells, Place(results=root, passing=True), 2, 1, told.append)
    hold.release()
    for kind, wanted in (("passed", 1), ("end", 0)):
        counts = Counter(event.cell.id for event in told if event.kind == kind)
        wrong = [(job.cell.words, counts[job.cell.id]) for job in cells if job.cell and counts[job.cell.id] != wanted]
        what = f"what another process holds or has settled is told by {wanted} event {kind!r}"
        promise(executor.name, what, not wrong, f"{wrong[:1]} times")


def _check_told(name: str, cells: Sequence[Cell], told: Sequence[Event]) -> None:
    for kind in ("start", "end"):
        counts = Counter(event.cell.id for event in told if event.kind == kind)
        wrong = [(cell.words, counts[cell.id]) for cell in cells if counts[cell.id] != 1]
        promise(name, f"every cell is told by one event {kind!r}", not wrong, f"{wrong[:1]} times")
    strange = {event.cell.id for event in told} - {cell.id for cell in cells}
    promise(name, "only cells that were given are told", not strange, f"{sorted(strange)} are")


def _check_stored(name: str, cells: Sequence[Cell], expected: Store, found: Store) -> None:
    for cell in cells:
        wanted, given = expected.get(cell), found.get(cell)
        promise(name, "every cell has a result in the store", given is not None, f"{cell.words} has none")
        assert wanted is not None
        assert given is not None
        parts = ("status", "scores", "cause", "collapsed")
        differ = [part for part in parts if wanted.get(part) != given.get(part)]
        promise(
            name,
            "a cell gives what it gives in this process",
            not differ,
            f"{differ} of {cell.words} differ: {[given.get(part) for part in differ]!r:.200}",
        )
        paths = [store.path(cell).with_suffix(".predictions.parquet") for store in (expected, found)]
        same = [path.read_bytes() if path.exists() else b"" for path in paths]
        promise(name, "predictions lie beside the result", same[0] == same[1], f"those of {cell.words} differ")
