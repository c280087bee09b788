"""Rank correlations over few units: what is told from chance, how often falsely, and how sure."""

import numpy as np
import pytest
from scipy.stats import permutation_test, spearmanr

from discbench.results.explaining import rank


def of(x, y, draws=rank.DRAWS):
    """Return correlations in every order, and how probable they are by chance; predictors are the columns of x."""
    found = rank.null(np.asarray(x, float), np.asarray(y, float), rank.orders(len(y), draws))
    return found, rank.chances(found)


def drawn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


@pytest.mark.parametrize("x", [[3, 1, 2, 5, 4, 9, 7], [1, 1, 2, 2, 2, 9, 9], [0, 0, 0, 0, 0, 0, 1]])
def test_a_rank_correlation_is_that_of_scipy_with_ties_and_without(x):
    y = [0.1, 0.3, 0.2, 0.2, 0.5, 0.4, 0.9]

    assert pytest.approx(spearmanr(x, y).statistic) == rank.spearman(x, y)


def test_a_constant_has_no_correlation():
    assert 0.0 == rank.spearman([1, 1, 1, 1], [1, 2, 3, 4])


@pytest.mark.parametrize("x", [[3, 1, 2, 5, 4], [1, 1, 2, 2, 9]])
def test_the_chance_of_few_units_is_that_of_all_orders_as_scipy_counts_them(x):
    y = np.array([0.1, 0.3, 0.2, 0.2, 0.5])
    exact = permutation_test(
        (y,),
        lambda v: abs(spearmanr(x, v).statistic),
        permutation_type="pairings",
        alternative="greater",
        n_resamples=np.inf,
    )

    assert pytest.approx(exact.pvalue) == of(np.array([x]).T, y)[1][0, 0]


def test_four_units_have_24_orders_and_a_perfect_one_is_met_twice():
    found, chance = of(np.arange(4.0)[:, None], np.arange(4.0))

    assert (24, 1) == found.shape
    assert pytest.approx(2 / 24) == chance[0, 0]
    assert [None] == rank.needed(found, chance)


def test_five_units_can_be_told_only_by_a_perfect_order():
    found, chance = of(np.arange(5.0)[:, None], np.arange(5.0))

    assert pytest.approx(2 / 120) == rank.corrected(chance)[0]
    assert [pytest.approx(1.0)] == rank.needed(found, chance)


def test_many_units_have_drawn_orders_the_given_one_first_and_none_has_chance_0():
    order = rank.orders(9, 500)

    assert (500, 9) == order.shape
    assert list(range(9)) == order[0].tolist()
    assert np.array_equal(order, rank.orders(9, 500))
    assert 1 / 500 == of(np.arange(9.0)[:, None], np.arange(9.0), 500)[1][0, 0]


def test_a_drawn_chance_is_near_that_of_scipy_for_twelve_units():
    x, y = drawn(12), drawn(12, seed=1)

    assert pytest.approx(spearmanr(x, y).pvalue, abs=0.02) == of(x[:, None], y)[1][0, 0]


def test_a_planted_order_is_found_among_nine_others():
    y = drawn(12)
    x = np.column_stack([np.exp(y) + 0.05 * drawn(12, seed=2), *(drawn(12, seed=s) for s in range(3, 12))])
    p = rank.corrected(of(x, y, 4000)[1])

    assert 0.05 >= p[0]
    assert [] == [i for i in range(1, 10) if p[i] <= 0.05]


def test_what_was_tried_ten_times_over_counts_once():
    y = drawn(10)
    x = (y + drawn(10, seed=1))[:, None]
    alone, tenfold = (rank.corrected(of(np.repeat(x, k, axis=1), y, 2000)[1]) for k in (1, 10))

    assert [alone[0]] * 10 == tenfold.tolist()


def test_a_correction_never_lowers_a_chance_nor_turns_their_order():
    chance = of(drawn(10, 8), drawn(10, seed=1), 2000)[1]
    p = rank.corrected(chance)

    assert (p >= chance[0] - 1e-12).all()
    assert np.array_equal(np.sort(p), p[np.argsort(chance[0], kind="stable")])


def test_a_predictor_of_fewer_units_is_held_against_its_own_chance():
    x = np.column_stack([np.arange(8.0), [0, 1, 2, 3, np.nan, np.nan, np.nan, np.nan]])
    found, chance = of(x, np.arange(8.0))

    assert [pytest.approx(1.0), pytest.approx(1.0)] == found[0].tolist()
    assert [pytest.approx(2 / 40320), pytest.approx(2 / 24)] == chance[0].tolist()
    assert rank.needed(found, chance)[1] is None


@pytest.mark.parametrize("shared, lacking", [(0.9, 0), (0.5, 3)])
def test_where_nothing_predicts_about_one_explanation_in_twenty_finds_something(shared, lacking):
    state, order = np.random.RandomState(0), rank.orders(10, 400)
    times = 400
    found = 0
    for _ in range(times):
        x = np.sqrt(1 - shared) * state.randn(10, 6) + np.sqrt(shared) * state.randn(10, 1)
        x[:lacking, 0] = np.nan
        found += rank.corrected(rank.chances(rank.null(x, state.randn(10), order))).min() <= 0.05

    assert 0.015 <= found / times <= 0.085  # 0.05 give or take three standard errors


def test_an_interval_of_resampled_units_holds_its_own_correlation_and_is_the_same_each_time():
    x, y = drawn(12), drawn(12) + drawn(12, seed=1)
    low, high = rank.interval(x, y)

    assert low < rank.spearman(x, y) < high
    assert (low, high) == rank.interval(x, y)


def test_few_units_and_a_perfect_order_have_no_interval():
    assert rank.interval([1, 2, 3, 4, 5], [1, 3, 2, 5, 4]) is None
    assert rank.interval(range(9), range(9)) is None


def test_resamples_without_any_spread_are_left_out():
    low, high = rank.interval([0, 0, 0, 0, 0, 1], [1, 2, 3, 4, 5, 6])

    assert 0 < low < high <= 1


@pytest.mark.slow
@pytest.mark.parametrize("units", [6, 8, 12])
@pytest.mark.parametrize("likeness", [0.0, 0.5, 0.8])
def test_an_interval_holds_the_truth_about_19_times_in_20(units, likeness):
    state = np.random.RandomState(0)
    truth = 6 / np.pi * np.arcsin(likeness / 2)
    held = []
    for _ in range(300):
        x = state.randn(units)
        bounds = rank.interval(x, likeness * x + np.sqrt(1 - likeness**2) * state.randn(units))
        held += [bounds[0] <= truth <= bounds[1]] if bounds else []

    assert 0.89 <= np.mean(held)


def test_the_error_for_a_left_out_unit_is_that_of_the_line_and_of_the_mean_of_the_others():
    of_line, of_mean = rank.left_out([0, 1, 2, 4], [0, 1, 2, 4])

    assert pytest.approx(0.0) == of_line
    assert pytest.approx(np.mean([7 / 3, 1.0, 1 / 3, 3.0])) == of_mean


def test_a_line_through_one_x_is_the_mean():
    of_line, of_mean = rank.left_out([1, 1, 1, 1, 5], [0, 1, 2, 4, 2])

    assert of_line > 0
    assert pytest.approx(rank.left_out([1, 1, 1, 1], [0, 1, 2, 4])[1]) == rank.left_out([1, 1, 1, 1], [0, 1, 2, 4])[0]
    assert np.isfinite([of_line, of_mean]).all()
