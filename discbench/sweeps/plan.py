"""Names become cells: the list of runs that an evaluation consists of, and what each will cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from discbench.data import rowcache
from discbench.errors import PluginError, UserError
from discbench.results.forms.result import TASK
from discbench.values.cells import NOTHING, SUBSETS, Cell, Request, cell_fault, facts, of_baseline, steps_of
from discbench.values.checkpoints import Checkpoint
from discbench.values.mapping import TextTable
from discbench.values.rates import TUNED
from discbench.values.recipes import LATER, as_record, recipe_for
from discbench.values.types import Task
from discbench.words.forms import fault
from discbench.words.names import printable


def rows_of(task: Task, directory: Path | None) -> str | None:
    """Return the SHA-256 of the rows that a task would be run on, if it is known without reading them."""
    note = rowcache.summary(task, directory)
    return (note["sha256"] if note else None) or task.dataset.rows_sha256


def cells(
    checkpoints: Sequence[Checkpoint],
    tasks: Sequence[Task],
    rows: dict[str, str],
    request: Request,
    sizes: dict[str, tuple[int, ...] | None] | None = None,
) -> list[Cell]:
    """Return all cells, seed by seed so that a sweep that is cut off has whole comparisons.

    Args:
        checkpoints: Found by `checkpoints.locate`.
        tasks: Selected from the registry.
        rows: Task name -> SHA-256 of its rows.
        request: The rest.
        sizes: Task name -> rows of its splits, as far as they are known; who takes as many takes all.

    Raises:
        PluginError: A task says of itself what no result can hold.
        UserError: A name or a number that no cell can have.
    """
    for task in tasks:
        if wrong := fault(TASK, facts(task), "it"):
            raise PluginError(f"task {printable(task.name)}: no result can be stored of it: {wrong}")
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
            take=_take(request, (sizes or {}).get(task.name)),
            rate=TUNED if request.rates == TUNED and not checkpoint.baseline else None,
        )
        for seed in request.seeds
        for mapping_seed in request.mapping_seeds or (seed,)
        for checkpoint in checkpoints
        for task in tasks
        for init in request.inits
    ]
    trivial = {checkpoint.name for checkpoint in checkpoints if checkpoint.baseline}
    named = {c.id: c for c in (_of_baseline(c) if c.checkpoint in trivial else c for c in made)}
    return [_checked(cell) for cell in named.values()]


def _take(request: Request, sizes: tuple[int, ...] | None) -> list[int] | None:
    """Return how many rows of each split are taken; None where that is all: such a cell is the one of whole splits."""
    if request.take is None or (sizes and all(size <= most for size, most in zip(sizes, request.take, strict=True))):
        return None
    return list(request.take)


def _of_baseline(cell: Cell) -> Cell:
    return replace(cell, **of_baseline(cell.record))


def _checked(cell: Cell) -> Cell:
    """Return a cell that can be stored, read and shown.

    Raises:
        UserError: It cannot: its checkpoint has a name that no terminal should print, for example.
    """
    wrong = cell_fault(cell.record)
    if wrong:
        raise UserError(f"{printable(cell.words)} cannot be run: {wrong}; NAME=PATH gives a directory another name")
    return cell


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
    rows = min(rows, cell.take[0]) if cell.take else rows
    if cell.init == NOTHING:
        return Work(rows, 0, 0)
    steps = steps_of(rows, cell.recipe)
    length = note.get("mean_symbols") or task.max_symbols
    return Work(rows, steps, int(steps * min(rows, cell.recipe["batch"]) * (length + 2)) if length else None)
