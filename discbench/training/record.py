"""The parts of a stored result, and what a result says of where it was made."""

import platform
import time
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from discbench.data import rows
from discbench.errors import CellError
from discbench.results.forms.result import FORMAT, LIBRARIES
from discbench.results.marks import marks as earned
from discbench.results.store import Result
from discbench.training import finetune
from discbench.training.engine.savings import Plan
from discbench.training.loop.keeper import Keeper
from discbench.values.cells import Cell, facts
from discbench.values.types import Task
from discbench.words.foreign import raised
from discbench.words.names import one_line


@cache
def versions() -> dict[str, str]:
    """Return the versions that a result names."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def run_of(began: float, device: str) -> dict[str, Any]:
    """Return how long it took since `began` (time.monotonic), when, with which versions and on what."""
    return {
        "seconds": round(time.monotonic() - began, 3),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "hardware": hardware(device),
    }


def hardware(device: str) -> dict[str, Any]:
    """Return on what this process trains."""
    on_card = device != "cpu" and torch.cuda.is_available()
    return {
        "device": one_line(torch.cuda.get_device_name() if on_card else _processor()) or "unknown",
        "threads": torch.get_num_threads(),
        "processes": _processes(),
    }


def told(keeper: Keeper) -> dict[str, Any]:
    """Return what a result says of saved states and of training that was tried again."""
    return {
        **({"resumed": keeper.resumed} if keeper.resumed else {}),
        **({"notes": keeper.notes} if keeper.notes else {}),
    }


def parameters(model: torch.nn.Module) -> dict[str, int]:
    """Return how many numbers a model has, and how many of them learn."""
    each = list(model.parameters())
    return {
        "parameters": sum(p.numel() for p in each),
        "trained_parameters": sum(p.numel() for p in each if p.requires_grad),
    }


def engine(plan: Plan) -> dict[str, Any]:
    """Return which savings a cell was trained with, and why the others were off."""
    return {"on": list(plan.on), "off": {name: one_line(why) for name, why in plan.off.items()}}


def _processes() -> int:
    return (
        torch.distributed.get_world_size()
        if torch.distributed.is_available() and torch.distributed.is_initialized()
        else 1
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def head(cell: Cell, task: Task) -> Result:
    """Return what a result says of its cell and task."""
    return {"format": FORMAT, "id": cell.id, "cell": cell.record, "task": facts(task)}


def failure(error: BaseException) -> Result:
    """Return the result of a cell that failed."""
    said = f"foreign code failed: {raised(error)}" if isinstance(error, SystemExit) else ""
    kind = CellError if isinstance(error, CellError) else type(error)  # by which searches know a loss that diverged
    cause = one_line(said or f"{kind.__name__}: {error}", 500)
    return {"status": "failed", "cause": cause, "marks": []}


def curve_record(curve: finetune.Curve) -> dict[str, Any]:
    """Return a training curve as it is stored: loss of every step, four digits."""
    return {
        "loss": [float(f"{loss:.4g}") for loss in curve.loss],
        "validation": [[step, value] for step, value in curve.validation],
        "best_step": curve.best_step,
    }


def identified(loaded: rows.Loaded) -> dict[str, Any]:
    """Return which rows a result is about."""
    return {"sha256": loaded.sha256, "status": loaded.status, "partial": loaded.partial}


def dataset(task: Task, loaded: rows.Loaded) -> dict[str, Any]:
    """Return what a result says of its task's rows: of all of them, whichever part of them the cell took."""
    return {
        **identified(loaded),
        "copies": [way for way in loaded.copies if "why" not in way],
        **rows.labels(task, loaded),
    }


def marks(cell: Cell, loaded: rows.Loaded, *, widened: bool = False) -> list[str]:
    """Return why a cell must not share a mean with whole ones; `widened`: trained in more bits than was asked."""
    return earned(cell.limit, loaded.sizes, loaded.partial, loaded.status, widened=widened)
