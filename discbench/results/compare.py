"""Two checkpoints, task by task: a pure function of a board, and of its cells' scores on draws of the test rows."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.results import stats
from discbench.results.headline import WAY
from discbench.values.cells import NOTHING
from discbench.values.checkpoints import is_called, told_apart

Record = dict[str, Any]
SAME = ("task", "rows", *(name for name in WAY if name not in {"checkpoint", "revision"}))
"""What two entries must share to be compared."""
WITH_BASELINE = ("task", "rows", "fraction", "subset", "limit", "take", "marks")
"""What an entry must share with a baseline's, which has no mapping and no recipe."""
Draws = Mapping[str, list[float]]
"""Cell id -> its score on bootstrap samples of the test rows, higher is better."""


def find(board: Record, name: str) -> tuple[str, str]:
    """Return the (checkpoint, revision) that a user's `NAME` or `NAME@REVISION` means.

    Raises:
        NoSuchName: No such checkpoint on the board.
        UserError: Several revisions of it.
    """
    known = sorted({(e["checkpoint"], e["revision"]) for e in board["entries"]})
    found = [(c, r) for c, r in known if is_called(c, r, name)]
    if len(found) > 1:
        raise UserError(
            f"{name!r} has {len(found)} revisions here; give one of {', '.join(told_apart(found)[f] for f in found)}"
        )
    if not found:
        names = sorted({c for c, _ in known})
        raise NoSuchName(
            f"no results of {name!r}{did_you_mean(name, names, 'there are ' + (', '.join(names) or 'none'))}"
        )
    return found[0]


def compare(board: Record, one: str, other: str, init: str = "pretrained", draws: Draws | None = None) -> Record:
    """Return the differences of scores and of gains, `one` minus `other`, on every task that both were run on.

    Positive is better for `one` whatever the metric. Seeds are paired; a difference of gains is the one that says which
    checkpoint's pre-training helps more, as their architectures differ. Either may be a baseline: it has no init and no
    gain, and where nothing about it is drawn its one run stands against every seed.

    Args:
        board: As `discbench.results.board.build` makes it.
        one: `NAME` or `NAME@REVISION`.
        other: The same.
        init: Whose scores are compared, of what is no baseline.
        draws: Of the board's cells, for intervals over test rows; without it there are none.

    Raises:
        UserError: They share no task that was run in the same way.
    """
    first, second = find(board, one), find(board, other)
    pairs = _pairs(board, first, second)
    rows = [row for mine, theirs in pairs if (row := _row(mine, theirs, init, draws or {}))]
    if not rows:
        raise UserError(
            f"{one!r} and {other!r} share no task that was run with init {init!r}, the same recipe, mapping and rows;"
            " run `discbench eval` with both as --model"
        )
    return {"one": "@".join(first), "other": "@".join(second), "init": init, "tasks": rows}


def _pairs(board: Record, first: tuple[str, str], second: tuple[str, str]) -> Iterator[tuple[Record, Record]]:
    """Yield the entries of two checkpoints that can be compared, in the order of the first one's."""
    alike = SAME if _trivial(first) == _trivial(second) else WITH_BASELINE
    theirs: dict[str, list[Record]] = {}
    for entry in board["entries"]:
        if (entry["checkpoint"], entry["revision"]) == second:
            theirs.setdefault(_key(entry, alike), []).append(entry)
    for entry in board["entries"]:
        if (entry["checkpoint"], entry["revision"]) == first:
            yield from ((entry, found) for found in theirs.get(_key(entry, alike), []))


def _trivial(checkpoint: tuple[str, str]) -> bool:
    return checkpoint[0].startswith("baseline:")


def _key(entry: Record, names: tuple[str, ...]) -> str:
    return json.dumps([entry[name] for name in names], sort_keys=True)


def _row(one: Record, other: Record, init: str, draws: Draws) -> Record | None:
    mine, theirs = _Side(one, init, draws), _Side(other, init, draws)
    if not mine.scores or not theirs.scores:
        return None
    mine.stand_for_every(theirs)
    theirs.stand_for_every(mine)
    about, run = one["about"], other if mine.trivial else one
    return {
        **{name: run[name] for name in SAME},
        "metric": about["metric"],
        "one": mine.column["mean"],
        "other": theirs.column["mean"],
        "score": _difference(mine.scores, theirs.scores, mine.drawn, theirs.drawn),
        "gain": _difference(mine.gains, theirs.gains, mine.gains_drawn, theirs.gains_drawn),
    }


class _Side:
    """One side of a comparison: scores and gains by seed, higher is better, and the same on draws of test rows."""

    def __init__(self, entry: Record, init: str, draws: Draws) -> None:
        self.entry = entry
        self.trivial = _trivial((entry["checkpoint"], entry["revision"]))
        self.column: Record = entry["inits"].get(NOTHING if self.trivial else init) or {"scores": {}, "cells": {}}
        sign = 1.0 if (entry["about"] or {}).get("higher_is_better", True) else -1.0
        self.scores: dict[str, float] = {seed: sign * score for seed, score in self.column["scores"].items()}
        self.drawn = _drawn(self.column, draws)
        self.gains: dict[str, float] = (entry["gains"].get(init) or {}).get("pairs", {})
        control = _drawn(entry["inits"].get("scratch") or {"cells": {}}, draws)
        self.gains_drawn = {s: self.drawn[s] - control[s] for s in self.gains if s in self.drawn and s in control}

    def stand_for_every(self, against: "_Side") -> None:
        """Let a baseline's one run, of which no seed draws anything, stand against every seed of the other side."""
        entry = self.entry
        seeded = entry["limit"] is not None or (entry["fraction"] < 1 and entry["subset"] == "drawn")
        if self.trivial and not against.trivial and not seeded and len(self.scores) == 1:
            (own,) = self.scores
            self.scores = dict.fromkeys(against.scores, self.scores[own])
            self.drawn = dict.fromkeys(against.scores, self.drawn[own]) if own in self.drawn else {}


def _drawn(column: Record, draws: Draws) -> dict[str, NDArray[np.float64]]:
    return {seed: np.asarray(draws[cell]) for seed, cell in column["cells"].items() if cell in draws}


def _difference(
    mine: dict[str, float],
    theirs: dict[str, float],
    drawn: dict[str, NDArray[np.float64]],
    theirs_drawn: dict[str, NDArray[np.float64]],
) -> Record | None:
    seeds = sorted(set(mine) & set(theirs), key=int)
    if not seeds:
        return None
    pairs = [mine[s] - theirs[s] for s in seeds]
    mean, bounds = sum(pairs) / len(pairs), stats.interval(pairs)
    found: Record = {"mean": mean, "low": bounds and bounds[0], "high": bounds and bounds[1], "n": len(pairs)}
    if not all(s in drawn and s in theirs_drawn and drawn[s].shape == theirs_drawn[s].shape for s in seeds):
        return {**found, "rows": None, "both": None}
    sd, shared = stats.row_noise(np.array([drawn[s] - theirs_drawn[s] for s in seeds]))
    of_rows, both = stats.interval_of_rows(mean, sd), stats.interval_of_both(pairs, shared)
    return {
        **found,
        "rows": {"low": of_rows[0], "high": of_rows[1]},
        "both": both and {"low": both[0], "high": both[1]},
    }
