"""What every host shows of a task: one document (sample) a seed, with the cells of that seed."""

from collections.abc import Iterable
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
MAIN = ("pretrained", NOTHING)
"""The inits whose score goes by the metric's plain name: a checkpoint as it is, or a baseline."""


def answer(board: Board, task: str, seed: int) -> Record:
    """Return the cells of a task and a seed by init: ids, scores, marks, causes.

    A baseline's only cell stands for every seed.

    Args:
        board: Of an evaluation.
        task: Name of the task.
        seed: Of the run.
    """
    mine = [r for r in board.results if r["cell"]["task"].split("@")[0] == task]
    cells = {r["cell"]["init"]: _cell(r) for r in mine if r["cell"]["init"] == NOTHING or r["cell"]["seed"] == seed}
    about = next((r["task"] for r in mine if r["status"] == "finished"), None)
    return {"task": task, "seed": seed, "cells": {i: cells[i] for i in sorted(cells, key=init_order)}, "about": about}


def _cell(result: Result) -> Record:
    same = {"id": result["id"], "status": result["status"], "marks": result["marks"]}
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

    Args:
        answered: Of `answer`.
        shared: Whether to give `SHARE` too.
    """
    cells, about = answered["cells"], answered["about"]
    done = {init: cell["score"] for init, cell in cells.items() if cell["status"] == "finished"}
    found: dict[str, float] = {column(about["metric"], init): score for init, score in done.items()} if about else {}
    if CONTROL in done:
        sign = 1.0 if about["higher_is_better"] else -1.0
        pairs = {init: sign * (score - done[CONTROL]) for init, score in done.items() if init != CONTROL}
        found |= {gain_column(init): pair for init, pair in pairs.items()}
        counted = found.get("gain") if sign > 0 or "gain" not in found else share(found["gain"], done[CONTROL])
        found |= {SHARE: counted} if shared and counted is not None else {}
    counts = (len(cells) - len(done), *(sum(bool(c.get(n)) for c in cells.values()) for n in ("collapsed", "marks")))
    return {**found, **dict(zip(COUNTS, counts, strict=True))}


def disciplines_with_errors(tasks: Iterable[Task]) -> set[str]:
    """Return the disciplines of which a task is scored by an error, in its label's unit."""
    return {task.discipline for task in tasks if not task.control and not task.metric.higher_is_better}
