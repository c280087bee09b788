"""What a checkpoint is tried with before its first cell, and which savings a cell may use."""

import time
from dataclasses import replace

import numpy as np
import torch

from discbench.data.rows import Encoded
from discbench.models import families
from discbench.models.inputs import Inputs, to_inputs
from discbench.training.engine import savings, trial
from discbench.values.mapping import Vocabulary
from discbench.values.recipes import Recipe

EQUAL, UNEQUAL = (16, 16, 16, 16), (16, 5, 11, 8)
"""Tokens of the rows of the two batches."""
AWAY = "not tried on this device or in half precision"


def tried(model: object, vocabulary: Vocabulary) -> savings.Plan:
    """Return the savings that leave a checkpoint's outputs and gradients as they are; the model is left as it was.

    The batches depend on the vocabulary alone, so that a cell has the same savings alone as in a sweep.
    """
    samples = [_sample(model, vocabulary, lengths) for lengths in (EQUAL, UNEQUAL)]
    return trial.tried(model, samples)


def _sample(model: object, vocabulary: Vocabulary, lengths: tuple[int, ...]) -> savings.Batch:
    around = len(vocabulary.prefix) + len(vocabulary.suffix)
    symbols = [max(1, length - around) for length in lengths]
    ends = np.cumsum([0, *symbols])
    codes = (np.arange(ends[-1]) * 7 % min(len(vocabulary.regular), 2**16)).astype(np.uint16)
    split = Encoded(codes, ends, np.zeros(len(lengths)))
    inputs = replace(to_inputs(split, vocabulary.regular, vocabulary, None), left=families.pads_left(model))
    drawn = inputs.batch(range(len(lengths)))
    return {name: drawn[name] for name in ("input_ids", "attention_mask")}


def half_precision_note() -> str | None:
    """Return a warning if bfloat16 is slower than float32 on this CPU; measured in some milliseconds."""
    whole, half = (min(_seconds_of_a_product(kind) for _ in range(5)) for kind in (torch.float32, torch.bfloat16))
    if half <= whole:
        return None
    return (
        f"--set precision=bf16: on this CPU a matrix product takes {half / whole:.1f} times as long in bfloat16 as in"
        " float32; leave it out, or use a GPU"
    )


def _seconds_of_a_product(kind: torch.dtype) -> float:
    left, right = torch.ones(512, 512, dtype=kind), torch.ones(512, 512, dtype=kind)
    began = time.perf_counter()
    left @ right
    return time.perf_counter() - began


def plan_for(plan: savings.Plan, recipe: Recipe, device: str, splits: tuple[Inputs, ...]) -> savings.Plan:
    """Return a checkpoint's savings as one cell may use them."""
    if recipe.weight_decay > 0:
        plan = plan.without(savings.VOCABULARY, "weight decay moves every row")
    if device != "cpu" or recipe.precision != "no":
        for name in (n for n in savings.NAMES if n != savings.VOCABULARY):
            plan = plan.without(name, AWAY)
    ids = np.unique(np.concatenate([np.unique(split.ids) for split in splits] + [[split.pad] for split in splits]))
    return savings.with_ids(plan, ids.tolist())
