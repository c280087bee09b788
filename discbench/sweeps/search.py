"""The search for a recipe: the same task over a grid of optimisers and learning rates (Kao & Lee 2021, appendix A).

The points of a grid are ordinary cells. What is best is read off validation; test scores take no part.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from discbench.errors import UserError
from discbench.sweeps import plan
from discbench.sweeps.sweep import Sweep
from discbench.values.cells import Request
from discbench.values.checkpoints import told_apart
from discbench.values.rates import DEFAULT
from discbench.values.recipes import recipe_for

OPTIMIZERS = ("adagrad", "adam", "adamax", "radam", "novograd")
RATES = ("1e-4", "1.8e-5", "1e-5", "5.6e-6", "3.2e-6", "1.8e-6", "1e-6", "5.6e-7", "1e-7")
"""Appendix A: five points from 1e-4 to 1e-7, five more from 1e-5 to 1e-6; on a logarithmic scale, which the text leaves
open."""

DIVERGED = "CellError: the training loss is"
"""How the cause of a cell begins whose loss left the finite numbers: in a search an outcome, not a fault."""

Record = dict[str, Any]


def grid(prepared: Sweep, request: Request, optimizers: Sequence[str], rates: Sequence[str]) -> Sweep:
    """Return the sweep with the cells of every optimiser and rate.

    Raises:
        UserError: An optimiser or a rate that no recipe can have, a model or a task on which nothing can be chosen.
    """
    for task in prepared.tasks.values():
        if task.scored_on_validation:
            raise UserError(
                f"{task.name} is scored on its validation rows, so a recipe chosen on them would be chosen on its test;"
                " search on another task and carry the choice over"
            )
    for checkpoint in prepared.checkpoints.values():
        if checkpoint.baseline:
            raise UserError(f"model {checkpoint.name!r} is trained without a recipe; give a checkpoint")
    if request.rates != DEFAULT:
        raise UserError(f"--rates {request.rates}: the search goes over rates itself; leave it out")
    for field in sorted({"optimizer", "lr"} & set(request.overrides)):
        raise UserError(f"--set {field}=...: the search goes over it; give --optimizers or --lrs instead")
    rows = {prepared.tasks[cell.task].name: cell.rows for cell in prepared.cells}
    if all(cell.take is None for cell in prepared.cells):  # splits that are smaller are taken whole
        request = replace(request, take=None)
    requests = [
        replace(request, overrides={**request.overrides, "optimizer": optimizer, "lr": rate})
        for optimizer in optimizers
        for rate in rates
    ]
    for each in requests:
        recipe_for(each.recipe, each.inits[0], each.overrides)
    checkpoints, tasks = list(prepared.checkpoints.values()), list(prepared.tasks.values())
    cells = [cell for each in requests for cell in plan.cells(checkpoints, tasks, rows, each)]
    return replace(prepared, cells=sorted(cells, key=lambda cell: cell.seed))


def diverged(result: Record | None) -> bool:
    """Tell whether a cell ended because its loss was not finite; the same cell would do so again."""
    return result is not None and result["status"] == "failed" and str(result.get("cause")).startswith(DIVERGED)


def summary(results: Sequence[Record]) -> list[Record]:
    """Return one record a checkpoint, task, init, optimiser and rate: mean, sd and n of the validation score.

    `edge` is `lowest` or `highest` where the rate is the last of its row, so that a better one may lie beyond it.
    """
    points: dict[tuple[Any, ...], list[Record]] = {}
    names = told_apart((r["cell"]["checkpoint"], r["cell"]["revision"]) for r in results)
    for result in results:
        cell = result["cell"]
        checkpoint = names[cell["checkpoint"], cell["revision"]]
        name = (checkpoint, cell["task"], cell["init"], cell["recipe"]["optimizer"], cell["recipe"]["lr"])
        points.setdefault(name, []).append(result)
    made = [_point(name, points[name]) for name in points]
    for point, name in zip(made, points, strict=True):
        rates = {other[-1] for other in points if other[:-1] == name[:-1]}
        point["edge"] = {min(rates): "lowest", max(rates): "highest"}.get(point["lr"]) if len(rates) > 1 else None
    return made


def _point(name: tuple[Any, ...], results: list[Record]) -> Record:
    done = [r for r in results if r["status"] == "finished"]
    about: Record = next((r["task"] for r in done), {})
    scores = [r["scores"]["validation"][about["metric"]] for r in done]
    return {
        **dict(zip(("checkpoint", "task", "init", "optimizer", "lr"), name, strict=True)),
        "metric": about.get("metric"),
        "higher_is_better": about.get("higher_is_better", True),
        "mean": float(np.mean(scores)) if scores else None,
        "sd": float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        "n": len(scores),
        "failed": len(results) - len(done),
        "diverged": sum(diverged(r) for r in results),
        "collapsed": sum(r["collapsed"] for r in done),
    }


def best(points: Sequence[Record]) -> list[Record]:
    """Return the best point of each checkpoint, task and init; of equals the smaller rate, none with a failure."""
    found: dict[tuple[str, str, str], Record] = {}
    for point in sorted(points, key=lambda p: p["lr"]):
        if point["mean"] is None or point["failed"]:
            continue
        key = (point["checkpoint"], point["task"], point["init"])
        if key not in found or _worth(point) > _worth(found[key]):
            found[key] = point
    return list(found.values())


def _worth(point: Record) -> float:
    return float(point["mean"] if point["higher_is_better"] else -point["mean"])
