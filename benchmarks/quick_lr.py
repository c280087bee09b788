"""Which learning rate suits each init best under recipe `quick`?

Runs the six formal generators on rows of their own (generator seed 2; the tasks use 1) and with seeds 100 and up
(boards count from 0), over a grid of rates for each init. Scores the *validation* split and prints for each init the
mean over tasks and seeds, as a share of the way from chance to ceiling. The best rates are `recipes.QUICK_LR`.

    python benchmarks/quick_lr.py [--model builtin:tiny] [--seeds 2] [--inits frozen] [--results quick-lr-results]
"""

import argparse
import multiprocessing
import tempfile
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from discbench import Task
from discbench.data.rows import digest
from discbench.sweeps import plan
from discbench.tasks import formal
from discbench.values.cells import Cell, Request
from discbench.values.checkpoints import Checkpoint, locate
from discbench.values.place import Place

BODY = (3e-4, 1e-3, 3e-3)
GRID = {"pretrained": BODY, "scratch": BODY, "reembedded": BODY, "frozen": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)}
"""Steps of half a decade."""


def other_rows() -> list[Task]:
    """Return the formal tasks on rows that no board uses."""
    found = []
    for task in formal.discbench_tasks():
        make, classes = task.dataset.load.args
        load = partial(formal.rows_of, make, classes, seed=2)
        found.append(replace(task, dataset=replace(task.dataset, load=load, rows_sha256=digest(load()))))
    return found


def cells(checkpoint: Checkpoint, tasks: list[Task], seeds: int, inits: list[str]) -> list[tuple[Cell, str]]:
    """Return every cell of the grid with its task's name."""
    return [
        (cell, task.name)
        for init, rates in GRID.items()
        if init in inits
        for rate in rates
        for task in tasks
        for cell in plan.cells(
            [checkpoint],
            [task],
            {task.name: str(task.dataset.rows_sha256)},
            Request(inits=(init,), seeds=tuple(range(100, 100 + seeds)), recipe="quick", overrides={"lr": str(rate)}),
        )
    ]


def validation(job: tuple[Cell, str], checkpoint: Checkpoint, results: Path) -> float:
    """Run a cell and return its validation score, 0 at chance and 1 at the ceiling."""
    import torch

    from discbench.training.run import Bench

    torch.set_num_threads(1)
    cell, name = job
    task = next(task for task in other_rows() if task.name == name)
    result = Bench(Place(results=results)).run(cell, checkpoint, task, lambda *_: None)
    if result["status"] != "finished":
        return 0.0
    chance, ceiling = float(task.chance or 0), float(task.ceiling or 1)
    return float((result["scores"]["validation"][task.metric.name] - chance) / (ceiling - chance))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin:tiny")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--inits", default=",".join(GRID), help="commas between")
    parser.add_argument("--results", type=Path, default=Path(tempfile.mkdtemp()))
    options = parser.parse_args()
    checkpoint = locate(options.model)
    jobs = cells(checkpoint, other_rows(), options.seeds, options.inits.split(","))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        scores = pool.map(partial(validation, checkpoint=checkpoint, results=options.results), jobs, chunksize=1)
    table: dict[tuple[str, float], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (cell, name), score in zip(jobs, scores, strict=True):
        table[cell.init, cell.recipe["lr"]][name].append(score)
    print(f"{len(jobs)} cells of {checkpoint.id}; 0 is chance, 1 the ceiling, on validation")
    for (init, rate), by_task in table.items():
        each = "  ".join(f"{name.split('.')[1]} {np.mean(found):.2f}" for name, found in by_task.items())
        print(f"{init:11} {rate:<7g} mean {np.mean([np.mean(f) for f in by_task.values()]):.3f}   {each}")


if __name__ == "__main__":
    main()
