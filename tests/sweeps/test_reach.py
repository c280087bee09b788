"""Labels that no output can reach are told before training."""

import numpy as np
import pytest

from discbench import Classes, Dataset, RandomTable, Row, Scalar, Splits, Task, accuracy, spearman
from discbench.api import prepare
from discbench.data import rows
from discbench.sweeps import plan, reach
from discbench.values.asked import Evaluation
from discbench.values.cells import Request
from discbench.values.checkpoints import locate

TINY = locate("builtin:tiny")


def task(low, high, target=None):
    """Labels evenly between two numbers."""
    made = [Row("AC", float(label)) for label in np.linspace(low, high, 480)]
    splits = Splits(train=made, validation=made[:9], test=made[:9])
    return Task(
        name="rna.halflife", version=1, dataset=Dataset(lambda: splits, license="CC0-1.0", cite=""),
        mapping=RandomTable("AC"), target=target or Scalar(), metric=accuracy if target else spearman,
    )  # fmt: skip


def told(of, recipe="quick", inits=("pretrained", "frozen"), take=None, rates="default", **changed):
    request = Request(inits=inits, recipe=recipe, overrides=changed, take=take, rates=rates)
    cells = plan.cells([TINY], [of], {of.name: "0" * 64}, request)
    return reach.note(of, rows.encode(of, of.dataset.load().train), [(cell, TINY) for cell in cells])


def test_raw_labels_far_out_are_told_with_what_to_do():
    """60 steps of at most 1e-3, on average half of it, and 128 features and a bias: 3.87."""
    line = (
        "rna.halflife: labels are 13,000 ± 5,785.54, but in 60 steps of at most 0.001 the outputs of builtin:tiny"
        " (pretrained) move by about 3.9: it may not learn them; --set targets=standardised trains on labels of mean 0"
        " and sd 1 and turns the answers back"
    )

    assert [line] == told(task(3000, 23000), targets="raw")


@pytest.mark.parametrize("low,high,there", [(0, 1, False), (3.4, 4.2, False), (4, 4.4, True), (-9, 9, True)])
def test_labels_are_far_out_by_their_mean_or_their_spread(low, high, there):
    assert there == bool(told(task(low, high), targets="raw"))


def test_standardised_labels_and_classes_are_always_within_reach():
    assert [] == told(task(3000, 23000))
    assert [] == told(task(0, 0, Classes(2)), targets="raw")


def test_rows_that_are_taken_are_those_whose_labels_and_steps_count():
    """With 24 rows there are 3 steps: far too few for what 480 reach."""
    assert [0, 1] == [len(told(task(1, 1.5), take=take, targets="raw")) for take in (None, (24, 9, 9))]


def test_labels_within_reach_of_the_greatest_rate_of_a_search_are_not_told():
    assert [1, 0] == [len(told(task(30, 32), rates=rates, targets="raw")) for rates in ("default", "tuned")]


def test_more_steps_reach_further():
    assert [1, 0] == [len(told(task(30, 32), targets="raw", epochs=epochs)) for epochs in ("3", "30")]


def test_the_width_of_a_checkpoint_is_read_from_its_configuration(tmp_path):
    assert 128 == reach.width(TINY)
    for name, text, wanted in (
        ("a", '{"model_type": "bert", "dim": 3}', 3),
        ("b", '{"model_type": "bert", "text_config": {"hidden_size": 5}}', 5),
        ("c", '{"model_type": "bert"}', 4096),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
        (tmp_path / name / "model.safetensors").touch()
        assert wanted == reach.width(locate(str(tmp_path / name)))


@pytest.mark.parametrize(
    "model,recipe,count",
    [("builtin:tiny", "paper", 1), ("builtin:tiny", "quick", 0), ("baseline:majority", "paper", 0)],
)
def test_an_evaluation_has_it_among_its_notes_before_its_first_cell(tmp_path, model, recipe, count):
    asked = Evaluation(model, task(3000, 23000), recipe=recipe, results=tmp_path)

    assert count == len(prepare(asked, load=True)[1].notes)
    assert [] == list(tmp_path.iterdir())
