"""A cell's training, begun anew where memory or 16 bits do not carry it, and told in its result."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from discbench.data.rows import Encoded
from discbench.models import building as models
from discbench.models import families
from discbench.models.inputs import Inputs
from discbench.training import finetune, ranks, record, steady, trying
from discbench.training.engine.savings import Plan
from discbench.training.finetune import Report, Score, Trained
from discbench.training.loop.controls import Control
from discbench.training.loop.keeper import Keeper
from discbench.training.loop.losses import NotFinite
from discbench.training.loop.statefile import Unfit
from discbench.training.loop.way import Way, cause, free, lacks_memory
from discbench.training.outcomes import score
from discbench.training.outcomes.targets import Unit, unit_of
from discbench.training.shared import Shared
from discbench.values.cells import Cell, facts
from discbench.values.checkpoints import Checkpoint, check_unchanged
from discbench.values.mapping import table_sha256
from discbench.values.recipes import Recipe
from discbench.values.types import Task

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A cell's training, done."""

    trained: Trained
    unit: Unit
    """In which labels were learnt."""
    table: Sequence[int]
    given: Inputs
    """The train rows, their targets in that unit."""
    parameters: dict[str, int]
    run: dict[str, Any]
    """Savings, and the way that the training went: parts of a result's `run`."""


def fitted(
    bench: Shared,
    cell: Cell,
    checkpoint: Checkpoint,
    task: Task,
    splits: tuple[Encoded, Encoded, Encoded],
    report: Report,
    keeper: Keeper,
    control: Control,
) -> Fitted:
    """Train a cell's model on the first of these rows, select on the second, answer the third at the end.

    Args:
        bench: Of the process.
        cell: Checkpoint, mapping, init, recipe and seed are its own.
        checkpoint: Its checkpoint.
        task: Its task.
        splits: Rows that are learnt from, compared on, answered.
        report: Told of progress.
        keeper: Of its saved state.
        control: Told what training begins with.

    Raises:
        Trained: It is a control, and one that began alike is in the store.
    """
    recipe = Recipe(**cell.recipe)
    table, vocabulary = bench.mapped(task, cell, checkpoint)
    ready = [bench.inputs_of(checkpoint, task, cell, s, table, vocabulary, recipe.max_tokens) for s in splits]

    def build() -> Any:  # noqa: ANN401 - transformers' classes
        made = models.build(checkpoint, cell.init, task.target.outputs, cell.seed, vocabulary)  # type: ignore[arg-type]
        check_unchanged(checkpoint)
        return made

    built = [build()]
    parameters = record.parameters(built[0])
    unit = unit_of(cell.recipe, task.target, splits[0].targets)
    train, held, test = (dataclasses.replace(rows, left=families.pads_left(built[0])) for rows in ready)
    train = dataclasses.replace(train, targets=unit.given(splits[0].targets))

    plan = bench.savings_of(checkpoint, built[0])
    steady.settle(bench.threads)  # a task's reader and a checkpoint's own code have been at work
    agreed = whose(cell, record.hardware(bench.place.device))
    agreed |= {"task": facts(task), "metrics": [metric.name for metric in task.metrics]}
    control.begins(built[0], (train, held, test), {**agreed, "table": table_sha256(table), "engine": plan.on})

    def scored(outputs: Any) -> float:  # noqa: ANN401
        voted = score.vote(task.target, unit.answered(outputs), splits[1].targets, splits[1].groups)
        return score.primary(task.metric, voted)

    def plan_for(model: Any, recipe: Recipe) -> Plan:  # noqa: ANN401
        plan = trying.plan_for(bench.savings_of(checkpoint, model), recipe, bench.place.device, (train, held, test))
        steady.settle(bench.threads)  # a task's reader and a checkpoint's own code have been at work
        return plan

    trained, plan, way = Attempts(
        build=lambda: built.pop() if built else build(),
        plan=plan_for,
        splits=(train, held, test),
        recipe=recipe,
        seed=cell.seed,
        device=bench.place.device,
        score=scored,
        report=report,
        keeper=keeper,
    ).train()
    run = {"engine": record.engine(plan), **way.said(recipe.batch, recipe.precision)}
    return Fitted(trained=trained, unit=unit, table=table, given=train, parameters=parameters, run=run)


def whose(cell: Cell, hardware: dict[str, Any]) -> dict[str, Any]:
    """Return what a saved state must agree with to be gone on from: whatever may move a byte of its result.

    Args:
        cell: Whose state.
        hardware: Device, threads and processes, as a result has them.
    """
    found = {"cell": cell.record, "code": _code(), "versions": record.versions(), "hardware": hardware}
    return dict(json.loads(json.dumps(found)))


@cache
def _code() -> str:
    """Return a hash of the code that trains: between two releases it changes without a version."""
    files = sorted(path for room in ROOMS for path in (HOUSE / room).rglob("*.py"))
    found = hashlib.sha256()
    for path in files:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
