"""A cell's training, begun anew where memory or 16 bits do not carry it, and told in its result."""

import dataclasses
import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from discbench.models.inputs import Inputs
from discbench.results.forms.result import LIBRARIES
from discbench.training import finetune, ranks
from discbench.training.engine.savings import Plan
from discbench.training.finetune import Report, Score, Trained
from discbench.training.loop.keeper import Keeper
from discbench.training.loop.losses import NotFinite
from discbench.training.loop.statefile import Unfit
from discbench.training.loop.way import Way, cause, free, lacks_memory
from discbench.values.cells import Cell
from discbench.values.recipes import Recipe

HOUSE = Path(__file__).parents[1]
ROOMS = ("models", "training", "values")
"""Whose code a step goes through."""


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """What a cell is trained with, however often."""

    build: Callable[[], nn.Module]
    """Gives the untrained model, a new one each time."""
    plan: Callable[[nn.Module, Recipe], Plan]
    """The savings that a model may have."""
    splits: tuple[Inputs, Inputs, Inputs]
    recipe: Recipe
    seed: int
    device: str
    score: Score
    report: Report
    keeper: Keeper
    """Of its saved state, and of what is to be told."""

    def train(self) -> tuple[Trained, Plan, Way]:
        """Train until it is done; return the answers, the savings and the way that came to them.

        A batch that memory does not hold is halved, its gradients added up; a loss that is not finite in 16 bits is
        tried in 32. Each such training begins at its first step, so that its result depends on nothing before it. With
        several processes memory is not tried again: the others would wait for the one that lacks it.

        Raises:
            CellError: Memory does not hold a row, or the loss is not finite in 32 bits either.
        """
        way = self.keeper.find() or Way(precision=self.recipe.precision)
        while True:
            try:
                return (*self._once(way), way)
            except NotFinite as error:
                if way.precision == "no":
                    raise
                self.keeper.note(f"{error}, in {way.precision}; it was trained anew in 32 bits")
                way.precision = "no"
            except Unfit as error:
                self.keeper.pass_over(str(error))
                way = Way(precision=self.recipe.precision)
            except Exception as error:
                if ranks.count() > 1 or not lacks_memory(error):
                    raise
                way.fewer_rows(self.recipe.batch, error)
                self.keeper.note(f"{cause(error)}; it was trained anew in parts of {way.rows} rows")
            self.keeper.forget()
            free(self.device)

    def _once(self, way: Way) -> tuple[Trained, Plan]:
        model, recipe = (
            self.build(),
            self.recipe if way.precision == self.recipe.precision else dataclasses.replace(self.recipe, precision="no"),
        )
        plan = self.plan(model, recipe)
        trained = finetune.finetune(
            model,
            *self.splits,
            recipe,
            self.seed,
            device=self.device,
            score=self.score,
            report=self.report,
            plan=plan,
            way=way,
            keeper=self.keeper,
        )
        return trained, plan


def whose(cell: Cell, hardware: dict[str, Any]) -> dict[str, Any]:
    """Return what a saved state must agree with to be gone on from: whatever may move a byte of its result.

    Args:
        cell: Whose state.
        hardware: Device, threads and processes, as a result has them.
    """
    found = {"cell": cell.record, "code": _code(), "versions": versions(), "hardware": hardware}
    return dict(json.loads(json.dumps(found)))


@cache
def versions() -> dict[str, str]:
    """Return the versions that a result names."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


@cache
def _code() -> str:
    """Return a hash of the code that trains: between two releases it changes without a version."""
    files = sorted(path for room in ROOMS for path in (HOUSE / room).rglob("*.py"))
    found = hashlib.sha256()
    for path in files:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
