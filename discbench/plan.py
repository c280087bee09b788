"""Names become cells: the list of runs that an evaluation consists of."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from discbench import rowcache
from discbench.checkpoints import Checkpoint
from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.mapping import KINDS, TextTable
from discbench.recipes import as_record, recipe_for
from discbench.types import Task

NOTHING = "none"
"""Mapping, init and recipe of a baseline."""
INITS = ("pretrained", "scratch", "reembedded", "frozen")
SUBSETS = ("drawn", "first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run, fully named. Two cells with the same canonical JSON are the same run."""

    checkpoint: str
    revision: str
    task: str
    """Task id, version included."""
    rows: str
    """SHA-256 of the dataset's rows."""
    mapping: str
    mapping_seed: int
    """Of the mapping table; the run's own seed unless it is given."""
    map_specials: bool
    """Whether special ids are moved by the table too."""
    init: str
    seed: int
    """Of the random weights, the order of batches and dropout."""
    fraction: float
    """Share of the train rows."""
    subset: str
    """Which share: `drawn` for each seed, or the `first` rows of the file for all."""
    limit: int | None
    """At most so many rows of every split."""
    recipe: dict[str, Any]
    """Every field, as it is for this init."""
    changed: dict[str, Any]
    """The fields that `--set` changed: runs of one recipe with the same changes belong together."""
    specials: dict[str, int]
    """Special ids given by the user, if any."""

    @property
    def canonical(self) -> str:
        """The cell as JSON with sorted keys and no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @property
    def id(self) -> str:
        """The first 16 digits of the SHA-256 of the canonical JSON."""
        return cell_id(asdict(self))

    @property
    def words(self) -> str:
        """The cell as a person would name it."""
        return f"{self.checkpoint} {self.task} {self.init} seed {self.seed}"


def cell_id(record: dict[str, Any]) -> str:
    """Return the id of a cell given as its record."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for, beyond models and tasks."""

    inits: tuple[str, ...] = ("pretrained", "scratch")
    seeds: tuple[int, ...] = (0, 1, 2)
    recipe: str = "paper"
    overrides: dict[str, str]
    limit: int | None = None
    fraction: float = 1.0
    subset: str = "drawn"
    mapping: str | None = None
    mapping_seeds: tuple[int, ...] = ()
    """Crossed with the seeds; empty for the run's own seed, as in the paper."""
    map_specials: bool | None = None
    """None for each task's own way."""

    def __post_init__(self) -> None:
        for init in self.inits:
            if init not in INITS:
                raise NoSuchName(f"no init {init!r}{did_you_mean(init, INITS, 'there are ' + ', '.join(INITS))}")
        if self.mapping is not None and self.mapping not in KINDS:
            raise NoSuchName(
                f"no mapping {self.mapping!r}{did_you_mean(self.mapping, KINDS, 'there are ' + ', '.join(KINDS))}"
            )
        if not 0 < self.fraction <= 1:
            raise UserError(
                f"--fraction {self.fraction:g}: a share of the train rows above 0 and at most 1 was expected"
            )
        if self.subset not in SUBSETS:
            raise NoSuchName(f"no subset {self.subset!r}; there are {', '.join(SUBSETS)}")
        if not self.seeds:
            raise UserError("--seeds 0: no seed, no cell; give 1 or more")


def definition(task: Task) -> str:
    """Return a short hash of what a score of the task is made of, its rows apart: symbols, cut, target, metric.

    It is in no cell's id, where the version stands for it; it tells when a version was not raised.
    """
    mapping = task.mapping
    parts = [
        [mapping.max_tokens, mapping.map_specials] if isinstance(mapping, TextTable) else list(mapping.alphabet),
        task.max_symbols,
        str(task.target),
        [task.metric.name, task.metric.needs, task.metric.higher_is_better],
        task.scored_on_validation,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def facts(task: Task) -> dict[str, Any]:
    """Return what a result says of its task."""
    return {
        "name": task.name,
        "discipline": task.discipline,
        "definition": definition(task),
        "metric": task.metric.name,
        "higher_is_better": task.metric.higher_is_better,
        "chance": task.chance,
        "ceiling": task.ceiling,
        "control": task.control,
        "specialist": task.specialist and asdict(task.specialist),
    }


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
    changed = {field: recipes[request.inits[0]][field] for field in sorted(request.overrides)}
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


def steps_per_epoch(rows: int, recipe: dict[str, Any]) -> int:
    """Return the optimiser steps of one epoch."""
    batch = int(recipe["batch"])
    return max(1, rows // batch if recipe["drop_last"] else math.ceil(rows / batch))


def steps_of(rows: int, recipe: dict[str, Any]) -> int:
    """Return the optimiser steps of a whole cell."""
    return max(1, round(float(recipe["epochs"]) * steps_per_epoch(rows, recipe)))
