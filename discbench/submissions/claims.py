"""What can be checked of many results together: controls, and that nothing is claimed twice."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from discbench.submissions.findings import shown
from discbench.submissions.redraw import TABLE
from discbench.values.cells import NOTHING
from discbench.values.recipes import changes

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is kept of a result while the others are read."""

    name: str
    """Its file."""
    cell: Record
    outputs: str = ""
    """SHA-256 of its predictions' outputs."""
    mapping: str | None = None
    parameters: int = 0

    @property
    def words(self) -> str:
        """The run as a person would name it."""
        cell = self.cell
        return shown(f"{cell['checkpoint']} {cell['task']} {cell['init']} seed {cell['seed']}", 200)


def comparison(cell: Record) -> str:
    """Return what a run and its control share: everything but the init, and what the recipe changes with it."""
    shared = {name: value for name, value in cell.items() if name not in {"init", "recipe"}}
    return json.dumps([{**shared, "changed": changes(cell)}, cell["recipe"]["name"]], sort_keys=True)


def lonely(cells: Iterator[tuple[str, Record]]) -> list[tuple[str, Record]]:
    """Return the (name, cell) that have no scratch control; baselines need none."""
    listed = list(cells)
    controls = {comparison(cell) for _, cell in listed if cell["init"] == "scratch"}
    return [
        (name, cell)
        for name, cell in listed
        if cell["init"] not in {"scratch", NOTHING} and comparison(cell) not in controls
    ]


def together(claims: list[Claim]) -> Iterator[tuple[str, str, str]]:
    """Yield (file, word, message) of what is wrong with claims as a whole."""
    for name, cell in lonely((claim.name, claim.cell) for claim in claims):
        yield name, "control", f"no scratch control with seed {cell['seed']} for init {cell['init']}"
    yield from _twice(claims)
    yield from _disagreeing(
        claims, "mapping", lambda c: c.mapping, ("checkpoint", "revision", "task", *TABLE), "mapping table"
    )
    yield from _disagreeing(claims, "counts", lambda c: c.parameters, ("checkpoint", "revision", "task"), "parameters")


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
            groups[json.dumps([claim.cell.get(n) for n in same], sort_keys=True)].append(claim)
    for members in groups.values():
        for claim in members[1:]:
            if value(claim) != value(members[0]):
                yield claim.name, word, f"its {what} differ from those of {members[0].name}: {shown(value(claim))}"


def _twice(claims: list[Claim]) -> Iterator[tuple[str, str, str]]:
    by_outputs: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.outputs:
            by_outputs[claim.outputs].append(claim)
    for members in by_outputs.values():
        for claim in members[1:]:
            if not _may_agree(members[0].cell, claim.cell):
                yield claim.name, "twice", f"it has the answers of {members[0].words} ({members[0].name})"


def _may_agree(one: Record, other: Record) -> bool:
    """Tell whether two runs can give the same answers to the last bit without being one run.

    Baselines do; so do two controls of one architecture, and runs whose recipe or limit differ without effect.
    """
    if NOTHING in {one["init"], other["init"]}:
        return bool(one["init"] == other["init"])
    if any(one[name] != other[name] for name in ("task", "init", "seed")):
        return False
    return bool(one["checkpoint"] == other["checkpoint"] or one["init"] == "scratch")
