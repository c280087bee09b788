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
    """Return the 95 % interval over seeds and test rows: half-widths add as squares, the two being independent.

    Args:
        values: Differences, one a seed.
        sd: The second of `row_noise`.
    """
    if len(values) < FEWEST:
        return None
    mean = float(np.mean(values))
    reach = math.hypot(_student(len(values)) * standard_error(values), _normal() * sd)
    return mean - reach, mean + reach


def row_noise(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Return two sds of the mean difference due to the draw of test rows, from bootstrap samples of the rows.

    A difference of seed s on row i is mean + a(s) + b(i) + e(s, i). The first sd is that of other rows for these very
    models: it holds b and e. The second holds b alone: e is in the spread over seeds already, and an interval over both
    must not count it twice. The samples of single seeds vary by b + e, those of the mean over n seeds by b + e / n.

    Args:
        differences: (seeds, draws): of each seed, the difference on each bootstrap sample.
    """
    seeds = len(differences)
    of_mean = float(np.var(differences.mean(axis=0), ddof=1))
    if seeds == 1:
        return math.sqrt(of_mean), math.sqrt(of_mean)
    of_each = float(np.var(differences, axis=1, ddof=1).mean())
    own = (of_each - of_mean) / (seeds - 1)
    return math.sqrt(of_mean), math.sqrt(max(0.0, of_mean - max(0.0, own)))


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
