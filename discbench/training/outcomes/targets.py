"""The unit in which numbers are learnt: the label's own, or the spread of the train rows' labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.values.recipes import LATER
from discbench.values.types import Classes, Scalar

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Unit:
    """What labels are learnt in: (label - mean) / sd."""

    mean: float = 0.0
    sd: float = 1.0

    def given(self, labels: Array) -> Array:
        """Return labels, (rows,), as they are trained on; those of `RAW` as they are."""
        return labels if self == RAW else ((labels.astype(np.float64) - self.mean) / self.sd).astype(labels.dtype)

    def answered(self, outputs: Array) -> Array:
        """Return outputs, (rows, 1), in the label's own unit; those of `RAW` as they are."""
        return outputs if self == RAW else (outputs.astype(np.float64) * self.sd + self.mean).astype(outputs.dtype)


RAW = Unit()


def unit_of(recipe: dict[str, Any], target: Classes | Scalar, labels: Array) -> Unit:
    """Return what a cell's labels are learnt in.

    Args:
        recipe: The cell's.
        target: What the task asks for; classes have no unit.
        labels: (train rows,): of the very rows that the cell learns from.
    """
    if isinstance(target, Classes) or {**LATER, **recipe}["targets"] == "raw":
        return RAW
    exact = labels.astype(np.float64)
    return Unit(float(exact.mean()), float(exact.std()) or 1.0)
