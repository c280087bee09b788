"""A training that is cut off goes on from its saved state to the bytes that it would have had."""

import copy
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from discbench.models import building as models
from discbench.models.inputs import Inputs
from discbench.training import finetune, trying
from discbench.training.engine.savings import Plan
from discbench.training.loop.keeper import Keeper
from discbench.training.loop.way import Way
from discbench.values.checkpoints import locate
from discbench.values.recipes import Recipe

SHORT = Recipe(name="short", lr=1e-2, batch=8, epochs=1.6, warmup=0.2, clip=1.0, evaluate_every=2)
"""Eight steps on 37 rows: five an epoch, the last batch of an epoch smaller."""
SOON = 1e-9
"""Minutes: a state is saved after every step."""


class Killed(BaseException):
    """The process is gone; nothing catches it."""


@pytest.fixture(scope="module")
def found(checkpoint_directory):
    """An untrained model, and the savings that it may have."""
    found = locate(str(checkpoint_directory))
    vocabulary = models.vocabulary_of(found)
    model = models.build(found, "pretrained", 2, 0, vocabulary)
    return model, trying.tried(model, vocabulary)


def rows(count=37):
    """Rows of 4 to 8 ids; the target tells which is first."""
    draws = np.random.RandomState(0)
    made = [draws.choice([50, 60, 70], draws.randint(4, 9)) for _ in range(count)]
    offsets = np.cumsum([0, *map(len, made)]).astype(np.int64)
    return Inputs(np.concatenate(made).astype(np.int64), offsets, np.array([int(r[0] == 60) for r in made]), 0)


def train(found, recipe, keeper=None, *, savings=True, dropout=True, until=None, way=None):
    """Fine-tune; `until`: killed at so many evaluations."""
    untrained, plan = found
    model = copy.deepcopy(untrained)
    for module in model.modules():
        if not dropout and isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    if not dropout:
        for layer in model.bert.encoder.layer:
            layer.attention.self.dropout.p = 0.0
    data = rows()
    plan = trying.plan_for(plan if savings else Plan(), recipe, "cpu", (data,))
    seen = []
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002

    def score(outputs):
        seen.append(outputs)
        if len(seen) == until:
            raise Killed
        drawn = float(torch.rand(1)) + np.random.rand() + random.random()  # a metric may draw  # noqa: NPY002
        return float(outputs[:5].sum()) + drawn

    trained = finetune.finetune(
        model, data, data, data, recipe, 3, device="cpu", score=score, report=lambda *_: None, plan=plan,
        way=way, keeper=keeper,
    )  # fmt: skip
    return trained, model


def keeper_at(path, **more):
    keeper = Keeper(path=path, whose={"cell": {"seed": 3}}, minutes=SOON, **more)
    return keeper, keeper.find()


def interrupted(found, recipe, path, *, until=3, **options):
    """Train until killed, then again by a process that knows the file only; return what came out, and the steps done."""
    keeper, _ = keeper_at(path)
    with pytest.raises(Killed):
        train(found, recipe, keeper, until=until, **options)
    keeper, way = keeper_at(path)
    outcome = train(found, recipe, keeper, way=way, **options)
    assert [] == keeper.notes
    return outcome, keeper.resumed


def assert_same(one, other):
    (trained, model), (again, same) = one, other
    for name in ("test", "final_test", "validation"):
        assert getattr(trained, name).tobytes() == getattr(again, name).tobytes()
    assert trained.curve == again.curve
    weights = same.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "optimizer, savings",
    [
        ("adam", True), ("adamw", True), ("adagrad", True), ("adamax", True), ("radam", True), ("novograd", True),
        ("adam", False), ("novograd", False),
    ],
)  # fmt: skip
def test_every_optimiser_goes_on_to_the_same_bytes(found, optimizer, savings, tmp_path):
    recipe = replace(SHORT, optimizer=optimizer)
    whole = train(found, recipe, savings=savings)
    again, resumed = interrupted(found, recipe, tmp_path / "state", savings=savings)

    assert [5] == resumed
    assert_same(whole, again)


@pytest.mark.parametrize(
    "changed",
    [
        {"select": "last"},
        {"weight_decay": 0.1, "optimizer": "adamw"},
        {"schedule": "constant", "stop_below": 10.0, "epochs": 40.0, "evaluate_every": 3},
        {"precision": "bf16"},
        {"drop_last": True},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_kind_of_recipe_goes_on_to_the_same_bytes(found, changed, tmp_path):
    recipe = replace(SHORT, **changed)
    whole = train(found, recipe)
    again, resumed = interrupted(found, recipe, tmp_path / "state", until=2)

    assert 1 == len(resumed)
    assert 0 < resumed[0] < len(whole[0].curve.loss)
    assert ("stop_below" not in changed) or 5 == len(whole[0].curve.loss)
    assert_same(whole, again)


@pytest.mark.parametrize("savings", [True, False])
def test_without_dropout_too(found, savings, tmp_path):
    whole = train(found, SHORT, savings=savings, dropout=False)
    again, _ = interrupted(found, SHORT, tmp_path / "state", savings=savings, dropout=False)

    assert_same(whole, again)


def test_dropout_matters_so_that_its_place_is_really_kept(found):
    assert train(found, SHORT)[0].curve.loss != train(found, SHORT, dropout=False)[0].curve.loss


def test_at_every_step_it_may_be_cut_off_and_more_than_once(found, tmp_path):
    recipe = replace(SHORT, evaluate_every=1, epochs=0.8)
    whole = train(found, recipe)
    path, resumed = tmp_path / "state", []
    for _ in range(3):
        keeper, way = keeper_at(path)
        with pytest.raises(Killed):
            train(found, recipe, keeper, way=way, until=2)
        resumed = keeper.resumed
    keeper, way = keeper_at(path)

    assert [1, 2] == resumed
    assert_same(whole, train(found, recipe, keeper, way=way))


def test_saving_changes_nothing(found, tmp_path):
    keeper, _ = keeper_at(tmp_path / "state")

    assert_same(train(found, SHORT), train(found, SHORT, keeper))


def test_the_time_that_earlier_processes_took_and_what_they_noted_go_on_with_the_state(found, tmp_path):
    keeper, _ = keeper_at(tmp_path / "state", seconds=1000.0)
    keeper.note("something happened")
    with pytest.raises(Killed):
        train(found, SHORT, keeper, until=2)
    keeper, way = keeper_at(tmp_path / "state")
    train(found, SHORT, keeper, way=way)

    assert ["something happened"] == keeper.notes
    assert 1000.0 < keeper.seconds < 2000.0


def test_a_batch_in_parts_goes_on_in_the_same_parts(found, tmp_path):
    whole = train(found, SHORT, way=Way(precision="no", rows=3, places=20))
    keeper, _ = keeper_at(tmp_path / "state")
    with pytest.raises(Killed):
        train(found, SHORT, keeper, way=Way(precision="no", rows=3, places=20), until=3)
    keeper, way = keeper_at(tmp_path / "state")

    assert Way(precision="no", rows=3, places=20) == way
    assert_same(whole, train(found, SHORT, keeper, way=way))


def test_another_way_or_other_savings_begin_at_the_first_step(found, tmp_path):
    whole = train(found, SHORT, savings=False)
    keeper, _ = keeper_at(tmp_path / "state")
    with pytest.raises(Killed):
        train(found, SHORT, keeper, until=3)
    keeper, way = keeper_at(tmp_path / "state")
    again = train(found, SHORT, keeper, way=way, savings=False)

    told = "its saved training state belongs to other savings of the training step; it was trained from the first step"
    assert ([], [told]) == (keeper.resumed, keeper.notes)
    assert_same(whole, again)


def test_a_state_that_cannot_be_saved_is_noted_once_and_training_goes_on(found, tmp_path):
    (tmp_path / "file").write_text("no folder")
    keeper, _ = keeper_at(tmp_path / "file" / "state")
    again = train(found, SHORT, keeper)

    assert 1 == len(keeper.notes)
    assert keeper.notes[0].startswith("its training state could not be saved after step 1 (")
    assert_same(train(found, SHORT), again)
