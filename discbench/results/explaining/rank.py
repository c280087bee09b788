"""Rank correlation over few units: how sure, how probable by chance among several tried, how near a left-out one.

Words for axes: units (checkpoints), predictors, draws (orders of the units).
"""

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from discbench.results.stats import LEVEL, Bounds

Numbers = NDArray[np.float64]

ALL_UP_TO = 8
"""Of so many units all orders are taken (40,320 of eight); of more `DRAWS` are drawn."""
DRAWS = 20_000
RESAMPLES = 4_000
FEWEST_RESAMPLED = 6
"""With fewer units no interval is given: resamples of so few hold one of them over and over."""
ROUNDING = 1e-9
"""Correlations and shares that differ by less are equal: they are sums in another order."""


def _ranks(values: Numbers) -> Numbers:
    """Return ranks along the last axis, ties by their mean, less the mean rank."""
    from scipy.stats import rankdata

    found: Numbers = np.asarray(rankdata(values, axis=-1), dtype=np.float64)
    centred: Numbers = found - found.mean(axis=-1, keepdims=True)
    return centred


def _correlation(a: Numbers, b: Numbers) -> Numbers:
    """Return the correlation of centred rows along the last axis, 0 where one of them is constant."""
    scale = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    found: Numbers = np.divide((a * b).sum(axis=-1), scale, out=np.zeros_like(scale), where=scale > 0)
    return found


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Return Spearman's rank correlation, ties by their mean rank; 0 if one of the two is constant."""
    return float(_correlation(_ranks(np.asarray(x, float)), _ranks(np.asarray(y, float))))


def interval(x: Sequence[float], y: Sequence[float]) -> Bounds | None:
    """Return the 95 % percentile interval of Spearman's correlation over resampled units (Efron 1979).

    Units are drawn with replacement by NumPy's frozen `RandomState(0)` and ranked anew; resamples in which x or y is
    constant have no correlation and are drawn over. None for fewer than `FEWEST_RESAMPLED` units, and where all
    resamples agree, as those of a perfect order do: they tell nothing of how far it might be from perfect.
    """
    a, b = np.asarray(x, float), np.asarray(y, float)
    if len(a) < FEWEST_RESAMPLED:
        return None
    chosen = np.random.RandomState(0).randint(0, len(a), size=(RESAMPLES, len(a)))
    left, right = a[chosen], b[chosen]
    varied = (np.ptp(left, axis=1) > 0) & (np.ptp(right, axis=1) > 0)
    found = _correlation(_ranks(left[varied]), _ranks(right[varied]))
    reach = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(found, [reach, 100 - reach])
    return (float(low), float(high)) if high - low > ROUNDING else None


def orders(units: int, draws: int = DRAWS) -> NDArray[np.int64]:
    """Return orders of the units, (draws, units), the given one first: all of few, else drawn by `RandomState(0)`.

    The given order counts among those that are drawn, so that no p is 0 (Phipson & Smyth 2010).
    """
    if units <= ALL_UP_TO:
        return np.array(list(permutations(range(units))), dtype=np.int64)
    state = np.random.RandomState(0)
    drawn = [np.arange(units), *(state.permutation(units) for _ in range(draws - 1))]
    return np.array(drawn, dtype=np.int64)


def null(x: Numbers, y: Numbers, order: NDArray[np.int64]) -> Numbers:
    """Return each predictor's correlation with y in each order of y, (draws, predictors).

    Args:
        x: (units, predictors); NaN where a unit lacks a predictor, whose correlation is over the others.
        y: (units,).
        order: As `orders` gives it: all predictors meet the same orders, and so keep what they have in common.
    """
    found = np.empty((len(order), x.shape[1]))
    there = np.isfinite(x)
    for pattern in np.unique(there, axis=1).T:
        same = np.flatnonzero((there == pattern[:, None]).all(axis=0))
        shuffled = _ranks(y)[order] if pattern.all() else _ranks(y[order][:, pattern])
        for column in same:
            found[:, column] = _correlation(shuffled, _ranks(x[pattern, column]))
    return found


def chances(correlations: Numbers) -> Numbers:
    """Return how probable each correlation's size or more is in its own column, two-sided; (draws, predictors)."""
    sizes = np.abs(correlations)
    found = np.empty_like(sizes)
    for column, mine in enumerate(sizes.T):
        found[:, column] = (len(mine) - np.searchsorted(np.sort(mine), mine - ROUNDING, side="left")) / len(mine)
    return found


def corrected(chance: Numbers) -> Numbers:
    """Return p of each predictor, corrected for all of them: Westfall & Young's step-down minP.

    Westfall & Young 1993, *Resampling-Based Multiple Testing*, algorithm 2.8: the least p among predictors that are no
    better is held against the same in every order. It keeps the chance of any false find at the level as Holm's does,
    and takes predictors that say the same (size and depth) for less than two. The least p and not the greatest
    correlation, since predictors that are known of fewer units have greater correlations by chance.

    Args:
        chance: Of `chances`, the given order first.
    """
    order = np.argsort(chance[0], kind="stable")
    least = np.minimum.accumulate(chance[:, order[::-1]], axis=1)[:, ::-1]
    p = (least <= chance[0, order] + ROUNDING).mean(axis=0)
    found = np.empty(len(order))
    found[order] = np.maximum.accumulate(p)
    return found


def needed(correlations: Numbers, chance: Numbers) -> list[float | None]:
    """Return the least size of each correlation that is significant as the best of all; None if even 1 is not."""
    least = np.sort(chance.min(axis=1))
    values = np.unique(least)
    share = np.searchsorted(least, values + ROUNDING, side="right") / len(least)
    able = values[share <= 1 - LEVEL]
    if not len(able):
        return [None] * chance.shape[1]
    passing = chance <= able[-1] + ROUNDING
    sizes = np.abs(correlations)
    return [float(sizes[ok, i].min()) if ok.any() else None for i, ok in enumerate(passing.T)]


def left_out(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return the mean absolute error for a unit that was left out: of the line through the others, of their mean.

    The line is that of least squares; where the others have one x it is their mean. At least three units.
    """
    a, b = np.asarray(x, float), np.asarray(y, float)
    of_line, of_mean = [], []
    for i in range(len(a)):
        rest = np.arange(len(a)) != i
        centre, mean = a[rest].mean(), b[rest].mean()
        spread = ((a[rest] - centre) ** 2).sum()
        slope = ((a[rest] - centre) * (b[rest] - mean)).sum() / spread if spread > 0 else 0.0
        of_line.append(abs(b[i] - mean - slope * (a[i] - centre)))
        of_mean.append(abs(b[i] - mean))
    return math.fsum(of_line) / len(a), math.fsum(of_mean) / len(a)
