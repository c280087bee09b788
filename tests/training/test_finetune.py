"""The loop learns, selects, repeats, and refuses what it cannot do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from discbench.errors import CellError, CheckpointError
from discbench.models import building as models
from discbench.models.inputs import Inputs
from discbench.training import finetune
from discbench.training.answers import predict
from discbench.values.checkpoints import locate
from discbench.values.recipes import Recipe, recipe_for


@pytest.fixture(scope="module")
def found(checkpoint_directory):
    return locate(str(checkpoint_directory))


def inputs(rows=64, length=6, scalar=False, seed=0):
    """Rows of ids 50 or 60; the target tells which is first (or by how much)."""
    draws = np.random.RandomState(seed)
    ids = draws.choice([50, 60], (rows, length))
    first = (ids[:, 0] == 60).astype(np.int64)
    targets = (first * 2.0 + 1).astype(np.float32) if scalar else first
    return Inputs(ids.reshape(-1).astype(np.int64), np.arange(0, rows * length + 1, length), targets, 0)


def train(found, recipe, *, outputs=2, data=None, seed=0, init="pretrained", score=None):
    data = data or inputs()
    model = models.build(found, init, outputs, seed, models.vocabulary_of(found))

    def accuracy(answers):
        return float(np.mean(answers.argmax(1) == data.targets))

    return finetune.finetune(
        model, data, data, data, recipe, seed, device="cpu", score=score or accuracy, report=lambda *_: None
    )


FAST = Recipe(name="fast", lr=3e-2, batch=16, epochs=15.0)
GENTLE = Recipe(name="gentle", lr=1e-2, batch=16, epochs=30.0)


def test_it_learns_which_symbol_comes_first(found):
    trained = train(found, FAST)

    assert 1.0 == max(score for _, score in trained.curve.validation)
    assert 60 == len(trained.curve.loss)
    assert trained.curve.loss[-1] < 0.1 < trained.curve.loss[0]


def test_a_number_is_learnt_on_its_raw_scale(found):
    data = inputs(scalar=True)
    trained = train(
        found, GENTLE, outputs=1, data=data, score=lambda out: -float(np.mean((out[:, 0] - data.targets) ** 2))
    )

    assert pytest.approx(float(np.mean((data.targets - 0) ** 2)), rel=0.5) == trained.curve.loss[0]
    assert np.abs(trained.test[:, 0] - data.targets).mean() < 0.3


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(found):
    recipe = Recipe(name="short", lr=1e-3, epochs=2.0)
    one, same, other = (train(found, recipe, seed=seed) for seed in (3, 3, 4))

    assert one.test.tobytes() == same.test.tobytes()
    assert one.curve.loss == same.curve.loss
    assert one.test.tobytes() != other.test.tobytes()


def test_best_keeps_the_earlier_of_equal_states_and_last_the_final_one(found):
    scores = iter([0.1, 0.9, 0.9, 0.2])
    recipe = Recipe(name="r", lr=1e-2, batch=32, epochs=2.0, evaluate_every=1)
    best = train(found, recipe, score=lambda _: next(scores))
    last = train(found, Recipe(name="r", lr=1e-2, batch=32, epochs=2.0, evaluate_every=1, select="last"))

    assert (2, 4) == (best.curve.best_step, last.curve.best_step)
    assert best.test.tobytes() != best.final_test.tobytes()
    assert last.test.tobytes() == last.final_test.tobytes()


def test_predictions_do_not_depend_on_padding(found):
    long = inputs(length=9)
    mixed = Inputs(
        np.concatenate([inputs(rows=1).ids, long.ids]),
        np.concatenate([[0], long.offsets + 6]),
        np.concatenate([[0], long.targets]),
        0,
    )
    model = models.build(found, "pretrained", 2, 0, models.vocabulary_of(found))
    accelerator = finetune.accelerator_for("cpu", FAST)

    alone = predict(model, inputs(rows=1), accelerator)
    assert np.allclose(alone[0], predict(model, mixed, accelerator)[0], atol=1e-6)


def test_frozen_leaves_the_body_as_it_was(found):
    model = models.build(found, "frozen", 2, 0, models.vocabulary_of(found))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    data = inputs()
    finetune.finetune(model, data, data, data, FAST, 0, device="cpu", score=lambda _: 0.0, report=lambda *_: None)

    changed = [k for k, v in model.state_dict().items() if not torch.equal(v, before[k])]
    assert ["classifier.weight", "classifier.bias"] == changed


def test_a_loss_that_is_not_finite_ends_the_cell(found):
    with pytest.raises(CellError, match=r"the training loss is (nan|inf) at step \d+; try a smaller learning rate"):
        train(found, Recipe(name="wild", lr=1e30, batch=16, epochs=20.0))


def test_rows_longer_than_the_models_positions_are_refused(found):
    with pytest.raises(CheckpointError, match="rows of 600 tokens were given to a model with 512 positions"):
        train(found, FAST, data=inputs(rows=4, length=600))


def test_the_rate_warms_up_and_goes_linearly_to_zero():
    recipe = Recipe(name="r", warmup=0.2)

    assert [0.5, 1.0, 1.0, 0.875, 0.75] == [finetune.rate(step, 10, recipe) for step in range(5)]
    assert 0.125 == finetune.rate(9, 10, recipe)


def test_the_papers_recipe_is_the_papers():
    recipe = recipe_for("paper", "scratch", {})

    assert ("adam", 1e-5, 1e-8, 0.0, "linear", 0.0, None, 32, 20.0, "best") == (
        recipe.optimizer, recipe.lr, recipe.eps, recipe.weight_decay, recipe.schedule, recipe.warmup,
        recipe.clip, recipe.batch, recipe.epochs, recipe.select,
    )  # fmt: skip


def test_half_precision_learns_on_the_cpu_too_and_leaves_the_next_cell_as_it_is(found):
    recipe = Recipe(name="short", lr=1e-2, batch=16, epochs=15.0)
    whole = train(found, recipe)
    half = train(found, replace(recipe, precision="bf16"))
    again = train(found, recipe)

    assert half.curve.loss[-1] < 0.5 * half.curve.loss[0]
    assert 0 < abs(half.curve.loss[0] - whole.curve.loss[0]) < 0.01
    assert whole.test.tobytes() == again.test.tobytes() != half.test.tobytes()


@pytest.mark.gpu
def test_half_precision_learns_on_a_gpu(found):
    data = inputs()
    model = models.build(found, "pretrained", 2, 0, models.vocabulary_of(found))
    recipe = Recipe(name="fast", lr=3e-2, batch=16, epochs=15.0, precision="bf16")

    def accuracy(answers):
        return float(np.mean(answers.argmax(1) == data.targets))

    trained = finetune.finetune(
        model, data, data, data, recipe, 0, device="cuda", score=accuracy, report=lambda *_: None
    )

    assert "cuda" == next(model.parameters()).device.type
    assert torch.float32 == next(model.parameters()).dtype
    assert 1.0 == max(score for _, score in trained.curve.validation)
