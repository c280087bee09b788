"""Training dynamics: how fast the loss falls, on a scale that tasks share (Kao & Lee 2021, figures 3, 6 and 7).

Losses are divided by the loss of the best answer that ignores the input, measured on the train rows: the entropy of the
labels for classes, their variance for numbers. So 1 is where guessing ends, and 0 is perfection.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.results.forms.result import LEVELS
from discbench.values.types import Classes, Scalar

WINDOW = 10
"""Steps over which the loss is averaged before it is held against a level."""


def reference(target: Classes | Scalar, targets: NDArray[Any]) -> float:
    """Return the train loss of the best constant answer: entropy in nats, or variance; 1 if that is 0."""
    if isinstance(target, Classes):
        share = np.bincount(targets, minlength=target.n) / len(targets)
        found = float(-(share[share > 0] * np.log(share[share > 0])).sum())
    else:
        found = float(np.var(targets.astype(np.float64)))
    return found if found > 0 else 1.0


def smoothed(loss: Sequence[float]) -> NDArray[np.float64]:
    """Return the mean of each step's loss and up to `WINDOW` - 1 before it; (steps,)."""
    total = np.concatenate([[0.0], np.cumsum(np.asarray(loss, dtype=np.float64))])
    ends = np.arange(1, len(total))
    starts = np.maximum(0, ends - WINDOW)
    return np.asarray((total[ends] - total[starts]) / (ends - starts))


def settles(values: NDArray[np.float64], level: float) -> int | None:
    """Return the first step (1-based) from which the values stay below the level to the end, or None."""
    above = np.flatnonzero(~(values < level))
    first = int(above[-1]) + 1 if len(above) else 0
    return first + 1 if first < len(values) else None


def measure(loss: Sequence[float], target: Classes | Scalar, targets: NDArray[Any]) -> dict[str, Any] | None:
    """Return the dynamics of one run.

    Args:
        loss: Of every step.
        target: What the task asks for.
        targets: (train rows,): labels that were trained on.

    Returns:
        `reference`; `levels`: share -> steps until the smoothed loss stays below it, None if it never does; `area`:
        mean relative loss over all steps; `final`: of the last window. None without steps.
    """
    if not loss:
        return None
    base = reference(target, targets)
    relative = smoothed(loss) / base
    return {
        "reference": float(f"{base:.6g}"),
        "levels": {f"{level:g}": settles(relative, level) for level in LEVELS},
        "area": float(f"{float(np.mean(loss)) / base:.6g}"),
        "final": float(f"{relative[-1]:.6g}"),
    }
