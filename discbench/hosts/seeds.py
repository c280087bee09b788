"""What every host shows of a task: one document (sample) a seed, with all the cells of that seed."""

from collections.abc import Iterable
from statistics import fmean
from typing import Any

from discbench.results.board import init_order
from discbench.results.boardview import Board
from discbench.results.headline import share
from discbench.results.store import Result
from discbench.values.cells import NOTHING
from discbench.values.types import Task

Record = dict[str, Any]
CONTROL = "scratch"
SHARE = "gain_share"
"""The gain as means count it, of an error as a share of scratch's; a discipline that has errors is averaged by it."""
COUNTS = ("failed_cells", "collapsed_cells", "marked_cells")
"""Cells that failed, that predict a constant, and that must not be compared with whole, verified ones."""
SHARED = ("init", "seed", "recipe")
"""What cells of one seed need not be told apart by: a recipe's values go with the init."""
MAIN = ("pretrained", NOTHING)
"""The inits whose score goes by the metric's plain name: a checkpoint as it is, or a baseline."""


def answer(board: Board, task: str, seed: int) -> Record:
    """Return all cells of a task and a seed: ids, inits, scores, marks, causes, and in `apart` what tells them apart.

    The cell of a baseline whose rows no seed draws stands for every seed.

    Args:
        board: Of an evaluation.
        task: Name of the task.
        seed: Of the run.
    """
    of_task = [r for r in board.results if r["cell"]["task"].split("@")[0] == task]
    mine = [r for r in of_task if r["cell"]["seed"] == seed] or [r for r in of_task if r["cell"]["init"] == NOTHING]
    apart = _apart([r["cell"] for r in mine])
    cells = [_cell(r, {name: r["cell"][name] for name in apart}) for r in mine]
    about = next((r["task"] for r in of_task if r["status"] == "finished"), None)
    return {"task": task, "seed": seed, "cells": sorted(cells, key=lambda c: init_order(c["init"])), "about": about}


def _apart(cells: list[Record]) -> list[str]:
    """Return the fields in which cells of one seed differ beyond their init, and the recipe that goes with it."""
    return sorted(n for n in (cells or [{}])[0] if n not in SHARED and any(c[n] != cells[0][n] for c in cells))


def _cell(result: Result, apart: Record) -> Record:
    same = {"id": result["id"], "init": result["cell"]["init"], "apart": apart}
    same |= {"status": result["status"], "marks": result["marks"]}
    if result["status"] != "finished":
        return {**same, "cause": result["cause"]}
    score = result["scores"]["test"][result["task"]["metric"]]
    return {**same, "score": score, "scores": result["scores"]["test"], "collapsed": result["collapsed"]}


def column(metric: str, init: str) -> str:
    """Return what an init's score is called: `accuracy`, `accuracy_scratch`."""
    return metric if init in MAIN else f"{metric}_{init}"


def gain_column(init: str) -> str:
    """Return what an init's gain over scratch is called: `gain`, `gain_reembedded`."""
    return "gain" if init in MAIN else f"gain_{init}"


def values(answered: Record, *, shared: bool = False) -> dict[str, float]:
    """Return the numbers of one seed: each init's score, its gain over scratch, and `COUNTS`.

    Of several cells of an init (one for each mapping seed) it is the mean; each has the control that it shares all but
    the init with.

    Args:
        answered: Of `answer`.
        shared: Whether to give `SHARE` too.
    """
    cells, about = answered["cells"], answered["about"]
    done = [cell for cell in cells if cell["status"] == "finished"]
    inits = list(dict.fromkeys(cell["init"] for cell in done))
    found = {column(about["metric"], i): fmean(c["score"] for c in done if c["init"] == i) for i in inits}
    for init in inits:
        pairs = _pairs(init, done, 1.0 if about["higher_is_better"] else -1.0)
        if pairs:
            found[gain_column(init)] = fmean(gain for gain, _ in pairs)
        if pairs and shared and init in MAIN:
            shares = [gain if about["higher_is_better"] else share(gain, control) for gain, control in pairs]
            found |= {SHARE: fmean(s for s in shares if s is not None)} if None not in shares else {}
    counts = (len(cells) - len(done), *(sum(bool(c.get(n)) for c in cells) for n in ("collapsed", "marks")))
    return {**found, **dict(zip(COUNTS, counts, strict=True))}


def _pairs(init: str, done: list[Record], sign: float) -> list[tuple[float, float]]:
    """Return (gain over the control, the control's score) of each cell of an init that has a control."""
    controls = [cell for cell in done if cell["init"] == CONTROL]
    mine = [cell for cell in done if cell["init"] == init != CONTROL]
    return [
        (sign * (c["score"] - other["score"]), other["score"])
        for c in mine
        for other in controls
        if other["apart"] == c["apart"]
    ]


def disciplines_with_errors(tasks: Iterable[Task]) -> set[str]:
    """Return the disciplines of which a task is scored by an error, in its label's unit."""
    return {task.discipline for task in tasks if not task.control and not task.metric.higher_is_better}
