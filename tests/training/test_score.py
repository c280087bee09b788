import numpy as np
import pytest

from discbench import Classes, Scalar, accuracy, auroc, spearman
from discbench.training.outcomes import score
from discbench.values.metrics import Metric


def test_the_first_of_equal_outputs_is_the_answer():
    assert [0, 1] == score.predictions_of(Classes(2), np.array([[1.0, 1.0], [0.0, 2.0]])).tolist()


def test_a_group_votes_over_all_of_its_segments():
    outputs = np.array([[9.0, 0], [0, 1.0], [0, 1.0], [3.0, 0]])
    voted = score.vote(Classes(2), outputs, np.array([1, 1, 1, 0]), ("b", "b", "b", "a"))

    assert [0, 1] == voted.predictions.tolist()
    assert [0, 1] == voted.targets.tolist()


def test_a_tied_vote_goes_to_the_greater_mean_probability():
    outputs = np.array([[5.0, 0], [0, 1.0]])

    assert [0] == score.vote(Classes(2), outputs, np.array([0, 0]), ("a", "a")).predictions.tolist()


def test_numbers_of_a_group_are_averaged():
    voted = score.vote(
        Scalar(), np.array([[1.0], [3.0], [5.0]], np.float32), np.array([2.0, 2.0, 5.0]), ("a", "a", "b")
    )

    assert [2.0, 5.0] == voted.predictions.tolist()


def test_every_metric_is_an_evaluate_metric_of_the_same_value():
    voted = score.Voted(np.array([[2.0, 1], [0, 1], [1, 0]]), np.array([0, 1, 0]), np.array([0, 1, 1]))

    assert {
        "accuracy": pytest.approx(2 / 3),
        "balanced_accuracy": 0.75,
        "macro_f1": pytest.approx(2 / 3),
    } == score.measure((accuracy, *accuracy.companions), Classes(2), voted)
    assert {"auroc": 1.0} == score.measure(
        (auroc,), Classes(2), score.Voted(np.array([[1.0, 0], [0, 1], [0, 0.5]]), voted.predictions, voted.targets)
    )


def test_a_metric_of_a_third_party_is_measured_like_our_own():
    worst = Metric("worst", lambda t, p: float(np.abs(t - p).max()), higher_is_better=False)
    voted = score.Voted(np.array([[1.0], [2.5]]), np.array([1.0, 2.5]), np.array([1.0, 2.0]))

    assert {"worst": 0.5} == score.measure((worst,), Scalar(), voted)
    assert -0.5 == score.primary(worst, voted)


def test_constant_answers_are_flagged_as_collapsed():
    flat = score.Voted(np.zeros((3, 2)), np.array([1, 1, 1]), np.array([0, 1, 2]))
    steady = score.Voted(np.zeros((3, 1)), np.array([1.0, 1.0 + 1e-6, 1.0]), np.array([0.0, 1.0, 2.0]))

    assert score.collapsed(accuracy, Classes(3), flat)
    assert score.collapsed(spearman, Scalar(), steady)
    assert not score.collapsed(
        spearman, Scalar(), score.Voted(np.zeros((2, 1)), np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    )
    assert 0.0 == spearman(steady.targets, np.full(3, 1.0))


def of_outputs(outputs):
    """Answers to six items, of which the last is of the rare class."""
    return score.vote(Classes(2), np.array(outputs, np.float32), np.array([0, 0, 0, 0, 0, 1]), None)


def test_a_rare_class_that_is_never_the_greatest_output_is_no_collapse_where_the_metric_reads_outputs():
    voted = of_outputs([[2.0, -2.0], [2.1, -2.0], [1.9, -1.9], [2.2, -2.1], [2.0, -2.1], [1.5, -1.4]])

    assert 1.0 == score.primary(auroc, voted)
    assert not score.collapsed(auroc, Classes(2), voted)
    assert score.collapsed(accuracy, Classes(2), voted)


@pytest.mark.parametrize(
    "outputs",
    [
        [[2.0, -2.0]] * 6,
        [[2.0, -2.0]] * 5 + [[2.000001, -2.000001]],  # rounding of another batch
        [[2.0 + i, -2.0 + i] for i in range(6)],  # the same probabilities
        [[0.0, 0.0]] * 6,
    ],
)
def test_outputs_that_differ_by_rounding_or_by_a_shift_are_a_collapse(outputs):
    assert score.collapsed(auroc, Classes(2), of_outputs(outputs))
