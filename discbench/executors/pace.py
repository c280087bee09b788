"""How fast this machine trains a checkpoint: a few steps on rows of nothing, timed for a moment."""

import time

import numpy as np

from discbench.models import building as models
from discbench.models.inputs import Inputs
from discbench.training import finetune
from discbench.values.checkpoints import Checkpoint
from discbench.values.recipes import Recipe

LENGTH = 64
"""Tokens of a row; longer rows cost a little more a token."""
MOMENT = 2.0
"""Seconds that are timed, at least one step."""


def tokens_per_second(checkpoint: Checkpoint, recipe: Recipe, device: str) -> float:
    """Return the tokens that go through the model in training in a second, in one process with the threads that it has.

    The plain step is timed, without the savings that a cell may use, so that cells tend to be faster.

    Raises:
        CheckpointError: It cannot be read.
    """
    with models.quietly():
        vocabulary = models.vocabulary_of(checkpoint)
        model = models.build(checkpoint, "scratch", 2, 0, vocabulary)
        _timed(model, recipe, vocabulary.pad, 1, device)  # the first step pays for what later ones find made
        once = _timed(model, recipe, vocabulary.pad, 1, device)
        steps = max(1, min(100, int(MOMENT / once)))
        seconds = _timed(model, recipe, vocabulary.pad, steps, device)
    return steps * recipe.batch * LENGTH / seconds


def _timed(model: object, recipe: Recipe, pad: int, steps: int, device: str) -> float:
    rows = recipe.batch * steps
    ids = np.full(rows * LENGTH, pad, np.int64)
    inputs = Inputs(ids, np.arange(rows + 1) * LENGTH, np.arange(rows) % 2, pad)
    one = Inputs(ids[:LENGTH], np.arange(2) * LENGTH, np.zeros(1, np.int64), pad)
    plain = Recipe(name=recipe.name, batch=recipe.batch, epochs=1, select="last")
    began = time.monotonic()
    finetune.finetune(
        model,  # type: ignore[arg-type] # transformers' classes
        inputs,
        one,
        one,
        plain,
        0,
        device=device,
        score=lambda _: 0.0,
        report=lambda *_: None,
    )
    return time.monotonic() - began
