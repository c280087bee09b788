"""`Suite`: what a place on the board is made of. A value that a plugin offers, as it offers tasks."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from discbench.errors import NoSuchName, PluginError
from discbench.values.cells import INITS
from discbench.values.mapping import KINDS
from discbench.values.rates import DEFAULT, FIRST_SEED, RATES, SEARCH, TUNED
from discbench.values.recipes import RECIPES, changes
from discbench.values.types import NAME, WORD

Record = dict[str, Any]
TASK = re.compile(f"{NAME.pattern}@[1-9][0-9]*")
CONTROL = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Tasks of a suite that are run alike."""

    tasks: tuple[str, ...]
    """Ids, versions included: a task's next version is another suite's."""
    seeds: int
    """Seeds 0 to n-1, of each init."""
    inits: tuple[str, ...] = ("pretrained", CONTROL)
    recipe: str = "quick"
    mapping: str = "random"
    map_specials: bool = False
    """Whether the table moves special ids; the GLUE tasks of Kao & Lee 2021 do."""
    take: tuple[int, int, int] | None = None
    """At most so many train, validation and test rows, the first by their hashes; None for all. A split that is smaller
    is taken whole."""
    rates: str = DEFAULT
    """`default`: the recipe's learning rate. `tuned`: chosen for each checkpoint, init and task, on validation rows."""

    def holds(self, result: Record) -> bool:
        """Tell whether a finished result is one of its runs."""
        cell = result["cell"]
        if cell.get("rate") == SEARCH:
            return False
        named = cell["checkpoint"].startswith("baseline:")
        same = (
            cell["task"] in self.tasks
            and cell["fraction"] == 1
            and cell["limit"] is None
            and not result["marks"]
            and self._took(result)
        )
        own = (
            cell["init"] in self.inits
            and cell["seed"] < self.seeds
            and cell["mapping_seed"] == cell["seed"]
            and (cell["mapping"], cell["map_specials"]) == (self.mapping, self.map_specials)
            and cell["recipe"]["name"] == self.recipe
            and not changes(cell)
            and cell.get("rate") == (TUNED if self.rates == TUNED else None)
        )
        return same and (own or named)

    def _took(self, result: Record) -> bool:
        asked, took = self.take, result["cell"].get("take")
        if took is not None:
            return asked is not None and list(asked) == took
        if asked is None:
            return True
        counts = [result["counts"][split] for split in ("train", "validation", "test")]
        return all(count <= most for count, most in zip(counts, asked, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named set of runs. Ranks exist within one suite and version only."""

    name: str
    """A word in lower case."""
    version: int
    """Raised whenever another set of runs is asked for."""
    parts: tuple[Part, ...]
    about: str = ""

    def __post_init__(self) -> None:
        for wrong in _faults(self):
            raise PluginError(f"suite {self.name!r}: {wrong}")

    @property
    def id(self) -> str:
        """Name and version: `formal@1`."""
        return f"{self.name}@{self.version}"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The ids of all its tasks."""
        return tuple(task for part in self.parts for task in part.tasks)

    def seeds_of(self, task: str) -> int:
        """Return how many seeds a task has, by its id.

        Raises:
            NoSuchName: The suite has no such task.
        """
        for part in self.parts:
            if task in part.tasks:
                return part.seeds
        raise NoSuchName(f"suite {self.id} has no task {task}; it has {', '.join(self.tasks)}")

    def holds(self, result: Record) -> bool:
        """Tell whether a stored result is one of its runs, finished and without marks."""
        return result["status"] == "finished" and any(part.holds(result) for part in self.parts)

    @property
    def at_default_rates(self) -> "Suite | None":
        """The suite with its recipes' single rates, to set beside; None where its rates are those."""
        parts = tuple(replace(part, rates=DEFAULT) for part in self.parts)
        return None if parts == self.parts else replace(self, parts=parts)

    @property
    def record(self) -> Record:
        """The suite as JSON."""
        found: Record = json.loads(json.dumps(asdict(self)))
        return found


def _faults(suite: Suite) -> Iterator[str]:
    """Yield what is wrong with a suite: what is expected, then what is found."""
    if not isinstance(suite.name, str) or not WORD.fullmatch(suite.name):
        yield "its name is a word in lower case, such as 'lite'"
    if isinstance(suite.version, bool) or not isinstance(suite.version, int) or suite.version < 1:
        yield f"its version is a whole number from 1, but {suite.version!r} was given"
    if not suite.parts or not all(isinstance(part, Part) for part in suite.parts):
        yield f"parts is a tuple of Part, but {suite.parts!r:.40} was given"
        return
    twice = sorted({task for task in suite.tasks if suite.tasks.count(task) > 1})
    if twice:
        yield f"a task stands in one part, but {', '.join(twice)} in several"
    for part in suite.parts:
        yield from _part_faults(part)


def _part_faults(part: Part) -> Iterator[str]:
    for task in part.tasks:
        if not TASK.fullmatch(task):
            yield f"tasks are named with their versions, such as 'formal.factor@1', but {task!r} was given"
    if part.seeds < 1:
        yield f"seeds is how many, from 1, but {part.seeds!r} was given"
    if part.seeds > FIRST_SEED:
        yield f"seeds from {FIRST_SEED} belong to searches for rates, but {part.seeds} seeds were given"
    known = {
        "init": (part.inits, INITS),
        "recipe": ((part.recipe,), tuple(RECIPES)),
        "mapping": ((part.mapping,), KINDS),
        "rates": ((part.rates,), RATES),
    }
    for what, (given, there) in known.items():
        for name in given:
            if name not in there:
                yield f"no {what} {name!r}; there are {', '.join(there)}"
    if CONTROL not in part.inits:
        yield f"inits hold {CONTROL}, which gains are counted from"
    if part.take is not None and not all(isinstance(n, int) and n > 0 for n in part.take):
        yield f"take is three whole numbers from 1 (train, validation, test rows), but {part.take!r} was given"
