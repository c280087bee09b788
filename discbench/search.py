"""A search of recipes: cells over a grid of optimisers and learning rates, judged by validation scores alone."""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from discbench.errors import UserError
from discbench.recipes import parse

Result = dict[str, Any]

OPTIMIZERS = ("adagrad", "adam", "adamax", "radam", "novograd")
"""Kao & Lee 2021, appendix A."""
RATES = ("1e-4", "1.78e-5", "1e-5", "5.62e-6", "3.16e-6", "1.78e-6", "1e-6", "5.62e-7", "1e-7")
"""Kao & Lee 2021, appendix A: 5 points from 1e-4 to 1e-7 and 5 from 1e-5 to 1e-6, one of which they share. The paper says
uniformly and does not say in what; here in the exponent."""
DIVERGED = "CellError: the training loss is"
"""How the cause of a cell begins whose loss left the finite numbers: in a search an outcome, not a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One optimiser at one rate, for one init."""

    init: str
    optimizer: str
    lr: float
    validation: dict[int, float]
    """Seed -> score on validation of the selected state."""
    diverged: int = 0
    failed: int = 0
    """Seeds whose cell failed for another reason."""
    collapsed: int = 0
    """Seeds that predict a constant."""

    @property
    def whole(self) -> bool:
        """Whether every seed has a score."""
        return bool(self.validation) and not self.diverged and not self.failed

    @property
    def mean(self) -> float | None:
        """Of the validation scores, or None."""
        return statistics.fmean(self.validation.values()) if self.validation else None

    @property
    def sd(self) -> float | None:
        """Of the validation scores, from two seeds on."""
        return statistics.stdev(self.validation.values()) if len(self.validation) > 1 else None


def grid(optimizers: str, rates: str) -> list[dict[str, str]]:
    """Return the `--set` fields of each point, rates within optimisers.

    Raises:
        UserError: A name or a rate that no recipe can have, or none.
    """
    names, lrs = _words(optimizers, "optimizers"), _words(rates, "lrs")
    for field, words in (("optimizer", names), ("lr", lrs)):
        for word in words:
            parse(field, word)
    return [{"optimizer": name, "lr": lr} for name in names for lr in sorted(lrs, key=float, reverse=True)]


def _words(text: str, option: str) -> list[str]:
    found = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not found:
        raise UserError(f"--{option} {text!r} is empty; give one or more, commas between")
    return found


def diverged(result: Result | None) -> bool:
    """Tell whether a cell ended because its loss was not finite; the same cell would do so again."""
    return result is not None and result["status"] == "failed" and str(result["cause"]).startswith(DIVERGED)


def points(results: Sequence[Result]) -> list[Point]:
    """Gather results by init, optimiser and rate, in the order in which they come."""
    gathered: dict[tuple[str, str, float], list[Result]] = defaultdict(list)
    for result in results:
        recipe = result["cell"]["recipe"]
        gathered[result["cell"]["init"], recipe["optimizer"], recipe["lr"]].append(result)
    return [_point(key, found) for key, found in gathered.items()]


def _point(key: tuple[str, str, float], results: list[Result]) -> Point:
    finished = [r for r in results if r["status"] == "finished"]
    lost = sum(diverged(r) for r in results)
    return Point(
        init=key[0],
        optimizer=key[1],
        lr=key[2],
        validation={r["cell"]["seed"]: r["scores"]["validation"][r["task"]["metric"]] for r in finished},
        diverged=lost,
        failed=len(results) - len(finished) - lost,
        collapsed=sum(bool(r["collapsed"]) for r in finished),
    )


def best(found: Sequence[Point], *, higher_is_better: bool) -> dict[str, Point]:
    """Return each init's point with the best mean validation score; of equals the first. Test scores take no part.

    A point with a seed that diverged or failed cannot win: its mean would be over the lucky ones.
    """
    sign = 1 if higher_is_better else -1
    chosen: dict[str, Point] = {}
    for point in found:
        known = chosen.get(point.init)
        if point.whole and (known is None or _mean(point) * sign > _mean(known) * sign):
            chosen[point.init] = point
    return chosen


def _mean(point: Point) -> float:
    return -math.inf if point.mean is None else point.mean


def at_edge(point: Point, found: Sequence[Point]) -> str | None:
    """Return `lowest` or `highest` where a better rate may lie outside the grid."""
    rates = {p.lr for p in found if (p.init, p.optimizer) == (point.init, point.optimizer)}
    if len(rates) == 1:
        return None
    return {min(rates): "lowest", max(rates): "highest"}.get(point.lr)
