"""Whether a recipe can bring a model's outputs to a task's labels at all; told before training, where it cannot."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.data import rows
from discbench.results.rates import own
from discbench.values.cells import NOTHING, Cell, steps_of
from discbench.values.checkpoints import Checkpoint
from discbench.values.rates import STEPS, grid
from discbench.values.recipes import LATER, travel
from discbench.values.types import Scalar, Task

WIDTHS = ("hidden_size", "d_model", "n_embd", "dim")
"""What configurations call the number of features that the head reads."""
UNKNOWN = 4096
"""Features of a checkpoint whose configuration is not at hand: more than most have, so that no note comes of it."""


def asks(task: Task, recipe: dict[str, Any]) -> bool:
    """Tell whether a task's labels are numbers and learnt as they are; baselines have no steps to do so."""
    return isinstance(task.target, Scalar) and recipe["name"] != NOTHING and {**LATER, **recipe}["targets"] == "raw"


def note(task: Task, train: rows.Encoded, cells: Iterable[tuple[Cell, Checkpoint]]) -> list[str]:
    """Return one line if labels lie beyond what the outputs of some model can reach, else none.

    An optimiser of Adam's kind moves a weight by about its learning rate a step, and a feature is about 1 in size: an
    output moves by the sum of the rates for the bias and for each feature.

    Args:
        task: Whose labels.
        train: All its train rows.
        cells: Those of this task, with their checkpoints.
    """
    asked = [(_at_most(cell), checkpoint) for cell, checkpoint in cells if asks(task, cell.recipe)]
    if not asked:
        return []
    reach, cell, steps = min(
        (_reach(cell, checkpoint, len(train)) for cell, checkpoint in asked), key=lambda found: found[0]
    )
    labels = train.targets[_taken(cell, len(train))].astype(np.float64)
    mean, sd = float(labels.mean()), float(labels.std())
    if max(abs(mean), sd) <= reach:
        return []
    line = (
        f"{task.name}: labels are {mean:,.6g} ± {sd:,.6g}, but in {steps} steps of at most {cell.recipe['lr']:g} the"
        f" outputs of {cell.checkpoint} ({cell.init}) move by about {reach:.2g}: it may not learn them; --set"
        " targets=standardised trains on labels of mean 0 and sd 1 and turns the answers back"
    )
    return [line]


def _reach(cell: Cell, checkpoint: Checkpoint, count: int) -> tuple[float, Cell, int]:
    steps = steps_of(len(_taken(cell, count)), cell.recipe)
    return travel(cell.recipe, steps) * (1 + width(checkpoint)), cell, steps


def _taken(cell: Cell, count: int) -> NDArray[np.int64]:
    return rows.chosen(count, cell.limit, cell.fraction, cell.seed, take=None if cell.take is None else cell.take[0])


def _at_most(cell: Cell) -> Cell:
    """Return a cell at the greatest rate that it may have: of a search's first grid, where its rate is searched for."""
    if cell.rate is None:
        return cell
    return replace(cell, recipe={**cell.recipe, "lr": grid(own(cell.record))[STEPS[-1]]})


def width(checkpoint: Checkpoint) -> int:
    """Return the number of features that a checkpoint's head reads, as its configuration says; else `UNKNOWN`."""
    path: str | None = str(Path(checkpoint.location) / "config.json")
    if not checkpoint.local:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(checkpoint.location, "config.json", revision=checkpoint.revision)
        path = found if isinstance(found, str) else None
    try:
        config: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return UNKNOWN
    said = [part.get(name) for part in (config, config.get("text_config") or {}) for name in WIDTHS]
    return next((value for value in said if isinstance(value, int)), UNKNOWN)
