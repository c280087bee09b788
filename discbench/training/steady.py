"""What of torch's own state moves bytes, set again before each cell: code of plugins and checkpoints may move it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from discbench.errors import UserError
from discbench.values.place import VISIBLE, pretended


def settle(threads: int) -> None:
    """Let so many threads compute, in single precision without shortcuts.

    Sums are split among threads, so that another number of them gives other last digits. Threads between operations
    split no sum: they stay as they are.

    Args:
        threads: Of this process, 1 or more.
    """
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")


@contextmanager
def steady(threads: int) -> Iterator[None]:
    """Settle for a while; then all is again as the caller, a notebook for one, had it."""
    had = torch.get_num_threads(), torch.get_default_dtype(), torch.get_float32_matmul_precision()
    settle(threads)
    try:
        yield
    finally:
        torch.set_num_threads(had[0])
        torch.set_default_dtype(had[1])
        torch.set_float32_matmul_precision(had[2])


def check_usable(device: str) -> None:
    """See that cells for a GPU will not be trained on the CPU, which nobody would notice but by the time it takes.

    Raises:
        UserError: Torch has no CUDA, or its CUDA cannot use the driver or the GPU.
    """
    if device == "cpu" or pretended() or torch.cuda.is_available():
        return
    given = f" ({VISIBLE}={os.environ[VISIBLE]})" if VISIBLE in os.environ else ""
    raise UserError(
        f"torch {torch.__version__} cannot use the GPU that is here{given}; install torch for CUDA and see"
        " `nvidia-smi`, or give --devices cpu"
    )
