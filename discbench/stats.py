"""Statistics of boards: intervals over seeds, over test rows, and over both; ranks; components of variance.

Scores vary for two reasons that must be told apart: another seed (weights, mapping table, order of batches) and other
test rows. An interval over seeds says what another run would give on the same rows.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
FEWEST = 3
"""With fewer pairs no interval over seeds is given."""
DRAWS = 4000

Bounds = tuple[float, float]


def standard_error(values: Sequence[float]) -> float:
    """Return sd / sqrt(n) with n - 1; at least two values."""
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _student(n: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, (1 + LEVEL) / 2))


def _normal() -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + LEVEL) / 2))


def interval(values: Sequence[float]) -> Bounds | None:
    """Return the 95 % interval of the mean of paired differences, or None for fewer than three.

    Mean plus and minus Student's quantile (n - 1 degrees) times the bootstrap's standard error of the mean, corrected
    by sqrt(n / (n - 1)); for a mean that error has a closed form, so nothing is drawn. `benchmarks/coverage.py` holds
    it against percentile bootstraps, which at these n are too narrow.
    """
    if len(values) < FEWEST:
        return None
    mean, reach = float(np.mean(values)), _student(len(values)) * standard_error(values)
    return mean - reach, mean + reach


def interval_of_rows(mean: float, sd: float) -> Bounds:
    """Return the 95 % interval that other test rows alone would give; `sd` is that of the bootstrap over rows."""
    return mean - _normal() * sd, mean + _normal() * sd


def interval_of_both(values: Sequence[float], sd: float) -> Bounds | None:
    """Return the 95 % interval over seeds and test rows: half-widths add as squares, the two being independent."""
    if len(values) < FEWEST:
        return None
    mean = float(np.mean(values))
    reach = math.hypot(_student(len(values)) * standard_error(values), _normal() * sd)
    return mean - reach, mean + reach


def sd_of_rows(differences: NDArray[np.float64]) -> float:
    """Return the sd over bootstrap samples of the mean difference; (seeds, draws)."""
    return float(np.std(differences.mean(axis=0), ddof=1))


def rank_intervals(means: Sequence[float], errors: Sequence[float], counts: Sequence[int]) -> list[tuple[int, int]]:
    """Return the 95 % interval of each one's rank, 1 the best, by a parametric bootstrap.

    Each draw moves every mean by Student noise of its own error and degrees (`counts` - 1) and ranks anew. Drawn by
    NumPy's frozen `RandomState(0)`.

    Args:
        means: Of what is ranked.
        errors: Standard errors of the means.
        counts: Seeds behind each mean.
    """
    state = np.random.RandomState(0)
    noise = np.stack([state.standard_t(max(1, n - 1), DRAWS) * e for n, e in zip(counts, errors, strict=True)])
    drawn = np.asarray(means)[:, None] + noise
    ranks = 1 + (-drawn).argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    low = np.percentile(ranks, 100 * (1 - LEVEL) / 2, axis=1, method="lower")
    high = np.percentile(ranks, 100 * (1 + LEVEL) / 2, axis=1, method="higher")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]


def components(table: NDArray[np.float64]) -> dict[str, float]:
    """Return sd due to mapping, to seed, and the rest, of a crossed table (mappings, seeds) with one score a cell.

    Two-way analysis of variance with random effects: the method of moments, negative estimates set to 0.
    """
    rows, columns = table.shape
    total = table.mean()
    by_row, by_column = table.mean(axis=1), table.mean(axis=0)
    of_rows = columns * ((by_row - total) ** 2).sum() / (rows - 1)
    of_columns = rows * ((by_column - total) ** 2).sum() / (columns - 1)
    rest = ((table - by_row[:, None] - by_column[None, :] + total) ** 2).sum() / ((rows - 1) * (columns - 1))
    return {
        "mapping_sd": math.sqrt(max(0.0, (of_rows - rest) / columns)),
        "seed_sd": math.sqrt(max(0.0, (of_columns - rest) / rows)),
        "rest_sd": math.sqrt(rest),
    }
