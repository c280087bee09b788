"""How often do the board's 95 % intervals hold the truth?

Over seeds: 2,000 sets of n paired gains of known mean for several n and shapes of noise, and the share of intervals
that hold the mean: the board's, the percentile bootstrap, and the percentile bootstrap with percentiles widened for
small n (Hesterberg 2015, expanded percentile interval).

Over seeds and test rows: two models answer the same finite test set, drawn from a population of rows of known
difficulty; the truth is their difference on the whole population. Shares of three intervals that hold it: over seeds
alone, over test rows alone, over both.

    python benchmarks/coverage.py [--simulations 2000]
"""

import argparse

import numpy as np
from scipy.stats import norm, t

from discbench.results.stats import interval, interval_of_both, interval_of_rows, row_noise

TRUTH = 0.05
DRAWS = 200


def draws(shape: str, rng: np.random.Generator, n: int) -> list[float]:
    """Return n gains of mean TRUTH: normal, or skewed as collapsing runs make them."""
    noise = rng.normal(0, 0.02, n) if shape == "normal" else 0.02 * (1 - rng.exponential(1.0, n))
    return (TRUTH + noise).tolist()


def percentiles(values: np.ndarray, rng: np.random.Generator, tail: float) -> tuple[float, float]:
    """Return two quantiles of 2,000 resampled means."""
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)


def bounds_of(values: list[float], rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return the three intervals over seeds."""
    n = len(values)
    widened = float(norm.cdf(np.sqrt(n / (n - 1)) * t.ppf(0.025, n - 1)))
    ours = interval(values) or (np.nan, np.nan)
    return [ours, *(percentiles(np.asarray(values), rng, tail) for tail in (0.025, widened))]


def answers(rng: np.random.Generator, rows: int, seeds: int) -> np.ndarray:
    """Return who is right on which row, (2 models, seeds, rows).

    A row's chance of being answered rightly is its own; the first model's bonus differs from row to row and is TRUTH on
    average; a seed moves all chances of a model a little.
    """
    ease = rng.uniform(0.45, 0.55, rows)
    bonus = np.stack([TRUTH + rng.uniform(-0.3, 0.3, rows), np.zeros(rows)])
    level = rng.normal(0, 0.015, (2, seeds))
    return rng.random((2, seeds, rows)) < (ease + bonus[:, None] + level[..., None])


def with_rows(rng: np.random.Generator, rows: int, seeds: int) -> list[tuple[float, float]]:
    """Return the intervals over seeds, over rows and over both of one simulated comparison."""
    right = answers(rng, rows, seeds)
    difference = right[0].astype(float) - right[1]
    weights = rng.multinomial(rows, np.full(rows, 1 / rows), DRAWS) / rows
    gains = difference.mean(axis=1).tolist()
    sd, shared = row_noise(difference @ weights.T)
    nothing = (np.nan, np.nan)
    return [
        interval(gains) or nothing,
        interval_of_rows(float(np.mean(gains)), sd),
        interval_of_both(gains, shared) or nothing,
    ]


def share(bounds: list[list[tuple[float, float]]]) -> np.ndarray:
    """Return how many of each column's intervals hold TRUTH."""
    return np.mean([[low <= TRUTH <= high for low, high in row] for row in bounds], axis=0)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=2000)
    simulations = parser.parse_args().simulations
    print(f"{simulations} simulations a row\n{'noise':8} {'n':>3} {'board':>7} {'percentile':>11} {'expanded':>9}")
    for shape in ("normal", "skewed"):
        for n in (3, 5, 6, 10, 20):
            rng = np.random.default_rng(0)
            board, plain, wide = share([bounds_of(draws(shape, rng, n), rng) for _ in range(simulations)])
            print(f"{shape:8} {n:3} {board:7.1%} {plain:11.1%} {wide:9.1%}")
    print(f"\n{'test rows':>9} {'n':>3} {'seeds':>7} {'rows':>7} {'both':>7}")
    for rows in (160, 1000):
        for n in (3, 5, 10):
            rng = np.random.default_rng(0)
            over_seeds, over_rows, both = share([with_rows(rng, rows, n) for _ in range(simulations)])
            print(f"{rows:9} {n:3} {over_seeds:7.1%} {over_rows:7.1%} {both:7.1%}")


if __name__ == "__main__":
    main()
