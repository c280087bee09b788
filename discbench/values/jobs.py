"""What executors are given and what they tell: values."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from discbench.errors import CheckpointError, DiscbenchError, PluginError
from discbench.values.cells import Cell
from discbench.values.checkpoints import Checkpoint
from discbench.values.place import Place
from discbench.values.types import WORD


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a cell's watcher may want to know."""

    kind: Literal["start", "step", "end", "passed"]
    """`passed`, in place of `end`: the cell is another process's, which runs it or has settled it meanwhile."""
    cell: Cell
    step: int = 0
    steps: int = 0
    loss: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A cell to run, or (`checks`) a checkpoint to look at before any cell of it is run."""

    checkpoint: Checkpoint
    cell: Cell | None = None
    checks: tuple[Cell, ...] = ()
    known: Any = None
    """What the look at its checkpoint found, so that it is not looked for again; None if it was not kept."""
    planned: str | None = None
    """What `Store.digest` gave for the cell when it was planned, so that a failure since then is another process's
    and not tried again; None where any failure is.
    """


Watch = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """A way to run cells: on this machine, on a cluster. `discbench.testing.check_executor` tries what it promises."""

    name: str
    """One word in lower case."""
    run: Callable[[Sequence[Job], Place, int, int, Watch], None]
    """`run(jobs, place, workers, threads, watch)`.

    Checks come before cells: what one raises (a `DiscbenchError`) is raised, and no cell is started. Each cell is told
    by one event `start`, any number of events `step` and one event `end` with its result, which is in the store of
    `place.results` by then. A cell that fails has a result too and does not stop the others. When `run` returns or is
    interrupted, nothing of it goes on. `discbench.executors.inprocess.run([job], place, 1, threads, watch)` does one
    job in the process that calls it.
    """
    about: str = ""
    options: tuple[str, ...] = ()
    """Fields of `Evaluation` that `run` takes further, by their names, where they are given."""
    crew: int | None = None
    """Cells at once unless told otherwise; None: as many as this machine carries, 0: it finds that out itself."""
    ready: Callable[[], None] | None = None
    """Raises a `UserError` where it cannot run at all; called before any rows are read."""
    shares: bool = False
    """Whether it runs jobs with `place.passing` and tells a cell that is another process's by one event `passed`.

    `inprocess.run` tells it so. Without, a cell that another process holds is waited for where it is to be run.
    """

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.name):
            raise PluginError(f"executor name {self.name!r} is not one word in lower case")


Rest = ParamSpec("Rest")
Bench = TypeVar("Bench")
Look = Callable[Concatenate[Bench, Checkpoint, Rest], None]
LONGEST = 500
"""Characters of an exception's words."""


def look(check: Look[Bench, Rest]) -> Look[Bench, Rest]:
    """Make whatever a look at a checkpoint raises a DiscbenchError in the exception's own words.

    Where another checkpoint of the call has the same name, the message says where this one is.
    """

    def told(bench: Bench, checkpoint: Checkpoint, /, *args: Rest.args, **kwargs: Rest.kwargs) -> None:
        try:
            check(bench, checkpoint, *args, **kwargs)
        except CheckpointError as error:
            raise _placed(error, checkpoint) from error
        except DiscbenchError:
            raise
        except (Exception, SystemExit) as error:
            words = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
            found = f"model {checkpoint.name!r} cannot be served: the look at it before training ended with {words}"
            raise _placed(CheckpointError(found), checkpoint) from error

    functools.update_wrapper(told, check)
    return told


def _placed(error: CheckpointError, checkpoint: Checkpoint) -> CheckpointError:
    if not checkpoint.alike or checkpoint.location in str(error):
        return error
    return CheckpointError(f"{error} (this {checkpoint.name!r} is {checkpoint.location!r})")
