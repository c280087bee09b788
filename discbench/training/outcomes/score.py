"""Scores: raw outputs -> predictions -> vote over groups -> metrics."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.results.forms.result import RESAMPLES
from discbench.values.metrics import Metric
from discbench.values.types import Classes, Scalar

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Voted:
    """One prediction an item: of a row, or of a group of rows."""

    outputs: Array
    """(items, outputs): of a group, the mean of its rows'."""
    predictions: Array
    """(items,)."""
    targets: Array
    """(items,)."""


def predictions_of(target: Classes | Scalar, outputs: Array) -> Array:
    """Return the class with the greatest output, the first on ties, or the number."""
    return outputs.argmax(axis=1) if isinstance(target, Classes) else outputs[:, 0].astype(np.float64)


def vote(target: Classes | Scalar, outputs: Array, targets: Array, groups: tuple[str, ...] | None) -> Voted:
    """Give each item one prediction.

    Classes: the majority over all rows of a group, ties settled by the greater mean probability. Numbers: the mean.
    """
    predictions = predictions_of(target, outputs)
    if groups is None:
        return Voted(outputs, predictions, targets)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    items = [np.flatnonzero(member == i) for i in range(len(names))]
    mean = np.array([outputs[rows].mean(axis=0) for rows in items])
    answers = np.array([_elect(target, outputs[rows], predictions[rows]) for rows in items])
    return Voted(mean, answers, np.array([targets[rows[0]] for rows in items]))


def _elect(target: Classes | Scalar, outputs: Array, predictions: Array) -> float | int:
    if not isinstance(target, Classes):
        return float(predictions.mean())
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    probability = (shifted / shifted.sum(axis=1, keepdims=True)).mean(axis=0)
    votes = np.bincount(predictions, minlength=target.n)
    return int(np.lexsort((probability, votes))[-1])


def measure(metrics: tuple[Metric, ...], target: Classes | Scalar, voted: Voted) -> dict[str, float]:
    """Return every metric of the task by name; each is given integers of 64 bits for classes, else floats of 64."""
    kind = np.int64 if isinstance(target, Classes) else np.float64
    outputs, predictions = voted.outputs.astype(np.float64), voted.predictions.astype(kind)
    targets = voted.targets.astype(kind)
    return {m.name: float(m(targets, outputs if m.needs == "output" else predictions)) for m in metrics}


def primary(metric: Metric, voted: Voted) -> float:
    """Return the primary metric, turned so that higher is better."""
    given = voted.outputs if metric.needs == "output" else voted.predictions
    value = metric(voted.targets, given)
    return value if metric.higher_is_better else -value


def resample(metric: Metric, voted: Voted, draws: int = RESAMPLES) -> list[float]:
    """Return the primary metric on bootstrap samples of the test items, turned so that higher is better.

    The items of sample b depend on b and on the number of items only, so that two models' scores on sample b are on the
    same items and their difference is a paired one. Drawn by NumPy's frozen `RandomState`.
    """
    given = voted.outputs if metric.needs == "output" else voted.predictions
    sign = 1.0 if metric.higher_is_better else -1.0
    found = []
    for draw in range(draws):
        items = _drawn(len(voted.targets), draw)
        found.append(float(f"{sign * metric(voted.targets[items], given[items]):.4g}"))
    return found


@lru_cache(maxsize=RESAMPLES)
def _drawn(count: int, draw: int) -> NDArray[np.int32]:
    return np.random.RandomState(draw).randint(0, count, count).astype(np.int32)


ROUNDING = 1e-5
"""Outputs that differ by less than this share of the greatest are the same answer, computed in batches of other shapes:
some eighty units in the last place of single precision."""


def collapsed(metric: Metric, target: Classes | Scalar, voted: Voted) -> bool:
    """Tell whether the model answers the same to every item, as far as the primary metric can see.

    A metric of predictions sees one class only. One of outputs (AUROC) sees their order, which a model may have right
    though a rare class is never its greatest output: it answers the same where outputs differ by rounding alone, a
    number added to all outputs of an item apart. Predicted numbers are the same where they spread by less than a
    thousandth of what the labels do.
    """
    if not isinstance(target, Classes):
        spread, wanted = float(np.std(voted.predictions)), float(np.std(voted.targets))
        return spread < 1e-3 * wanted
    if metric.needs == "prediction":
        return len(np.unique(voted.predictions)) == 1
    relative = voted.outputs - voted.outputs.mean(axis=1, keepdims=True)
    return bool(np.ptp(relative, axis=0).max() <= ROUNDING * np.abs(voted.outputs).max())
