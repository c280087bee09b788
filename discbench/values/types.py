"""The values that are passed between rooms: tasks and their parts. Nothing here computes."""

import importlib.util
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from discbench.errors import PluginError
from discbench.values.mapping import RandomTable, TextTable
from discbench.values.metrics import Metric
from discbench.values.recipes import PretrainRecipe
from discbench.words.foreign import plain, quoted
from discbench.words.forms import Text, fault

NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*\.[a-z0-9]+(?:[-_.][a-z0-9]+)*")
WORD = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
SHA256 = re.compile(r"[0-9a-f]{64}")
Floor = Callable[[PretrainRecipe], float]
"""What a corpus knows of its masked language modelling: see `Corpus.floor`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One example as its publisher gives it."""

    symbols: str | Sequence[str] | Sequence[int]
    """A string of one-character symbols, or a sequence of symbols; for text tasks the text itself. An array becomes a
    list."""
    target: int | float
    """A class 0..n-1, or a finite number. A NumPy number becomes Python's."""
    group: str | None = None
    """The item that this row is a segment of; predictions of one group are put to the vote."""
    pair: str | None = None
    """The second text of a text pair."""
    number: int | None = None
    """Its place in its publisher's order, where the task's source takes first rows (`--subset first`); it identifies
    the rows as their symbols do. Without it the order in which rows are given means nothing."""
    family: str | None = None
    """What the row shares with its relatives (homologs, windows of one gene, samples of one patient): rows of one
    family are kept on one side of a split. Their labels may differ, and they do not vote. None: it has no relatives."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", plain(self.symbols))
        object.__setattr__(self, "target", plain(self.target))
        if self.number is not None:
            object.__setattr__(self, "number", plain(self.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """The rows of a dataset, cut once and for all seeds."""

    train: Sequence[Row]
    """What models learn from."""
    validation: Sequence[Row]
    """What a recipe's best state is selected on."""
    test: Sequence[Row]
    """What scores are made of. No split is empty."""
    partial: str = ""
    """What is missing or replaced, when these are not all rows of the published dataset; cells on them are marked."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The target is one of `n` classes."""

    n: int
    """How many, from 2."""
    names: tuple[str, ...] = ()
    """What they are called, in their order: one for each class, or none."""

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 2:  # noqa: PLR2004 - else nothing is asked
            raise PluginError(f"Classes({self.n!r}): a whole number from 2 was expected")
        if self.names and len(self.names) != self.n:
            raise PluginError(f"Classes({self.n}) has {len(self.names)} names; give one for each class, or none")

    @property
    def outputs(self) -> int:
        """Width of the head."""
        return self.n

    def __str__(self) -> str:
        return f"{self.n} classes"


@dataclass(frozen=True, slots=True)
class Scalar:
    """The target is one real number, learnt as it is (mean squared error on raw labels)."""

    @property
    def outputs(self) -> int:
        """Width of the head."""
        return 1

    def __str__(self) -> str:
        return "scalar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Specialist:
    """A discipline-specific model's published score on the task's primary metric."""

    name: str
    """What the model is called."""
    score: float
    """As a fraction, as the metric gives it (0.694, not 69.4)."""
    source: str
    """Where it is published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What tells whether two rows that are written differently are the same: the molecule of a SMILES string."""

    name: str
    """What a row then is, in the plural or with an article, for `test rows that are NAME of train`: `a molecule`."""
    of: Callable[[Any], str | None]
    """Symbols -> the form, equal for rows that are the same; None for a row that has none. Import heavy libraries in
    here."""
    needs: str = ""
    """The module that `of` imports and a user may lack; then nothing is counted, and the card says so."""
    install: str = ""
    """What pip installs to have it."""

    @property
    def missing(self) -> str:
        """What is not installed and how to come by it, or nothing."""
        if not self.needs or importlib.util.find_spec(self.needs):
            return ""
        return f"{self.needs} is not installed; `pip install '{self.install or self.needs}'`"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where a task's rows come from, and what they must be."""

    load: Callable[[], Splits]
    """Read and split the rows. Called without arguments; `discbench.data.fetch` and `.local` find the files."""
    license: str = field(kw_only=True)
    """Licence of the rows, not empty; `none stated` where there is none."""
    cite: str = field(kw_only=True)
    """What to cite: a DOI, an arXiv number, or words."""
    source: str = field(default="", kw_only=True)
    """Address that the rows come from; empty when they are generated."""
    sizes: tuple[int, int, int] | None = field(default=None, kw_only=True)
    """Published rows of train, validation and test."""
    rows_sha256: str | None = field(default=None, kw_only=True)
    """`discbench.data.rows.digest` of the published rows; without it every score says that its rows are unverified."""
    overlap: str = field(default="", kw_only=True)
    """Why some rows of train are also in test, where the published split has such rows."""
    published: str = field(default="", kw_only=True)
    """The counts that the source paper prints, where its items are not our rows or its split is not ours."""
    shared: int = field(default=32, kw_only=True)
    """Symbols in a row that two rows have in common only if one comes of the other: a test row that shares so many with
    a train row counts as its near copy, and a shorter row if it is equal to one."""
    form: Form | None = field(default=None, kw_only=True)
    """What makes rows copies of one another that are written differently."""
    apart: str = field(default="", kw_only=True)
    """Name of the task of the same rows whose split keeps near copies on one side."""

    def __post_init__(self) -> None:
        found = self.rows_sha256
        if found is not None and not (isinstance(found, str) and SHA256.fullmatch(found)):
            raise PluginError(
                f"Dataset(rows_sha256={quoted(found)}): 64 hexadecimal digits in lower case were expected; `discbench"
                " tasks NAME` prints them"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One question asked of one dataset: a value, the same for built-in and third-party tasks."""

    name: str
    """`discipline.task` in lower case."""
    version: int
    """Raised whenever a change can move a score."""
    dataset: Dataset
    """Where its rows come from."""
    mapping: RandomTable | TextTable
    """How symbols become token ids: an alphabet, or text that the checkpoint's tokenizer reads."""
    target: Classes | Scalar
    """What an answer is."""
    metric: Metric
    """The primary metric, which gains and boards are made of."""
    also: tuple[Metric, ...] = ()
    """Further metrics to report; by default those that usually go with the primary one."""
    max_symbols: int | None = None
    """Longer rows are cut after so many symbols (special tokens not counted), as the task's source does."""
    chance: float | None = None
    """Score of the best answer that ignores the input."""
    ceiling: float | None = None
    """Best score that any model can be expected to reach, where it is known."""
    specialist: Specialist | None = None
    """A published model of the discipline itself, to compare with."""
    scored_on_validation: bool = False
    """True where validation and test are the same rows, as on GLUE: then the last state is scored whatever the recipe
    selects, for a selection would look at the rows that are scored."""
    control: bool = False
    """True for a task that is expected to be at chance or at ceiling for every model; it never enters a mean."""
    about: str = ""
    """What it asks, in one line: for listings, cards and pages."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise PluginError(f"task name {self.name!r} is not 'discipline.task' in lower case")
        if self.discipline == "probe":
            raise PluginError(
                f"task name {self.name!r}: stores keep 'probe.' for probes; name the discipline otherwise"
            )
        if isinstance(self.version, bool) or not isinstance(self.version, int) or self.version < 1:
            raise PluginError(f"task {self.name!r} has version {self.version!r}; give a whole number from 1")
        for wrong in _faults(self):
            raise PluginError(f"task {self.name!r}: {wrong}")

    @property
    def id(self) -> str:
        """Name and version: `protein.stability@1`."""
        return f"{self.name}@{self.version}"

    @property
    def discipline(self) -> str:
        """The part of the name before the first dot."""
        return self.name.split(".")[0]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The primary metric, then the others."""
        return (self.metric, *(self.also or self.metric.companions))


def _faults(task: Task) -> Iterator[str]:
    """Yield what is wrong with a task's parts: what is expected, then what is found."""
    kinds: dict[str, tuple[type, ...]] = {
        "dataset": (Dataset,), "mapping": (RandomTable, TextTable), "target": (Classes, Scalar), "metric": (Metric,)
    }  # fmt: skip
    for part, kind in kinds.items():
        found = getattr(task, part)
        if not isinstance(found, kind):
            yield f"{part} is a {' or '.join(k.__name__ for k in kind)}, but {found!r:.40} was given"
    load: object = task.dataset.load
    if not callable(load):
        yield f"Dataset(load) is a function without arguments, but {load!r:.40} was given"
    if not task.dataset.license:
        yield "Dataset(license=...) names a licence, but it is empty; say 'none stated' where there is none"
    shared: object = task.dataset.shared
    if isinstance(shared, bool) or not isinstance(shared, int) or shared < 1:
        yield f"Dataset(shared) is a whole number of symbols from 1, but {shared!r:.40} was given"
    form: object = task.dataset.form
    if form is not None and not isinstance(form, Form):
        yield f"Dataset(form) is a Form or None, but {form!r:.40} was given"
    else:
        yield from _faults_of_words(task.dataset)
    yield from _faults_of_metrics(task)
    if task.max_symbols is not None and task.max_symbols < 1:
        yield f"max_symbols is 1 or more, or None, but {task.max_symbols} was given"
    for part in ("chance", "ceiling"):
        value = getattr(task, part)
        if value is not None and not math.isfinite(value):
            yield f"{part} is a finite number or None, but {value} was given"


def _faults_of_words(dataset: Dataset) -> Iterator[str]:
    """Yield which words that results hold are no words that they can hold."""
    for part, given in (("form", dataset.form and dataset.form.name), ("apart", dataset.apart)):
        if given and (wrong := fault(Text(150), given, f"Dataset({part})")):
            yield wrong


def _faults_of_metrics(task: Task) -> Iterator[str]:
    also: object = task.also
    if not isinstance(also, tuple) or not all(isinstance(metric, Metric) for metric in also):
        yield f"also is a tuple of Metric, but {also!r:.40} was given"
    names = [metric.name for metric in task.metrics]
    if len(set(names)) < len(names):
        yield f"each metric has a name of its own, but {', '.join(names)} were given"
    for metric in task.metrics:
        if not metric.scores(task.target.outputs if isinstance(task.target, Classes) else None):
            yield f"metric {metric.name} is of {metric.of}, but the target is {task.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Text to pre-train on with `discbench pretrain NAME`: a paragraph a line, a blank line where a document ends."""

    name: str
    """One word in lower case."""
    version: int
    """Raised whenever a line changes."""
    lines: Callable[[], Iterator[str]]
    """Yield the text to learn, the same each time and not without end: it is written to disk. A line has no newline.
    Import heavy libraries in here."""
    held_out: Callable[[], Iterator[str]]
    """Yield text that is never learnt: no paragraph of it is one of `lines`."""
    vocabulary: Callable[[], Iterable[str]] | None = None
    """All words of an artificial language, lower-case letters and digits: each is a token then. Without it a WordPiece
    vocabulary is learnt from the text."""
    floor: Floor | None = None
    """Return the held-out loss in nats that no model can be below under a recipe, where it can be derived: told beside
    the loss that was reached."""
    license: str
    cite: str
    about: str = ""

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.name):
            raise PluginError(f"corpus name {self.name!r} is not one word in lower case")

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"
