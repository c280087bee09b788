import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata

import discbench

CLASSES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


def columns(pairs):
    return np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])


@given(CLASSES)
def test_accuracy_is_the_share_of_right_answers(pairs):
    targets, predictions = columns(pairs)

    assert pytest.approx(discbench.accuracy.function(targets, predictions)) == sum(a == b for a, b in pairs) / len(
        pairs
    )


def test_macro_f1_of_a_case_worked_by_hand():
    # class 0: precision 1/2, recall 1 -> 2/3; class 1: precision 1, recall 1/2 -> 2/3; class 2: never found -> 0
    targets, predictions = np.array([0, 1, 1, 2]), np.array([0, 1, 0, 0])

    assert pytest.approx((2 / 4 + 2 / 3 + 0) / 3) == discbench.macro_f1.function(targets, predictions)


def test_balanced_accuracy_counts_only_classes_that_occur():
    assert 0.75 == discbench.balanced_accuracy.function(np.array([0, 0, 1]), np.array([0, 2, 1]))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_matthews_of_two_classes_is_their_linear_correlation(pairs):
    targets, predictions = columns(pairs)
    defined = np.ptp(targets) and np.ptp(predictions)

    expected = np.corrcoef(targets, predictions)[0, 1] if defined else 0.0
    assert pytest.approx(discbench.matthews.function(targets, predictions), abs=1e-12) == expected


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_f1_is_twice_the_hits_over_all_that_is_or_is_called_positive(pairs):
    targets, predictions = columns(pairs)
    hits, either = np.sum(targets & predictions), targets.sum() + predictions.sum()

    expected = 2 * hits / either if either else 0.0
    assert pytest.approx(discbench.f1.function(targets, predictions)) == expected


def test_spearman_with_ties_is_pearson_of_the_mid_ranks():
    targets, predictions = np.array([1.0, 2, 2, 3, 5]), np.array([3.0, 1, 4, 4, 5])

    expected = pearsonr(rankdata(targets), rankdata(predictions)).statistic
    assert pytest.approx(discbench.spearman.function(targets, predictions), abs=1e-12) == expected


@pytest.mark.parametrize("metric", [discbench.spearman, discbench.pearson, discbench.matthews])
def test_a_constant_answer_scores_zero_and_never_nan(metric):
    assert 0.0 == metric.function(np.array([0, 1, 1, 0]), np.array([1, 1, 1, 1]))


def test_rmse_is_in_the_unit_of_the_label():
    assert pytest.approx((12.5) ** 0.5) == discbench.rmse.function(np.array([1.0, 2.0]), np.array([4.0, -2.0]))


def test_auroc_reads_outputs_and_counts_ties_half():
    targets, outputs = np.array([0, 1, 0, 1]), np.array([[0, 1.0], [0, 1.0], [0, 0.0], [0, 3.0]])

    assert 0.875 == discbench.auroc.function(targets, outputs)
