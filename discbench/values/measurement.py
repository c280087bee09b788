"""Probes as values, and what a measurement is named by. No torch here.

A `Probe` is to models what a `Task` is to scores: a value that a plugin returns from `discbench_probes()`. Its
`measure` is called with a `discbench.probing.measuring.Subject` and with the `Measurement` that names it, and returns
a dict of `values` (numbers by name), and optionally of `figure` (small lists for a chart) and `warnings`.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from discbench.errors import PluginError
from discbench.values.cells import cell_id
from discbench.values.checkpoints import told_apart
from discbench.values.types import WORD

Measured = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A measurement on one model, or on two."""

    name: str
    """One word in lower case."""
    version: int
    """Raised whenever a change can move a value."""
    about: str
    measure: Callable[[Any, Any], Measured]
    """`measure(subject, measurement)`; imports what it needs itself, so that listing probes stays quick."""
    pair: bool = False
    """Whether it compares two models."""
    rows: int = 64
    """Test rows that it takes unless told otherwise."""
    layers: bool = False
    """Whether it measures the layers that `--layers` names; others are not measured anew for other layers."""
    check: Callable[[Any, Any], None] | None = None
    """`check(preview, measurement)` raises a UserError, before any weight is read, where it cannot measure; it gets a
    `discbench.probing.measuring.Preview`."""
    invariances: tuple[str, ...] = ()
    """What its values do not depend on, in the words of `discbench.testing.probe_values.PROMISES`."""
    identical: tuple[tuple[str, float], ...] = ()
    """The values, by name, of a pair probe on a model and itself."""
    as_published: str = ""
    """What `--as-published` changes; empty where there is no such thing."""

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.name):
            raise PluginError(f"probe name {self.name!r} is not one word in lower case")
        if isinstance(self.version, bool) or not isinstance(self.version, int) or self.version < 1:
            raise PluginError(f"probe {self.name!r} has version {self.version!r}; give a whole number from 1")
        measure: object = self.measure
        if not callable(measure):
            raise PluginError(f"probe {self.name!r}: measure is a function, but {measure!r:.40} was given")
        if isinstance(self.rows, bool) or not isinstance(self.rows, int) or self.rows < 1:
            raise PluginError(f"probe {self.name!r} takes {self.rows!r} rows; give a whole number from 1")
        promises: object = self.invariances
        if not isinstance(promises, tuple):
            raise PluginError(f"probe {self.name!r}: invariances are a tuple of words, but {promises!r} was given")

    @property
    def id(self) -> str:
        """Name and version: `pwcca@1`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A model of a measurement."""

    checkpoint: str
    revision: str
    init: str
    seed: int
    """Of the random weights: of scratch and reembedded, and of every head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measurement, fully named, as a `Cell` names a run."""

    probe: str
    """Probe id, version included."""
    model: Side
    against: Side | None
    task: str
    rows: str
    """SHA-256 of the dataset's rows."""
    mapping: str
    mapping_seed: int
    map_specials: bool
    limit: int
    """So many test rows."""
    layers: tuple[int, ...]
    """0 is what enters the first layer, -1 the last; the same numbers in both models."""
    as_published: bool
    draw: str = "hash"
    """`hash`: the rows are drawn by the mapping seed, as `--limit` of eval draws them. `first`: the first ones by
    their publisher's numbers, where they have some, as the paper takes them; files are often sorted by class."""
    max_tokens: int | None = None
    specials: tuple[tuple[str, int], ...] = ()

    @property
    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    @property
    def id(self) -> str:
        """The first 16 digits of the SHA-256 of the canonical JSON."""
        return cell_id(self.record)

    @property
    def words(self) -> str:
        """The measurement as a person would name it, checkpoints of one name told apart."""
        sides = [side for side in (self.model, self.against) if side is not None]
        names = told_apart((side.checkpoint, side.revision) for side in sides)
        models = " against ".join(f"{names[side.checkpoint, side.revision]} {side.init}" for side in sides)
        return f"{self.probe} of {models} on {self.task}, seed {self.model.seed}"
