"""`Cell`: one run, fully named. `Request`: what cells are made from, beyond models and tasks."""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.values.checkpoints import told_apart
from discbench.values.mapping import KINDS, TextTable
from discbench.values.types import Task

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
    """Which share: `drawn` for each seed, or for all the `first` rows by their publisher's numbers."""
    limit: int | None
    """At most so many rows of every split."""
    recipe: dict[str, Any]
    """Every field, as it is for this init."""
    changed: dict[str, Any]
    """The fields that `--set` changed: runs of one recipe with the same changes belong together. Those of
    `recipes.LATER` are left out: `recipes.changes` tells them from the recipe."""
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
        """The cell as a person would name it, alone; `words_of` names several."""
        return self.named(self.checkpoint)

    def named(self, checkpoint: str) -> str:
        """Return the cell in words, its checkpoint by this name, with a mapping seed that is not the run's own."""
        own = self.mapping == NOTHING or self.mapping_seed == self.seed
        return f"{checkpoint} {self.task} {self.init} seed {self.seed}" + (
            "" if own else f" mapping {self.mapping_seed}"
        )


def words_of(cells: Iterable[Cell]) -> dict[str, str]:
    """Return cell id -> the cell in words, with checkpoints of one name told apart."""
    held = list(cells)
    names = told_apart((cell.checkpoint, cell.revision) for cell in held)
    return {cell.id: cell.named(names[cell.checkpoint, cell.revision]) for cell in held}


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


def steps_per_epoch(rows: int, recipe: dict[str, Any]) -> int:
    """Return the optimiser steps of one epoch."""
    batch = int(recipe["batch"])
    return max(1, rows // batch if recipe["drop_last"] else math.ceil(rows / batch))


def steps_of(rows: int, recipe: dict[str, Any]) -> int:
    """Return the optimiser steps of a whole cell."""
    return max(1, round(float(recipe["epochs"]) * steps_per_epoch(rows, recipe)))
