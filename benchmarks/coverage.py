"""How often does the board's 95 % interval of the mean hold the truth?

Simulates 2,000 sets of n paired gains of known mean for several n and shapes of noise, and prints the share of
intervals that hold the mean: the board's, the percentile bootstrap, and the percentile bootstrap with percentiles
widened for small n (Hesterberg 2015, expanded percentile interval).

    python benchmarks/coverage.py [--simulations 2000]
"""

import argparse

import numpy as np
from scipy.stats import norm, t

from discbench.stats import interval

TRUTH = 0.05


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
    """Return the three intervals."""
    n = len(values)
    widened = float(norm.cdf(np.sqrt(n / (n - 1)) * t.ppf(0.025, n - 1)))
    ours = interval(values) or (np.nan, np.nan)
    return [ours, *(percentiles(np.asarray(values), rng, tail) for tail in (0.025, widened))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=2000)
    simulations = parser.parse_args().simulations
    print(f"{simulations} simulations a row\n{'noise':8} {'n':>3} {'board':>7} {'percentile':>11} {'expanded':>9}")
    for shape in ("normal", "skewed"):
        for n in (3, 5, 6, 10, 20):
            rng = np.random.default_rng(0)
            held = np.zeros(3)
            for _ in range(simulations):
                held += [low <= TRUTH <= high for low, high in bounds_of(draws(shape, rng, n), rng)]
            board, plain, expanded = held / simulations
            print(f"{shape:8} {n:3} {board:7.1%} {plain:11.1%} {expanded:9.1%}")


if __name__ == "__main__":
    main()
