"""What can be checked of many results together: controls, seeds without a selection, and that nothing counts twice."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.submissions.redraw import TABLE
from discbench.values.cells import NOTHING
from discbench.values.recipes import changes
from discbench.words.names import printable

Record = dict[str, Any]
SAME = 1e-4
"""Answers that differ by less than this share of their spread are equal up to rounding."""
MOST_NEAR = 0.01
LOOKS = 16
"""Weighted sums of answers by which they are compared."""
STEP = 0.1
"""Of the grid on which likely equals are looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is kept of a result while the others are read."""

    name: str
    """Its file."""
    cell: Record
    outputs: "Likeness | None" = None
    """Of its predictions."""
    mapping: str | None = None
    parameters: int = 0
    train: int = 0
    """Train rows."""

    @property
    def words(self) -> str:
        """The run as a person would name it."""
        cell = self.cell
        return printable(f"{cell['checkpoint']} {cell['task']} {cell['init']} seed {cell['seed']}", 200)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What answers are told apart by; a shift or a scale of all of them makes no others."""

    shape: tuple[int, ...]
    sums: NDArray[np.float64]
    """(looks,): weighted sums over the answers, in units of their spread."""
    near: float
    """By which the sums of equal answers may differ."""

    def like(self, other: "Likeness") -> bool:
        """Tell whether two runs' answers are equal up to rounding."""
        return bool(np.abs(self.sums - other.sums).max() <= max(self.near, other.near))


def likeness(outputs: NDArray[np.float32]) -> Likeness:
    """Return what outputs, (rows, outputs), are told apart by.

    The softmax of outputs is what they answer, so each row is taken from its mean. The weights are drawn by NumPy's
    frozen `RandomState(0)`.
    """
    answers = outputs.astype(np.float64)
    answers = answers - answers.mean(axis=1, keepdims=True) if answers.shape[1] > 1 else answers
    size = float(np.abs(outputs).max())
    rounding = 8 * float(np.finfo(np.float32).eps) * size
    centred = answers - answers.mean(axis=0)
    spread = float(centred.std())
    if spread > rounding:
        answers, near = centred / spread, min(MOST_NEAR, SAME + rounding / spread)
    else:  # constant answers have nothing but their size to be told apart by
        near = SAME * size
    sums = _weights(answers.size) @ answers.ravel() / answers.size**0.5
    return Likeness(answers.shape, sums, 5 * near)


@lru_cache(maxsize=1)
def _weights(count: int) -> NDArray[np.float64]:
    return np.random.RandomState(0).standard_normal((LOOKS, count))


def comparison(cell: Record) -> str:
    """Return what a run and its control share: everything but the init, and what the recipe changes with it."""
    shared = {name: value for name, value in cell.items() if name not in {"init", "recipe"}}
    return json.dumps([{**shared, "changed": changes(cell)}, cell["recipe"]["name"]], sort_keys=True)


def lonely(cells: Iterable[tuple[str, Record]]) -> list[tuple[str, Record]]:
    """Return the (name, cell) that have no scratch control; baselines need none."""
    listed = list(cells)
    controls = {comparison(cell) for _, cell in listed if cell["init"] == "scratch"}
    return [
        (name, cell)
        for name, cell in listed
        if cell["init"] not in {"scratch", NOTHING} and comparison(cell) not in controls
    ]


def selected(cells: Iterable[tuple[str, Record]]) -> Iterator[tuple[str, list[int]]]:
    """Yield (name, seeds) of every series of runs whose seeds are not 0..n-1: somebody chose them.

    A series has its seeds for mapping seeds, too, or one mapping seed for all.
    """
    series: dict[str, dict[tuple[int, int], str]] = defaultdict(dict)
    for name, cell in cells:
        shared = {field: value for field, value in cell.items() if field not in {"seed", "mapping_seed"}}
        series[json.dumps(shared, sort_keys=True)][cell["mapping_seed"], cell["seed"]] = name
    for runs in series.values():
        fixed = {mapping for mapping, seed in runs if mapping != seed}
        columns = [sorted(seed for mapping, seed in runs if mapping == held) for held in sorted(fixed)]
        tied = sorted(seed for mapping, seed in runs if mapping == seed)
        columns += [tied] if set(tied) - fixed else []
        for seeds in columns:
            if seeds != list(range(len(seeds))):
                yield next(runs[run] for run in sorted(runs) if run[1] in seeds), seeds


def together(claims: list[Claim]) -> Iterator[tuple[str, str, str]]:
    """Yield (file, word, message) of what is wrong with claims as a whole."""
    named = [(claim.name, claim.cell) for claim in claims]
    for name, cell in lonely(named):
        yield name, "control", f"no scratch control with seed {cell['seed']} for init {cell['init']}"
    for name, seeds in selected(named):
        told = ", ".join(map(str, seeds[:20]))
        yield name, "seeds", f"it and its like have seeds {told}, a selection; 0 to {len(seeds) - 1} were expected"
    yield from _twice(claims)
    yield from _disagreeing(
        claims, "mapping", lambda c: c.mapping, ("checkpoint", "revision", "task", *TABLE), "mapping table"
    )
    yield from _disagreeing(claims, "counts", lambda c: c.parameters, ("checkpoint", "revision", "task"), "parameters")


def shared(results: dict[str, Record]) -> Iterator[tuple[str, str, str]]:
    """Yield (file, word, message) of results that name the training they share where that one came out otherwise.

    Only what began alike is held together: the cell that is named may have been trained anew, on another machine.
    """
    here = {(record["cell"]["checkpoint"], record["id"]): record for record in results.values()}
    for name, record in results.items():
        of = record.get("run", {}).get("shared")
        first = here.get((of["checkpoint"], of["id"])) if of else None
        if first is None or first["status"] != "finished" or first["run"].get("start") != record["run"]["start"]:
            continue
        wrong = [part for part in ("curve", "scores") if first[part] != record[part]]
        wrong += ["predictions"] * (first["predictions"]["sha256"] != record["predictions"]["sha256"])
        if wrong:
            words = f"{of['checkpoint']} {of['id']}"
            yield name, "control", f"it shares the training of {printable(words, 200)}, which has another {wrong[0]}"


def _disagreeing(
    claims: list[Claim],
    word: str,
    value: Any,  # noqa: ANN401 - a function
    same: tuple[str, ...],
    what: str,
) -> Iterator[tuple[str, str, str]]:
    """Yield claims whose value differs from that of the first one with the same fields."""
    groups: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.cell["init"] != NOTHING:
            groups[json.dumps([claim.cell[n] for n in same], sort_keys=True)].append(claim)
    for members in groups.values():
        for claim in members[1:]:
            if value(claim) != value(members[0]):
                yield claim.name, word, f"its {what} differ from those of {members[0].name}: {printable(value(claim))}"


def _twice(claims: list[Claim]) -> Iterator[tuple[str, str, str]]:
    """Yield claims whose answers are another's. Only those of one task and of near sums are held against each other."""
    first: dict[tuple[object, ...], list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.outputs is None:
            continue
        task, shape, sums = claim.cell["task"], claim.outputs.shape, claim.outputs.sums
        x, y = (round(float(value) / STEP) for value in sums[:2])
        around = [(task, shape, x + i, y + j) for i, j in product((0, -1, 1), repeat=2)]
        known = next((c for key in around for c in first[key] if c.outputs and c.outputs.like(claim.outputs)), None)
        if known is None:
            first[around[0]].append(claim)
        elif not _may_agree(known, claim):
            yield claim.name, "twice", f"it has the answers of {known.words} ({known.name}), up to rounding"


def _may_agree(one: Claim, other: Claim) -> bool:
    """Tell whether two runs can give the same answers without being one run.

    Baselines do; so do two controls of one architecture, and runs whose recipe or limit differ without effect.
    """
    mine, theirs = one.cell, other.cell
    if NOTHING in {mine["init"], theirs["init"]}:
        return bool(mine["init"] == theirs["init"])
    if any(mine[name] != theirs[name] for name in ("task", "init", "seed")):
        return False
    if (one.mapping, one.train) != (other.mapping, other.train):
        return False
    return bool(mine["checkpoint"] == theirs["checkpoint"] or mine["init"] == "scratch")
