"""Ranks: one cell over several processes, started by torchrun. Alone, a process is rank 0 of 1.

Torch is imported only where there are several.
"""

import os
from typing import Any

from discbench.errors import UserError


def count() -> int:
    """Return how many processes torchrun started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return which of them this is; rank 0 alone writes and prints."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def join(device: str) -> None:
    """Meet the other processes: by gloo on the CPU, by NCCL on GPUs.

    Raises:
        UserError: They are there, but not as many as torchrun promised.
    """
    if count() == 1:
        return
    from accelerate import PartialState

    met = PartialState(cpu=device == "cpu").num_processes  # without `cpu` each rank would be alone
    if met != count():
        raise UserError(f"torchrun started {count()} processes, but {met} met; start them all with one torchrun")


def share(value: Any) -> Any:  # noqa: ANN401 - whatever pickles
    """Return rank 0's value, in every process."""
    if count() == 1:
        return value
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]
