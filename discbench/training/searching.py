"""A cell of a search for rates: train rows are learnt from, validation or held-out train rows answered, no test row."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from discbench.data import heldout, rows
from discbench.errors import CellError
from discbench.results.store import Result, pack_predictions
from discbench.training import attempts, record
from discbench.training.loop.controls import Control
from discbench.training.loop.keeper import Keeper
from discbench.training.outcomes import dynamics, score
from discbench.values import metrics, rates
from discbench.values.cells import Cell
from discbench.values.checkpoints import Checkpoint
from discbench.values.mapping import table_sha256
from discbench.values.types import Task


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows that a cell of a search sees."""

    learnt: rows.Encoded
    compared: rows.Encoded
    places: Any
    """(rows,): of those that are compared on, in their split."""


def _apart(cell: Cell, task: Task) -> bool:
    return rates.held_out(scored_on_validation=task.scored_on_validation, fraction=cell.fraction)


def read(cells: Iterable[Cell], task: Task) -> tuple[str, ...]:
    """Return the splits of a task that its cells read; those of a search read no test row."""
    mine = [cell for cell in cells if cell.task == task.id]
    if any(cell.rate != rates.SEARCH for cell in mine):
        return rows.SPLITS
    return rows.SPLITS[:1] if all(_apart(cell, task) for cell in mine) else rows.SPLITS[:2]


def seen(cell: Cell, task: Task, loaded: rows.Loaded, chosen: dict[str, heldout.Places]) -> Seen:
    """Return a cell's rows; `chosen` are the places that it takes of each split that it reads."""
    learnt, split, places = heldout.searched(loaded, chosen, apart=_apart(cell, task))
    if not len(learnt):
        raise CellError("one train row is not enough to hold out some of them for the search for a rate")
    return Seen(loaded.train.take(learnt), getattr(loaded, split).take(places), places)


def tried(
    bench: Any,  # noqa: ANN401 - run.Bench, which imports this file
    cell: Cell,
    checkpoint: Checkpoint,
    task: Task,
    found: Seen,
    report: Callable[[int, int, float], None],
    keeper: Keeper,
    control: Control,
) -> tuple[Result, bytes]:
    """Train and compare; return (what is stored, packed answers to the rows that are compared on).

    Args:
        bench: The `run.Bench` that runs the cell.
        cell: Of a search.
        checkpoint: Its checkpoint.
        task: Its task.
        found: Its rows.
        report: Told of progress.
        keeper: Of its saved state.
        control: Told what training begins with.
    """
    metrics.rehearse(task.metrics, found.compared.targets, task.target.outputs)
    one = found.compared.take(np.zeros(1, np.int64))  # stands where the loop answers test rows at its end
    made = attempts.fitted(bench, cell, checkpoint, task, (found.learnt, found.compared, one), report, keeper, control)
    trained, outputs = made.trained, made.unit.answered(made.trained.validation)
    voted = score.vote(task.target, outputs, found.compared.targets, found.compared.groups)
    result = {
        "status": "finished",
        "scores": {"validation": score.measure(task.metrics, task.target, voted)},
        "collapsed": score.collapsed(task.metric, task.target, voted),
        "curve": record.curve_record(trained.curve),
        "dynamics": dynamics.measure(trained.curve.loss, task.target, made.given.targets),
        "counts": {
            "train": len(found.learnt),
            "validation": len(found.compared),
            "steps": len(trained.curve.loss),
            **made.parameters,
        },
        "mapping_sha256": table_sha256(made.table),
        **bench.read(cell, task, checkpoint),
        "dataset": record.identified(bench.rows_for(cell, task)),
        "marks": record.marks(cell, bench.rows_for(cell, task), widened="precision" in made.run),
        "run": made.run,
    }
    return result, pack_predictions(found.places, outputs, found.compared.targets)
