"""Where and on what cells run."""

import pickle
from dataclasses import dataclass
from pathlib import Path

from discbench.errors import UserError
from discbench.values.types import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and on what cells run; nothing of it enters a cell's id."""

    results: Path
    data: Path | None = None
    device: str = "cpu"
    unverified: bool = False
    verbose: bool = False
    devices: tuple[str, ...] = ()
    """Of the local workers, each its CUDA_VISIBLE_DEVICES, in turns; empty leaves the environment as it is."""
    passing: bool = False
    """Whether a cell that another process holds is passed over, rather than waited for."""
    given: bytes = b""
    """Tasks that no plugin offers, packed for the workers."""


def pack(tasks: tuple[Task, ...]) -> bytes:
    """Return tasks as bytes that another process can read, functions of a notebook included.

    Raises:
        UserError: A task refers to something that cannot be sent.
    """
    if not tasks:
        return b""
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(tasks))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        names = ", ".join(task.name for task in tasks)
        raise UserError(
            f"{names} cannot be sent to the processes that run cells ({error}); write it as a plugin in a module"
        ) from error


def unpack(given: bytes) -> tuple[Task, ...]:
    """Return the tasks of `pack`; the bytes come from this user's own process, never from a file."""
    return tuple(pickle.loads(given)) if given else ()  # noqa: S301
