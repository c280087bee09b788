"""What runs on a node: one cell as a task of Ray, in the main thread of a worker; and the ear that hears of steps."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from discbench.errors import UserError
from discbench.executors.ray import parcels
from discbench.executors.ray.parcels import Parcel
from discbench.values.cells import Cell
from discbench.values.checkpoints import Checkpoint
from discbench.values.place import Place, unpack
from discbench.values.types import Task
from discbench.values.version import __version__

BETWEEN = 0.5
"""Seconds between two messages about a cell's steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A cell to run, and all that a node needs for it."""

    sweep: str
    """Which sweep it is of: a worker keeps rows and models of one."""
    ticket: int
    """Of this attempt."""
    cell: Cell
    checkpoint: Checkpoint
    place: Place
    threads: int
    gpus: float
    """Its share."""
    tasks: Parcel
    """Those of plugins and those that were given, packed."""
    rows: Parcel
    """Of the cell's task."""
    known: Parcel
    """What the look at the checkpoint found."""
    files: Parcel | None = None
    """The checkpoint's files, once a node has asked for them."""
    version: str = __version__


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back: a result with its predictions, or `needs_files` from a node that has not the checkpoint."""

    result: dict[str, Any] = field(default_factory=dict)
    predictions: bytes | None = None
    needs_files: bool = False


class Ear:
    """An actor beside the driver, which hears of starts and steps and keeps the latest until the driver asks."""

    def __init__(self) -> None:
        self.heard: dict[int, dict[str, Any]] = {}

    def hear(self, ticket: int, kind: str, said: Any) -> None:  # noqa: ANN401 - a place, or a step
        """Take a message about an attempt; a later one of a kind takes the place of an earlier one."""
        self.heard.setdefault(ticket, {})[kind] = said

    def take(self) -> dict[int, dict[str, Any]]:
        """Return what is new: ticket -> kind -> what was said."""
        heard, self.heard = self.heard, {}
        return heard


class Kept:
    """What a worker keeps from one cell of a sweep to the next."""

    def __init__(self) -> None:
        self.sweep = ""
        self.bench: Any = None
        self.tasks: dict[str, Task] = {}
        self.there: set[str] = set()

    def begin(self, order: Order) -> None:
        """Be ready for a cell; what belongs to another sweep is forgotten."""
        from discbench.training.run import Bench

        if self.sweep != order.sweep:
            plugins, given = parcels.unpacked(fetched(order.tasks), order.tasks.sha256)
            self.tasks = {task.id: task for task in (*unpack(plugins), *unpack(given))}
            self.bench, self.there, self.sweep = Bench(order.place, order.threads), set(), order.sweep
        task = self.tasks[order.cell.task]
        if order.rows.sha256 not in self.there:
            self.bench.take_rows(task, parcels.unpacked(fetched(order.rows), order.rows.sha256))
            self.there.add(order.rows.sha256)


KEPT = Kept()
"""Of this process: a worker of Ray runs one task at a time."""


def fetched(parcel: Parcel) -> Any:  # noqa: ANN401 - what was put
    """Return what lies in Ray's object store."""
    import ray

    return ray.get(parcel.ref)


def perform(order: Order, ear: Any) -> Answer:  # noqa: ANN401 - Ray's handle of an actor
    """Run a cell in this process and return its result; nothing of it stays on the node's disk but the checkpoint.

    Raises:
        RuntimeError: Code of a checkpoint or task called `sys.exit` where no cell was running yet: to Ray that would be
            the worker's crash.
    """
    try:
        return _perform(order, ear)
    except SystemExit as error:
        raise RuntimeError(f"SystemExit: {error}") from error


def _perform(order: Order, ear: Any) -> Answer:  # noqa: ANN401
    if order.version != __version__:
        raise UserError(f"discbench {__version__} is installed here, but {order.version} runs the sweep")
    ear.hear.remote(order.ticket, "start", _here())
    _settle(order)
    checkpoint = order.checkpoint
    if not parcels.is_here(checkpoint):
        if order.files is None:
            return Answer(needs_files=True)
        files = order.files
        checkpoint = parcels.laid_out(checkpoint, files.sha256, lambda: fetched(files))
    KEPT.begin(order)
    KEPT.bench.learn(checkpoint, parcels.unpacked(fetched(order.known), order.known.sha256))
    return _run(order, checkpoint, _told(order.ticket, ear))


def _settle(order: Order) -> None:
    """Set what a worker that has run something else, or that Ray has not set at all, may have otherwise."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(order.threads)
    if not order.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray shows all of them to a task that asked for none
    if order.place.device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise UserError(f"no GPU works in the worker (CUDA_VISIBLE_DEVICES={seen}); is torch's CUDA there?")


def _run(order: Order, checkpoint: Checkpoint, report: Callable[[int, int, float], None]) -> Answer:
    from discbench.results.store import Store
    from discbench.training.steady import steady

    bench, task = KEPT.bench, KEPT.tasks[order.cell.task]
    with tempfile.TemporaryDirectory(prefix="discbench-") as folder, steady(order.threads):
        bench.place = replace(order.place, results=Path(folder))
        result = bench.run(order.cell, checkpoint, task, report)
        name = result.get("predictions", {}).get("file")
        path = Store(Path(folder)).path(order.cell)
        return Answer(result, path.with_name(name).read_bytes() if name else None)


def _here() -> tuple[str, str]:
    """Return Ray's id of this node, and its address and process in words."""
    import ray

    return ray.get_runtime_context().get_node_id(), f"{ray.util.get_node_ip_address()} (process {os.getpid()})"


def _told(ticket: int, ear: Any) -> Callable[[int, int, float], None]:  # noqa: ANN401
    """Return a report of steps that says no more than what a reader sees."""
    last = [0.0]

    def report(step: int, steps: int, loss: float) -> None:
        now = time.monotonic()
        if now - last[0] >= BETWEEN or step == steps:
            last[0] = now
            ear.hear.remote(ticket, "step", (step, steps, loss))

    return report
