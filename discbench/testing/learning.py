"""Whether a task can be learnt at all: a few rows by heart."""

import io
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from discbench.data.loading import read
from discbench.testing.promises import promise
from discbench.values.types import Classes, Dataset, Row, Splits, Task

LEARNT = 0.9
"""What `overfits` demands of a score whose best is 1; an error must fall to a tenth of that of the best constant."""


def overfits(task: Task, *, rows: int = 32, steps: int = 150, max_tokens: int = 64) -> float:
    """Train `builtin:tiny` on a few rows until it knows them; return its score on these very rows.

    A task that fails cannot be learnt as it is: rows that read the same have different targets, symbols are lost in the
    mapping or cut away, or the metric is turned round. A task that passes may still be too hard, or have its targets
    shuffled: a few rows can be learnt by heart.

    Args:
        task: Whose train rows are taken, evenly from all classes or over all values.
        rows: How many.
        steps: Of training, all rows in each.
        max_tokens: Rows are cut after so many.

    Raises:
        AssertionError: The targets do not differ, or the score stays below what knowing the rows would give.
    """
    from discbench.api import evaluate

    chosen = _spread(task, rows)
    targets = {row.target for row in chosen}
    promise(task.name, "targets differ", len(targets) > 1, f"all of {len(chosen)} rows have {min(targets)}")
    splits = Splits(train=chosen, validation=chosen, test=chosen)
    data = Dataset(lambda: splits, license=task.dataset.license, cite=task.dataset.cite, overlap="on purpose")
    with tempfile.TemporaryDirectory() as folder:
        board = evaluate(
            "builtin:tiny",
            replace(task, name=f"{task.name}-by-heart", dataset=data),
            inits="pretrained",
            seeds=1,
            recipe="quick",
            set={"epochs": steps, "batch": len(chosen), "max_tokens": max_tokens},
            results=folder,
            workers=0,
            threads=1,  # batches are small, and several of these may run at once
            unverified=True,
            stream=io.StringIO(),
        )
    (result,) = board.results
    promise(task.name, "it can be trained on", result["status"] == "finished", result.get("cause"))
    score = float(result["scores"]["test"][task.metric.name])
    limit = LEARNT if task.metric.higher_is_better else (1 - LEARNT) * _of_constant(chosen)
    learnt = score >= limit if task.metric.higher_is_better else score <= limit
    promise(
        task.name,
        f"{len(chosen)} rows can be learnt by heart ({task.metric.name} {limit:.2f})",
        learnt and math.isfinite(score),
        f"after {steps} steps it is {score:.3f}",
    )
    return score


def _spread(task: Task, count: int) -> list[Row]:
    """Return train rows of all classes in turn, or over all values; one a group, so that no vote decides."""
    alone: dict[Any, Row] = {}
    for number, row in enumerate(read(task)[0].train):
        alone.setdefault(number if row.group is None else row.group, row)
    found = list(alone.values())
    if isinstance(task.target, Classes):
        by_class: dict[Any, list[Row]] = {}
        for row in found:
            by_class.setdefault(row.target, []).append(row)
        return list(islice(_in_turn(list(by_class.values())), count))
    ordered = sorted(found, key=lambda row: float(row.target))
    places = np.unique(np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int))
    return [ordered[place] for place in places]


def _in_turn(lists: Sequence[Sequence[Row]]) -> Iterator[Row]:
    for place in range(max(map(len, lists))):
        for rows in lists:
            if place < len(rows):
                yield rows[place]


def _of_constant(rows: Sequence[Row]) -> float:
    return float(np.std([row.target for row in rows]))
