"""Names become cells: the list of runs that an evaluation consists of, and what each will cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from discbench.data import rowcache
from discbench.values.cells import NOTHING, SUBSETS, Cell, Request, steps_of
from discbench.values.checkpoints import Checkpoint
from discbench.values.mapping import TextTable
from discbench.values.recipes import LATER, as_record, recipe_for
from discbench.values.types import Task


def rows_of(task: Task, directory: Path | None) -> str | None:
    """Return the SHA-256 of the rows that a task would be run on, if it is known without reading them."""
    note = rowcache.summary(task, directory)
    return (note["sha256"] if note else None) or task.dataset.rows_sha256


def cells(
    checkpoints: Sequence[Checkpoint], tasks: Sequence[Task], rows: dict[str, str], request: Request
) -> list[Cell]:
    """Return all cells, seed by seed so that a sweep that is cut off has whole comparisons.

    Args:
        checkpoints: Found by `checkpoints.locate`.
        tasks: Selected from the registry.
        rows: Task name -> SHA-256 of its rows.
        request: The rest.
    """
    recipes = {init: as_record(recipe_for(request.recipe, init, request.overrides)) for init in request.inits}
    changed = {field: recipes[request.inits[0]][field] for field in sorted(request.overrides) if field not in LATER}
    made = [
        Cell(
            checkpoint=checkpoint.name,
            revision=checkpoint.revision,
            task=task.id,
            rows=rows[task.name],
            mapping=request.mapping or task.mapping.kind,
            mapping_seed=mapping_seed,
            map_specials=_moves(task, request),
            init=init,
            seed=seed,
            fraction=request.fraction,
            subset=request.subset if request.fraction < 1 else SUBSETS[0],
            limit=request.limit,
            recipe=_for_task(recipes[init], task),
            changed=changed,
            specials=dict(checkpoint.specials),
        )
        for seed in request.seeds
        for mapping_seed in request.mapping_seeds or (seed,)
        for checkpoint in checkpoints
        for task in tasks
        for init in request.inits
    ]
    trivial = {checkpoint.name for checkpoint in checkpoints if checkpoint.baseline}
    return list({c.id: c for c in (_of_baseline(c) if c.checkpoint in trivial else c for c in made)}.values())


def _of_baseline(cell: Cell) -> Cell:
    """Return a baseline's cell: it has no mapping, init or recipe, and a seed only if that draws the rows."""
    drawn = (cell.fraction < 1 and cell.subset == "drawn") or cell.limit is not None
    return replace(
        cell,
        mapping=NOTHING,
        mapping_seed=0,
        map_specials=False,
        init=NOTHING,
        seed=cell.seed if drawn else 0,
        recipe={"name": NOTHING, "lr": None},
        changed={},
        specials={},
    )


def _moves(task: Task, request: Request) -> bool:
    own = isinstance(task.mapping, TextTable) and task.mapping.map_specials
    return own if request.map_specials is None else request.map_specials


def _for_task(recipe: dict[str, Any], task: Task) -> dict[str, Any]:
    return {**recipe, "select": "last"} if task.scored_on_validation else recipe


@dataclass(frozen=True, slots=True)
class Work:
    """What a cell will cost, as far as it is known before anything is read."""

    train_rows: int | None
    steps: int | None
    tokens: int | None
    """Tokens that go through the model in training, padding not counted."""


def work(cell: Cell, task: Task, directory: Path | None) -> Work:
    """Estimate a cell's work from its task's published or cached sizes."""
    note = rowcache.summary(task, directory) or {}
    sizes = note.get("sizes") or task.dataset.sizes
    if not sizes:
        return Work(None, None, None)
    rows = max(1, int(sizes[0] * cell.fraction)) if cell.fraction < 1 else sizes[0]
    rows = min(rows, cell.limit) if cell.limit else rows
    if cell.init == NOTHING:
        return Work(rows, 0, 0)
    steps = steps_of(rows, cell.recipe)
    length = note.get("mean_symbols") or task.max_symbols
    return Work(rows, steps, int(steps * min(rows, cell.recipe["batch"]) * (length + 2)) if length else None)
