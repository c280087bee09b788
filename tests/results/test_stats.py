"""Intervals, ranks and components of variance are those of SciPy or of a worked example."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap, norm, t

from discbench.results import stats


def test_the_standard_error_is_scipys_bootstrap_corrected_for_few_values():
    values = [0.31, 0.42, 0.25, 0.50, 0.38]
    drawn = bootstrap((values,), np.mean, n_resamples=200_000, rng=0).standard_error

    assert pytest.approx(drawn * math.sqrt(5 / 4), rel=0.01) == stats.standard_error(values)


def test_with_two_values_there_is_no_interval():
    assert stats.interval([0.1, 0.2]) is None
    assert stats.interval_of_both([0.1, 0.2], 0.01) is None


def test_half_widths_over_seeds_and_rows_add_as_squares():
    values, sd = [0.10, 0.20, 0.30], 0.05
    over_seeds = t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    reach = math.sqrt(over_seeds**2 + (norm.ppf(0.975) * sd) ** 2)

    assert (0.2 - reach, 0.2 + reach) == pytest.approx(stats.interval_of_both(values, sd))
    assert (0.2 - 1.959964 * sd, 0.2 + 1.959964 * sd) == pytest.approx(stats.interval_of_rows(0.2, sd))


def test_without_row_noise_both_is_the_interval_over_seeds():
    assert stats.interval([0.1, 0.4, 0.2]) == pytest.approx(stats.interval_of_both([0.1, 0.4, 0.2], 0.0))


def test_row_noise_that_all_seeds_share_is_told_from_each_seeds_own():
    draw = np.random.RandomState(0)
    shared, own = draw.normal(0, 0.3, (1, 100_000)), draw.normal(0, 0.4, (4, 100_000))
    of_these_models, of_all = stats.row_noise(shared + own)

    assert pytest.approx(math.sqrt(0.3**2 + 0.4**2 / 4), rel=0.01) == of_these_models
    assert pytest.approx(0.3, rel=0.01) == of_all


def test_of_one_seed_all_row_noise_counts():
    sd = np.std([0.0, 0.2, 0.4], ddof=1)

    assert (sd, sd) == pytest.approx(stats.row_noise(np.array([[0.0, 0.2, 0.4]])))


def test_far_apart_means_keep_their_ranks_and_equal_ones_share_the_span():
    assert [(1, 1), (2, 2), (3, 3)] == stats.rank_intervals([0.9, 0.5, 0.1], [0.001] * 3, [5] * 3)
    assert [(1, 2), (1, 2), (3, 3)] == stats.rank_intervals([0.5, 0.5, 0.1], [0.02] * 3, [5] * 3)


def test_components_of_variance_are_those_of_a_worked_table():
    # rows differ by 2 (mapping), columns by 0; means square: rows 2*(1+1)/1 = 4, columns 0, rest 0
    found = stats.components(np.array([[1.0, 1.0], [3.0, 3.0]]))

    assert {"mapping_sd": math.sqrt(4 / 2), "seed_sd": 0.0, "rest_sd": 0.0} == pytest.approx(found)


def test_components_of_variance_come_back_from_simulated_grids():
    draw = np.random.RandomState(0)
    grids = [
        draw.normal(0, 0.3, (6, 1)) + draw.normal(0, 0.1, (1, 6)) + draw.normal(0, 0.05, (6, 6)) for _ in range(400)
    ]
    found = {
        name: math.sqrt(np.mean([stats.components(g)[name] ** 2 for g in grids]))
        for name in ("mapping_sd", "seed_sd", "rest_sd")
    }

    assert {"mapping_sd": 0.3, "seed_sd": 0.1, "rest_sd": 0.05} == pytest.approx(found, rel=0.08)
