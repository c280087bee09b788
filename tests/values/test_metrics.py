import operator
import re
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata

import discbench
from discbench import Metric
from discbench.errors import PluginError
from discbench.values.metrics import rehearse

CLASSES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


def columns(pairs):
    return np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])


@given(CLASSES)
def test_accuracy_is_the_share_of_right_answers(pairs):
    targets, predictions = columns(pairs)

    assert pytest.approx(discbench.accuracy(targets, predictions)) == sum(a == b for a, b in pairs) / len(pairs)


def test_macro_f1_of_a_case_worked_by_hand():
    # class 0: precision 1/2, recall 1 -> 2/3; class 1: precision 1, recall 1/2 -> 2/3; class 2: never found -> 0
    targets, predictions = np.array([0, 1, 1, 2]), np.array([0, 1, 0, 0])

    assert pytest.approx((2 / 4 + 2 / 3 + 0) / 3) == discbench.macro_f1(targets, predictions)


def test_balanced_accuracy_counts_only_classes_that_occur():
    assert 0.75 == discbench.balanced_accuracy(np.array([0, 0, 1]), np.array([0, 2, 1]))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_matthews_of_two_classes_is_their_linear_correlation(pairs):
    targets, predictions = columns(pairs)
    defined = np.ptp(targets) and np.ptp(predictions)

    expected = np.corrcoef(targets, predictions)[0, 1] if defined else 0.0
    assert pytest.approx(discbench.matthews(targets, predictions), abs=1e-12) == expected


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_f1_is_twice_the_hits_over_all_that_is_or_is_called_positive(pairs):
    targets, predictions = columns(pairs)
    hits, either = np.sum(targets & predictions), targets.sum() + predictions.sum()

    expected = 2 * hits / either if either else 0.0
    assert pytest.approx(discbench.f1(targets, predictions)) == expected


def test_spearman_with_ties_is_pearson_of_the_mid_ranks():
    targets, predictions = np.array([1.0, 2, 2, 3, 5]), np.array([3.0, 1, 4, 4, 5])

    expected = pearsonr(rankdata(targets), rankdata(predictions)).statistic
    assert pytest.approx(discbench.spearman(targets, predictions), abs=1e-12) == expected


@pytest.mark.parametrize("metric", [discbench.spearman, discbench.pearson, discbench.matthews])
def test_a_constant_answer_scores_zero_and_never_nan(metric):
    assert 0.0 == metric(np.array([0, 1, 1, 0]), np.array([1, 1, 1, 1]))


def test_rmse_is_in_the_unit_of_the_label():
    assert pytest.approx((12.5) ** 0.5) == discbench.rmse(np.array([1.0, 2.0]), np.array([4.0, -2.0]))


def test_auroc_reads_outputs_and_counts_ties_half():
    targets, outputs = np.array([0, 1, 0, 1]), np.array([[0, 1.0], [0, 1.0], [0, 0.0], [0, 3.0]])

    assert 0.875 == discbench.auroc(targets, outputs)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5), Fraction(1, 2)])
def test_a_metric_may_return_any_kind_of_number(value):
    assert 0.5 == Metric("half", lambda *_: value)(np.arange(2), np.arange(2))


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda *_: None, "metric 'mine' returned None; it must return one finite number"),
        (lambda *_: "0.5", "metric 'mine' returned '0.5'; it must return one finite number"),
        (lambda *_: True, "metric 'mine' returned True; it must return one finite number"),
        (operator.eq, "metric 'mine' returned array([ True, True]); it must return one finite number"),
        (lambda *both: pearsonr(both[0], np.ones(2)).statistic, "metric 'mine' returned np.float64(nan); it must return one finite number"),
        (lambda *_: 1 / 0, "metric 'mine' failed: ZeroDivisionError('division by zero') (test_metrics.py, line LINE)"),
        (lambda: 1.0, "metric 'mine' failed: TypeError('<lambda>() takes 0 positional arguments but 2 were given') (metrics.py, line LINE)"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_a_metric_that_gives_no_number_is_named(function, told):
    with pytest.raises(PluginError) as error:
        Metric("mine", function)(np.arange(2), np.arange(2))
    assert told == re.sub(r"line \d+", "line LINE", str(error.value))


def only_where(good):
    """A metric that is a number only where that holds of (targets, predictions)."""
    return Metric("mine", lambda targets, predictions: 0.0 if good(targets, predictions) else float("nan"))


@pytest.mark.parametrize(
    ("metric", "tried"),
    [
        (only_where(lambda *both: np.ptp(both[1]) > 0), "items that are all answered alike"),
        (only_where(lambda *both: np.ptp(both[0]) > 0), "items of one label"),
    ],
)
def test_a_metric_that_is_undefined_somewhere_is_told_before_a_model_is_trained(metric, tried):
    with pytest.raises(PluginError) as error:
        rehearse((metric,), np.array([1, 0, 1]), 2)
    told = f"metric 'mine' returned nan; it must return one finite number (tried on {tried}; a metric is 0 where it is undefined)"
    assert told == str(error.value)


def test_the_metrics_that_are_there_are_numbers_everywhere():
    classes = [
        getattr(discbench, name) for name in ("accuracy", "balanced_accuracy", "macro_f1", "f1", "matthews", "auroc")
    ]
    numbers = [discbench.spearman, discbench.pearson, discbench.rmse]

    assert None is rehearse(classes, np.array([1, 0, 1]), 2)
    assert None is rehearse(numbers, np.array([1.5, 0.5, 1.0]), 1)


def test_what_a_metric_prints_is_not_on_stdout(capsys):
    Metric("chatty", lambda *_: sys.stdout.write("so far\n") / 14)(np.arange(2), np.arange(2))

    assert ("", "so far\n") == capsys.readouterr()


@pytest.mark.parametrize("code, told", [(0, "sys.exit(0)"), (None, "sys.exit()"), ("bye", "sys.exit('bye')")])
def test_a_metric_that_calls_sys_exit_is_told_as_that(code, told):
    metric = Metric("share", lambda *_: sys.exit(code))

    with pytest.raises(PluginError, match=rf"^metric 'share' failed: it called {re.escape(told)} \(test_metrics\.py, "):
        metric(np.array([0, 1]), np.array([0, 1]))
