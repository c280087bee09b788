"""Several processes for one cell: all of them train it, the first one keeps the books.

Started by `torchrun --nproc_per_node N -m discbench eval ... --workers 0`; without it there is one process, the first.
"""

import os
from collections.abc import Callable
from typing import Any


def count() -> int:
    """Return how many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def number() -> int:
    """Return which of them this is, from 0."""
    return int(os.environ.get("RANK", "0"))


def first() -> bool:
    """Tell whether this process keeps the books."""
    return number() == 0


def meet(device: str) -> None:
    """Join the other processes.

    Raises:
        RuntimeError: They are not as many as torchrun started.
    """
    if count() == 1:
        return
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    if state.num_processes != count():
        raise RuntimeError(f"torchrun started {count()} processes, but {state.num_processes} have met")


def of_first(act: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it returns
    """Return, in every process, what `act` returns in the first; the others do not call it."""
    if count() == 1:
        return act()
    import torch

    held = [act() if first() else None]
    torch.distributed.broadcast_object_list(held, src=0)
    return held[0]
