"""Training dynamics: levels, areas and ratios on curves that can be read by eye."""

import math

import numpy as np
import pytest

from discbench import Classes, Scalar
from discbench.results import curves
from discbench.training.outcomes import dynamics


def test_the_reference_of_classes_is_the_entropy_of_the_labels_and_of_numbers_their_variance():
    assert pytest.approx(math.log(2)) == dynamics.reference(Classes(3), np.array([0, 1, 1, 0]))
    assert pytest.approx(4.0) == dynamics.reference(Scalar(), np.array([1.0, 5.0], dtype=np.float32))


def test_labels_that_are_all_alike_leave_the_loss_as_it_is():
    assert 1.0 == dynamics.reference(Classes(2), np.array([1, 1]))


def test_a_level_is_reached_when_the_loss_stays_below_it_to_the_end():
    values = np.array([0.9, 0.4, 0.6, 0.4, 0.3])

    assert 4 == dynamics.settles(values, 0.5)
    assert 1 == dynamics.settles(values, 1.0)
    assert dynamics.settles(values, 0.3) is None


def test_the_smoothed_loss_is_the_mean_of_the_last_ten_steps():
    found = dynamics.smoothed([float(i) for i in range(12)])

    assert [0.0, 0.5, 1.0] == found[:3].tolist()
    assert pytest.approx(np.mean(range(2, 12))) == found[-1]


def test_levels_and_area_are_shares_of_the_loss_of_guessing():
    found = dynamics.measure([math.log(2)] * 10 + [0.0] * 30, Classes(2), np.array([0, 1]))

    assert pytest.approx(0.25, rel=1e-5) == found["area"]
    assert {"0.9": 12, "0.75": 13, "0.5": 16, "0.25": 18, "0.1": 20, "0.05": 20, "0.01": 20} == found["levels"]
    assert 0.0 == found["final"]


def test_without_steps_there_are_no_dynamics():
    assert dynamics.measure([], Classes(2), np.array([0, 1])) is None


def run(seed, steps_to_half, *, area=0.5, loss=()):
    levels = {"0.5": steps_to_half, "0.1": None}
    return {"cell": {"seed": seed}, "dynamics": {"levels": levels, "area": area}, "curve": {"loss": list(loss)}}


def test_the_ratio_of_steps_is_the_geometric_mean_over_paired_seeds():
    found = curves.ratio(
        [run(0, 40, area=0.8), run(1, 90, area=0.8), run(7, 1)], [run(0, 10, area=0.4), run(1, 10, area=0.4)]
    )

    assert {"steps": pytest.approx(math.sqrt(4 * 9)), "level": "0.5", "area": pytest.approx(2.0), "n": 2} == found


def test_no_level_in_common_is_said_and_no_ratio_invented():
    found = curves.ratio([run(0, None)], [run(0, 10)])

    assert (None, None, 1) == (found["steps"], found["level"], found["n"])
    assert curves.ratio([run(0, 5)], [run(1, 5)]) is None


def test_a_mean_curve_has_at_most_forty_points_and_averages_seeds():
    found = curves.mean_curve([run(0, 1, loss=[1.0] * 100), run(1, 1, loss=[3.0] * 100)])

    assert (40, 100, {2.0}) == (len(found["steps"]), found["steps"][-1], set(found["loss"]))


def test_steps_to_a_level_are_given_only_if_every_seed_gets_there():
    assert {"0.5": 20.0, "0.1": None} == curves.dynamics([run(0, 10), run(1, 30)])["levels"]
    assert curves.dynamics([run(0, 10), run(1, None)])["levels"]["0.5"] is None
