"""The local executor: a pool of processes on this machine, each running one cell at a time.

A worker stores each result itself, the moment it is there. A worker that dies takes only its cell with it: that cell is
told as failed and a new worker takes the dead one's place. Workers end with the process that started them.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from discbench.errors import DiscbenchError
from discbench.results.form import FORMAT
from discbench.results.store import Store
from discbench.values.jobs import Event, Job, Watch
from discbench.values.place import Place, unpack


@dataclass
class Worker:
    """A process, our end of its pipe, and what it is at."""

    process: SpawnProcess
    pipe: Connection
    log: Path
    job: Job | None = None


def run(jobs: Sequence[Job], place: Place, workers: int, threads: int, watch: Watch) -> None:
    """Run the jobs: checks first, then cells in their order.

    Raises:
        DiscbenchError: What a check found; no cell is started then.
    """
    crew: list[Worker] = []
    checks = [job for job in jobs if job.cell is None]
    cells = [job for job in jobs if job.cell is not None]
    try:
        for queue in (checks, cells):
            _drain(list(queue), crew, place, min(workers, max(1, len(cells))), threads, watch)
    finally:
        _dismiss(crew)


def _drain(queue: list[Job], crew: list[Worker], place: Place, workers: int, threads: int, watch: Watch) -> None:
    while queue or any(worker.job for worker in crew):
        while len(crew) < min(workers, len(queue) + sum(1 for w in crew if w.job)) or (queue and not crew):
            crew.append(_hire(place, threads))
        for worker in crew:
            if worker.job is None and queue:
                _give(worker, queue.pop(0), watch)
        for pipe in wait([worker.pipe for worker in crew], timeout=1.0):
            worker = next(w for w in crew if w.pipe is pipe)
            _hear(worker, crew, place, watch)


def _hire(place: Place, threads: int) -> Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    handle, log = tempfile.mkstemp(prefix="discbench-", suffix=".log")
    os.close(handle)
    process = context.Process(target=work, args=(theirs, place, threads, log), daemon=True)
    with _apart_from_main():
        process.start()
    theirs.close()
    return Worker(process, ours, Path(log))


@contextmanager
def _apart_from_main() -> Iterator[None]:
    """Keep a spawned process from running the calling script once more: a worker needs nothing of it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _give(worker: Worker, job: Job, watch: Watch) -> None:
    worker.job = job
    if job.cell is not None:
        watch(Event("start", job.cell))
    worker.pipe.send(job)


def _hear(worker: Worker, crew: list[Worker], place: Place, watch: Watch) -> None:
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
    if job is not None and job.cell is not None:
        watch(Event("end", job.cell, result=message))


def _bury(worker: Worker, crew: list[Worker], place: Place, watch: Watch) -> None:
    worker.process.join(5)
    crew.remove(worker)
    last = worker.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["no message"]
    cause = (
        f"its process ended with code {worker.process.exitcode} ({last[0][:200]}); out of memory? try fewer --workers"
    )
    worker.log.unlink(missing_ok=True)
    if worker.job is None or worker.job.cell is None:
        raise DiscbenchError(f"a worker could not look at the checkpoint: {cause}")
    cell, store = worker.job.cell, Store(place.results)
    stored = store.get(cell)
    if stored is None or stored["status"] != "finished":
        stored = {
            "format": FORMAT,
            "id": cell.id,
            "cell": asdict(cell),
            "task": {},
            "status": "failed",
            "cause": cause,
            "marks": [],
        }
        store.put(cell, stored, None)
    watch(Event("end", cell, result=stored))


def _dismiss(crew: list[Worker]) -> None:
    for worker in crew:
        if worker.job is not None:
            worker.process.terminate()
        worker.pipe.close()
    until = time.monotonic() + 10
    for worker in crew:
        worker.process.join(max(0.1, until - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
        worker.log.unlink(missing_ok=True)


def work(pipe: Connection, place: Place, threads: int, log: str) -> None:
    """Be a worker: take jobs from the pipe until it closes."""
    if not place.verbose:
        _silence(log)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    import torch

    from discbench.plugins import registry
    from discbench.training.run import Bench

    torch.set_num_threads(threads)
    tasks = {task.id: task for task in (*registry.tasks(registry.plugins()).values(), *unpack(place.given))}
    bench = Bench(place)
    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        pipe.send(_perform(job, bench, tasks, pipe))


def _perform(job: Job, bench: Any, tasks: dict[str, Any], pipe: Connection) -> Any:  # noqa: ANN401
    if job.cell is not None:
        return bench.run(job.cell, job.checkpoint, tasks[job.cell.task], lambda *step: _tell(pipe, step))
    try:
        bench.check(job.checkpoint, list(job.checks), tasks)
    except DiscbenchError as error:
        return error
    return None


def _tell(pipe: Connection, message: Any) -> None:  # noqa: ANN401
    try:
        pipe.send(message)
    except OSError:
        sys.exit("the sweep that this cell belongs to is gone")


def _silence(log: str) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
