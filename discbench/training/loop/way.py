"""The way in which a cell is trained where its recipe's own cannot be: parts of a batch, and single precision."""

import gc
import math
from dataclasses import asdict, dataclass
from typing import Any

import torch

from discbench.errors import CellError

SIGNS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "alloc_failed")
"""What torch's own allocators, CUDA's and cuBLAS's say, in lower case."""


@dataclass(kw_only=True)
class Way:
    """How the steps of a cell are computed; the recipe's own way has no part, no places, and its precision."""

    precision: str
    rows: int | None = None
    """Most rows whose gradients are computed at once; None: a batch."""
    places: int | None = None
    """Most places of a batch that is only answered; None: what suits the device."""

    @property
    def record(self) -> dict[str, Any]:
        """The way as JSON."""
        return asdict(self)

    def fewer_rows(self, batch: int, error: BaseException) -> None:
        """Halve the rows of a part.

        Raises:
            CellError: They are one row already.
        """
        now = self.rows or batch
        if now == 1:
            raise CellError(
                f"memory does not hold one row of a batch at a time ({cause(error)}); take a device with more memory,"
                " shorter rows (--set max_tokens=...) or a smaller checkpoint"
            )
        self.rows = math.ceil(now / 2)

    def said(self, batch: int, precision: str) -> dict[str, Any]:
        """Return what a result says of it: nothing where it is the recipe's own.

        Args:
            batch: The recipe's.
            precision: The recipe's.
        """
        parts = math.ceil(batch / (self.rows or batch))
        return {
            **({"accumulate": parts} if parts > 1 else {}),
            **({"answered": self.places} if self.places is not None else {}),
            **({"precision": self.precision} if self.precision != precision else {}),
        }


def lacks_memory(error: BaseException) -> bool:
    """Tell whether an exception says that a device or the machine has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)


def free(device: str) -> None:
    """Give back what a device holds for nobody; what an exception's frames held must be gone already."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def cause(error: BaseException) -> str:
    """Return the first words of an exception, in one line."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:160]}" if words else type(error).__name__
