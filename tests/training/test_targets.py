"""Numbers are learnt in the unit that the recipe says, and scored and stored in the label's own."""

import numpy as np
import pytest

from discbench import Classes, Dataset, RandomTable, Row, Scalar, Splits, Task, evaluate, spearman
from discbench.results.store import unpack_predictions
from discbench.submissions import recount
from discbench.training.outcomes.targets import RAW, Unit, unit_of

STANDARDISED = {"name": "r", "lr": 1.0, "targets": "standardised"}
LABELS = np.array([3000.0, 5000.0, 7000.0], np.float32)


def test_labels_are_standardised_by_the_rows_that_are_learnt_and_turned_back_exactly():
    unit = unit_of(STANDARDISED, Scalar(), LABELS)

    assert Unit(5000.0, pytest.approx(np.std(LABELS.astype(float)))) == unit
    assert pytest.approx([-(1.5**0.5), 0, 1.5**0.5]) == unit.given(LABELS).tolist()
    assert pytest.approx(LABELS) == unit.answered(unit.given(LABELS)[:, None])[:, 0]
    assert np.float32 == unit.given(LABELS).dtype == unit.answered(LABELS[:, None]).dtype


@pytest.mark.parametrize(
    "recipe,target",
    [
        (STANDARDISED, Classes(2)),
        ({**STANDARDISED, "targets": "raw"}, Scalar()),
        ({"name": "of before", "lr": 1.0}, Scalar()),
    ],
)
def test_classes_and_raw_labels_stay_as_they_are(recipe, target):
    assert RAW == unit_of(recipe, target, LABELS)
    assert LABELS is RAW.given(LABELS)


def test_labels_that_are_all_alike_are_moved_to_zero():
    unit = unit_of(STANDARDISED, Scalar(), np.full(3, 7.0, np.float32))

    assert [0, 0, 0] == unit.given(np.full(3, 7.0, np.float32)).tolist()
    assert [7.0] == unit.answered(np.zeros(1, np.float32)).tolist()


def in_unit(scale, offset):
    """How many of sixteen letters are A, in another unit."""

    def rows(count, seed):
        random = np.random.RandomState(seed)
        words = ["".join(random.choice(list("AC"), 16)) for _ in range(count)]
        return [Row(word, offset + scale * word.count("A") / 16) for word in words]

    def load():
        return Splits(train=rows(192, 1), validation=rows(48, 2), test=rows(64, 3))

    return Task(
        name="toy.share", version=1, dataset=Dataset(load, license="CC0-1.0", cite=""), mapping=RandomTable("AC"),
        target=Scalar(), metric=spearman,
    )  # fmt: skip


def trained(task, folder, **more):
    return evaluate(
        "builtin:tiny", task, inits="pretrained", seeds=1, recipe="quick", results=folder, workers=0, **more
    ).results[0]  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return trained(in_unit(1.0, 0.0), tmp_path_factory.mktemp("small"))


def test_the_unit_of_labels_moves_no_score_but_those_in_that_unit(small, tmp_path):
    """Labels of 0 to 1, and the same of 3,000 to 23,000: of raw ones no output gets near."""
    large = trained(in_unit(20_000.0, 3000.0), tmp_path)
    (file,) = tmp_path.glob("*/*/*/*.predictions.parquet")
    _, outputs, labels = unpack_predictions(file)

    assert 0.9 < small["scores"]["test"]["spearman"]
    assert (
        pytest.approx(small["scores"]["test"]["spearman"], abs=0.01) == large["scores"]["test"]["spearman"]
    )  # another order of rows
    assert pytest.approx(20_000 * small["scores"]["test"]["rmse"], rel=0.5) == large["scores"]["test"]["rmse"]
    assert (False, False) == (small["collapsed"], large["collapsed"])
    assert labels.mean() == pytest.approx(outputs.mean(), rel=0.1)


def test_the_loss_is_in_units_of_the_labels_spread_and_verification_counts_it_so(small):
    task = in_unit(1.0, 0.0)
    labels = np.array([row.target for row in task.dataset.load().train], np.float32)
    sizes = (192, 48, 64)
    known = recount.Known("", "", sizes, train_targets=labels, targets=labels, groups=None, copies=(), loaded=None)

    assert pytest.approx(1.0, rel=1e-5) == small["dynamics"]["reference"]
    assert [] == list(recount.speed(small, task, known))
    forged = {**small, "cell": {**small["cell"], "recipe": {**small["cell"]["recipe"], "targets": "raw"}}}
    assert [f"the loss of guessing is {labels.var():.6g}, not {small['dynamics']['reference']}"] == [
        message for _, message in recount.speed(forged, task, known)
    ]
