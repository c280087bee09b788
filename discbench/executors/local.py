"""The local executor: a pool of processes on this machine, each running one cell at a time.

A worker stores each result itself, the moment it is there. A worker that dies takes only its cell with it: that cell is
told as failed and a new worker takes the dead one's place. Workers end with the process that started them; what they
print goes to a file without a name, which ends with them.
"""

import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import IO, Any

from discbench.errors import DiscbenchError, StoreError
from discbench.executors import start
from discbench.results.store import Result, Store
from discbench.values.cells import Cell
from discbench.values.checkpoints import Checkpoint
from discbench.values.jobs import Event, Job, Watch
from discbench.values.place import VISIBLE, Place, unpack
from discbench.words import interruption


@dataclass
class Worker:
    """A process, our end of its pipe, and what it is at."""

    process: BaseProcess
    pipe: Connection
    log: IO[bytes]
    device: str | None
    """Its CUDA_VISIBLE_DEVICES; None leaves it as it is."""
    job: Job | None = None


def run(jobs: Sequence[Job], place: Place, workers: int, threads: int, watch: Watch) -> None:
    """Run the jobs: checks first, then cells in their order.

    Raises:
        DiscbenchError: What a check found; no cell is started then.
    """
    crew: list[Worker] = []
    checks = [job for job in jobs if job.cell is None]
    cells = [job for job in jobs if job.cell is not None]
    known: dict[Checkpoint, bytes] = {}
    patience = HASTE
    try:
        for _ in range(min(workers, max(1, len(cells)))):
            crew.append(_hire(crew, place, threads))
        for queue in (checks, cells):
            _drain(list(queue), crew, known, place, min(workers, max(1, len(cells))), threads, watch)
        patience = PATIENCE
    finally:
        _dismiss(crew, patience)


PATIENCE, HASTE = 10.0, 0.5
"""Seconds in which workers may end: after the last cell, and when a check failed or the sweep is interrupted."""
OWN_SIGNAL = 0.2
"""Seconds after which we know that a signal which ended a worker was not sent to us as well."""


def _drain(
    queue: list[Job],
    crew: list[Worker],
    known: dict[Checkpoint, bytes],
    place: Place,
    workers: int,
    threads: int,
    watch: Watch,
) -> None:
    """Do jobs until none is left; `known` is what checks have found, for the workers that did not make them."""
    while queue or any(worker.job for worker in crew):
        while len(crew) < min(workers, len(queue) + sum(1 for w in crew if w.job)) or (queue and not crew):
            crew.append(_hire(crew, place, threads))
        for worker in crew:
            if worker.job is None and queue:
                job = queue.pop(0)
                _give(worker, replace(job, known=known.get(job.checkpoint)), watch)
        for pipe in wait([worker.pipe for worker in crew], timeout=1.0):
            worker = next(w for w in crew if w.pipe is pipe)
            _hear(worker, crew, known, place, watch)


def _hire(crew: list[Worker], place: Place, threads: int) -> Worker:
    ours, theirs = start.pipe()
    log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the worker
    device = next_device(place.devices, [worker.device for worker in crew])
    process = start.process(work, (theirs, place, threads, start.Passed(log), device))
    theirs.close()
    return Worker(process, ours, log, device)


def next_device(devices: Sequence[str], taken: Sequence[str | None]) -> str | None:
    """Return the device with the fewest workers, of equals the first: a dead worker's place is taken on its device."""
    return min(devices, key=taken.count) if devices else None


def _give(worker: Worker, job: Job, watch: Watch) -> None:
    worker.job = job
    if job.cell is not None:
        watch(Event("start", job.cell))
    worker.pipe.send(job)


def _hear(worker: Worker, crew: list[Worker], known: dict[Checkpoint, bytes], place: Place, watch: Watch) -> None:
    job = worker.job
    try:
        message = worker.pipe.recv()
    except (EOFError, OSError):
        _bury(worker, crew, place, watch)
        return
    if isinstance(message, BaseException):
        raise message
    if isinstance(message, tuple) and job is not None and job.cell is not None:
        watch(Event("step", job.cell, *message))
        return
    worker.job = None
    if isinstance(message, str):
        assert job is not None
        assert job.cell is not None
        watch(Event("passed", job.cell))
    elif job is not None and job.cell is None:
        known[job.checkpoint] = message
    elif job is not None and job.cell is not None:
        watch(Event("end", job.cell, result=message))


def _bury(worker: Worker, crew: list[Worker], place: Place, watch: Watch) -> None:
    worker.process.join(5)
    if worker.process.exitcode in ENDINGS:
        time.sleep(OWN_SIGNAL)
    crew.remove(worker)
    worker.pipe.close()
    with worker.log as log:
        log.seek(0)
        last = log.read().decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
    cause = _ending(worker.process.exitcode, last[0][:200])
    if worker.job is None or worker.job.cell is None:
        raise DiscbenchError(f"a worker could not look at the checkpoint: {cause}")
    stored = _failed(worker.job.cell, worker.job.planned, cause, place)
    watch(Event("passed", worker.job.cell) if stored is None else Event("end", worker.job.cell, result=stored))


def _failed(cell: Cell, planned: str | None, cause: str, place: Place) -> Result | None:
    """Store that a cell failed; return its result, or None where another process has taken it at once."""
    store = Store(place.results)
    hold = store.holds.take(cell)
    if hold is None and place.passing:
        return None
    try:
        return store.fail(cell, cause, planned)
    finally:
        if hold is not None:
            hold.release()


ENDINGS = {-signal.SIGTERM, -signal.SIGHUP} if hasattr(signal, "SIGHUP") else {-signal.SIGTERM}
"""How a worker ends by a signal that may have been for all of a group of processes."""


def _ending(code: int | None, last: str) -> str:
    """Return how a process ended, with the last line that it wrote; only one that was killed may have lacked memory."""
    if code is None or code >= 0:
        return f"its process ended with code {code} ({last})"
    known = -code in {each.value for each in signal.Signals}
    memory = "; out of memory? try fewer --workers" if -code == signal.SIGKILL else ""
    return f"its process was ended by {signal.Signals(-code).name if known else -code} ({last}){memory}"


def _dismiss(crew: list[Worker], patience: float) -> None:
    for worker in crew:
        if worker.job is not None or patience < PATIENCE:
            worker.process.terminate()
        worker.pipe.close()
    until = time.monotonic() + patience
    for worker in crew:
        worker.process.join(max(0.0, until - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(HASTE)
        worker.log.close()


def work(
    pipe: Connection,
    place: Place,
    threads: int,
    log: start.Passed,
    device: str | None,
    environment: dict[str, str],
) -> None:
    """Be a worker: take jobs from the pipe until it closes."""
    interruption.follow()
    if not place.verbose:
        start.silence(log)
    if device is not None:
        environment[VISIBLE] = device  # CUDA reads it when it is first used, and never again
    start.prepare(environment, threads)
    from discbench.plugins import registry
    from discbench.training.run import Bench

    tasks = {task.id: task for task in (*registry.tasks(registry.plugins()).values(), *unpack(place.given))}
    bench = Bench(place, threads)
    if not pipe.poll(SOON):
        _import_more()
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
        pipe.send(_perform(job, bench, tasks, pipe))


SOON = 0.2
"""Seconds after which a worker without a job looks for something to do."""


def _import_more() -> None:
    """Import what a first cell will need, while others check; the process that was copied keeps clear of threads."""
    import sklearn.metrics  # noqa: F401


def _perform(job: Job, bench: Any, tasks: dict[str, Any], pipe: Connection) -> Any:  # noqa: ANN401
    if job.known is not None:
        bench.learn(job.checkpoint, pickle.loads(job.known))  # noqa: S301 - of another worker of ours
    try:
        if job.cell is not None:
            given = (job.cell, job.checkpoint, tasks[job.cell.task], lambda *step: _tell(pipe, step), job.planned)
            return _run(bench, given)
    except StoreError as error:  # the store's disk is full, or gone: the next cell would be trained for nothing
        return error
    try:
        bench.check(job.checkpoint, list(job.checks), tasks)
    except DiscbenchError as error:
        return error
    except Exception as error:  # noqa: BLE001 - told in its own words, like what a check found
        return DiscbenchError(f"a worker could not look at {job.checkpoint.name!r}: {type(error).__name__}: {error}")
    return pickle.dumps(bench.known(job.checkpoint))  # as bytes: tensors would be shared, and torch loaded over there


def _run(bench: Any, given: tuple[Any, ...]) -> Any:  # noqa: ANN401
    from discbench.training.held import Elsewhere

    try:
        return bench.run(*given)
    except Elsewhere:
        return PASSED


PASSED = "passed"
"""What a worker says instead of a result: the cell is another process's."""


def _tell(pipe: Connection, message: Any) -> None:  # noqa: ANN401
    try:
        pipe.send(message)
    except OSError:
        sys.exit("the sweep that this cell belongs to is gone")
