"""The process that drives Ray: it looks at checkpoints, hands out cells, hears of them and stores what comes back.

It ends with the process that wanted it, and stops a cluster of its own, or leaves a given one, whatever ends it.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from multiprocessing import connection
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from discbench.errors import DiscbenchError
from discbench.executors import start
from discbench.executors.ray import cluster
from discbench.executors.ray.asked import Asked, ClusterLost, Gone
from discbench.executors.ray.flights import Flights
from discbench.values.jobs import Job
from discbench.values.place import Place, unpack
from discbench.values.types import Task

SECONDS = 10.0
"""After which a driver that nobody wants is ended, whatever it is doing."""


def work(
    pipe: Connection,
    jobs: list[Job],
    place: Place,
    asked: Asked,
    tries: dict[str, int],
    log: start.Passed,
    environment: dict[str, str],
) -> None:
    """Drive a cluster until every job has ended, and say so by None, or by what stopped it."""
    with_parent(pipe)
    if not place.verbose:
        start.silence(log)
    start.prepare(environment, asked.threads)
    said: Any = None
    try:
        _work(pipe, jobs, replace(place, device=asked.device), asked, Counter(tries))
    except ClusterLost as error:
        said = Gone(str(error))
    except DiscbenchError as error:
        said = error
    listen()
    with contextlib.suppress(OSError):
        pipe.send(said)
    pipe.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # what Ray has left in this process may wait for a cluster that is gone


def _work(pipe: Connection, jobs: list[Job], place: Place, asked: Asked, tries: Counter[str]) -> None:
    from discbench.plugins import registry
    from discbench.training.run import Bench

    offered = registry.tasks(registry.plugins()).values()
    tasks: dict[str, Task] = {task.id: task for task in (*offered, *unpack(place.given))}
    bench = Bench(place, asked.threads)
    for job in jobs:
        if job.cell is None:
            bench.check(job.checkpoint, list(job.checks), tasks)
    cells = [job for job in jobs if job.cell is not None]
    if not cells:
        return
    with cluster.joined(asked, verbose=place.verbose):
        listen()
        if asked.address is None:
            pipe.send(cluster.family())
        Flights(pipe.send, place, asked, bench, tasks, tries).all(cells)


def with_parent(pipe: Connection) -> None:
    """End when the process that wanted this one is gone or closes its pipe; Ctrl-C is for that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listen()
    parent = multiprocessing.parent_process()
    ends: list[Any] = [pipe] if parent is None else [pipe, parent.sentinel]

    def watch() -> None:
        connection.wait(ends)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SECONDS)
        cluster.end()

    threading.Thread(target=watch, daemon=True, name="wanted").start()


def listen() -> None:
    """Take the signals that ask this process to end; Ray sets handlers of its own when it starts."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _asked)


def _asked(_number: int, _frame: FrameType | None) -> None:
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)  # once is enough: the rest is tidying up
    sys.exit(1)
