"""`Cell`: one run, fully named. `Request`: what cells are made from, beyond models and tasks. What tasks say."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.values.checkpoints import SPECIALS, told_apart
from discbench.values.mapping import KINDS, RandomTable, TextTable
from discbench.values.rates import DEFAULT, FIRST_SEED, RATES, ROLES, SEARCH
from discbench.values.recipes import CHECKS, LATER, Recipe
from discbench.values.types import NAME, Classes, Task
from discbench.words.forms import Decimal, Either, Fields, Maybe, OneOf, Row, Text, Whole, fault, forms_of
from discbench.words.names import one_line, printable

NOTHING = "none"
"""Mapping, init and recipe of a baseline."""
INITS = ("pretrained", "scratch", "reembedded", "frozen")
SUBSETS = ("drawn", "first")
MOST_SYMBOLS = 256
"""So many symbols of an alphabet are named."""
UNUSED = ("take", "rate")
"""Fields of a cell that its record leaves out where they are None."""
MOST_TOLD = 1000
"""Characters of a text of a task's."""


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
    take: list[int] | None = None
    """Train, validation and test rows, the first by their hashes, the same for every seed. None for all, and then it is
    left out of the record: so cells of before and those of now are one."""
    rate: str | None = None
    """`tuned`: a search chose the recipe's rate. `search`: the cell is of a search, trained on train rows and scored on
    validation or held-out train rows; it reads no test row. None for the recipe's own, and then it is left out."""

    @property
    def canonical(self) -> str:
        """The cell as JSON with sorted keys and no spaces."""
        return json.dumps(self.record, sort_keys=True, separators=(",", ":"))

    @property
    def record(self) -> dict[str, Any]:
        """The cell as JSON holds it."""
        return {name: value for name, value in asdict(self).items() if name not in UNUSED or value is not None}

    @property
    def id(self) -> str:
        """The first 16 digits of the SHA-256 of the canonical JSON."""
        return cell_id(self.record)

    @property
    def words(self) -> str:
        """The cell as a person would name it, alone; `words_of` names several."""
        return self.named(self.checkpoint)

    def named(self, checkpoint: str) -> str:
        """Return the cell in words, its checkpoint by this name, with a mapping seed that is not the run's own."""
        own = self.mapping == NOTHING or self.mapping_seed == self.seed
        searched = f" lr {self.recipe['lr']:g}" if self.rate == SEARCH else ""
        return f"{checkpoint} {self.task} {self.init} seed {self.seed}{searched}" + (
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


SHA256 = Text(64, "[0-9a-f]{64}", 64)
RECIPE = forms_of(Recipe)
"""The forms of a recipe's fields."""
ALWAYS = {name: form for name, form in RECIPE.items() if name not in LATER}
"""Of those that every recipe has had."""
TAKE = Row((Whole(1, 10**8),) * 3)
_FORMS = forms_of(
    Cell,
    checkpoint=Text(pattern="[^./][^/]*(/[^./][^/]*)*"),
    revision=Text(100),
    task=Text(pattern=f"{NAME.pattern}@[1-9][0-9]{{0,8}}"),
    rows=SHA256,
    mapping=OneOf((*KINDS, NOTHING)),
    init=OneOf((*INITS, NOTHING)),
    fraction=Decimal(5e-324, 1.0),
    subset=OneOf(SUBSETS),
    limit=Maybe(Whole(1, 10**8)),
    recipe=Either(
        "name",
        NOTHING,
        Fields({"name": OneOf((NOTHING,)), "lr": OneOf((None,))}),
        Fields(ALWAYS, {name: RECIPE[name] for name in LATER}),
    ),
    changed=Fields({}, {name: form for name, form in ALWAYS.items() if name != "name"}),
    specials=Fields({}, dict.fromkeys(SPECIALS, Whole(0, 2**31 - 1))),
    take=TAKE,
    rate=OneOf(ROLES),
)
CELL = Fields(
    {name: form for name, form in _FORMS.items() if name not in UNUSED}, {name: _FORMS[name] for name in UNUSED}
)
"""The form of a cell as JSON: exactly what `Cell` writes."""


def cell_fault(record: Any) -> str | None:  # noqa: ANN401 - JSON
    """Return why JSON is no cell that could have been planned, or None."""
    wrong = fault(CELL, record, "$.cell")
    return wrong or next(_cell_faults(record), None)


def _cell_faults(record: dict[str, Any]) -> Iterator[str]:
    """Yield what fields of a cell together cannot be."""
    named = record["checkpoint"].startswith("baseline:")
    parts = {record["init"], record["mapping"], record["recipe"]["name"]}
    if (parts == {NOTHING}) != named or (NOTHING in parts) != named:
        yield "$.cell: init, mapping and recipe are none for a baseline, and for nothing else"
    elif named and record != {**record, **of_baseline(record)}:
        yield "$.cell: a baseline has neither a mapping nor a recipe, and a seed only where that draws its rows"
    if record["fraction"] == 1 and record["subset"] != SUBSETS[0]:
        yield f"$.cell.subset: all rows are taken, so {SUBSETS[0]!r} was expected, not {record['subset']!r}"
    if "take" in record and (record["limit"] is not None or record["fraction"] != 1):
        yield "$.cell.take: rows are taken by hash, or a share or a limit of them is drawn, not both"
    yield from _rate_faults(record, named=named)
    for name, before in LATER.items():
        if name in record["recipe"] and record["recipe"][name] == before:
            yield f"$.cell.recipe.{name}: {before!r} is left out, since it is what all cells did before"
    for part in ("recipe", "changed"):
        for name, value in record[part].items():
            if value is not None and not CHECKS.get(name, lambda _: True)(value):
                yield f"$.cell.{part}.{name}: no recipe has {value!r}"


def _rate_faults(record: dict[str, Any], *, named: bool) -> Iterator[str]:
    rate = record.get("rate")
    if rate is None:
        return
    if named:
        yield "$.cell.rate: a baseline has no rate to tune"
    if "lr" in record["changed"]:
        yield "$.cell.changed.lr: a rate is tuned or changed, not both"
    if (rate == SEARCH) != (record["seed"] >= FIRST_SEED):
        yield f"$.cell.seed: searches have seeds from {FIRST_SEED}, and no run has; {record['seed']} was found ({rate})"
    if rate == SEARCH and record["mapping_seed"] != record["seed"]:
        yield "$.cell.mapping_seed: a search draws its tables by its own seeds"


def of_baseline(cell: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a baseline's cell has: no mapping, init or recipe, a seed only if that draws the rows."""
    drawn = (cell["fraction"] < 1 and cell["subset"] == "drawn") or cell["limit"] is not None
    return {
        "mapping": NOTHING,
        "mapping_seed": 0,
        "map_specials": False,
        "init": NOTHING,
        "seed": cell["seed"] if drawn else 0,
        "recipe": {"name": NOTHING, "lr": None},
        "changed": {},
        "specials": {},
    }


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
    take: tuple[int, int, int] | None = None
    """At most so many train, validation and test rows, the first by their hashes."""
    rates: str = DEFAULT
    """Whether the learning rate is the recipe's, or tuned for each checkpoint, init and task."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", float(self.fraction))  # 1 and 1.0 are one share, and one cell
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
        if self.take is not None and (self.limit is not None or self.fraction < 1):
            raise UserError("--take and --limit or --fraction: rows are taken by hash or drawn, not both; give one")
        self._check_rates()
        if not self.seeds:
            raise UserError("--seeds 0: no seed, no cell; give 1 or more")

    def _check_rates(self) -> None:
        if self.rates not in RATES:
            there = "there are " + ", ".join(RATES)
            raise NoSuchName(f"no rates {self.rates!r}{did_you_mean(self.rates, RATES, there)}")
        if self.rates != DEFAULT and "lr" in self.overrides:
            raise UserError("--set lr and --rates tuned: the rate is fixed or searched for; leave one of them out")
        if self.rates != DEFAULT and max(self.seeds, default=0) >= FIRST_SEED:
            raise UserError(f"seed {max(self.seeds)}: seeds from {FIRST_SEED} belong to the search for rates")


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


def said(task: Task) -> dict[str, Any]:
    """Return what a task says of itself, its rows apart: no file is read."""
    data, mapping = task.dataset, task.mapping
    table = mapping if isinstance(mapping, RandomTable) else None
    return {
        "about": _text(task.about),
        "target": str(task.target),
        "classes": [_text(name) for name in task.target.names] if isinstance(task.target, Classes) else [],
        "metrics": [metric.name for metric in task.metrics],
        "symbols": mapping.symbols or None,
        "alphabet": [printable(str(symbol)) for symbol in table.alphabet[:MOST_SYMBOLS]] if table else [],
        "mapping": mapping.kind,
        "longest": mapping.max_tokens if isinstance(mapping, TextTable) else task.max_symbols,
        "source": _text(data.source),
        "license": _text(data.license),
        "cite": _text(data.cite),
        "sizes": data.sizes and list(data.sizes),
        "published": _text(data.published),
        "overlap": _text(data.overlap),
        "rows_sha256": data.rows_sha256,
    }


def _text(text: str) -> str:
    return one_line(text, MOST_TOLD)


def all_said(tasks: Iterable[Task]) -> dict[str, dict[str, Any]]:
    """Return what each task says of itself, by its id."""
    return {task.id: said(task) for task in tasks}


def hashes(told: Mapping[str, dict[str, Any]]) -> dict[str, str | None]:
    """Return the SHA-256 that each task names for its rows, by its id, of what `all_said` returned."""
    return {name: says["rows_sha256"] for name, says in told.items()}


def steps_per_epoch(rows: int, recipe: dict[str, Any]) -> int:
    """Return the optimiser steps of one epoch."""
    batch = int(recipe["batch"])
    return max(1, rows // batch if recipe["drop_last"] else math.ceil(rows / batch))


def steps_of(rows: int, recipe: dict[str, Any]) -> int:
    """Return the optimiser steps of a whole cell."""
    return max(1, round(float(recipe["epochs"]) * steps_per_epoch(rows, recipe)))
