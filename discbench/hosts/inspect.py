"""inspect_ai as a host: `inspect eval discbench/protein.stability --model discbench/bert-base-uncased`.

A sample is a seed, so that the harness's own mean, standard error and standard deviation are those over seeds. The work
is handed to `discbench.evaluate` in a thread; the model only names a checkpoint. What is in the store is not trained
again: a second evaluation, or `inspect eval-set` after an interruption, reads it.
"""

import functools
import io
import json
import logging
import math
import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
from inspect_ai import Task, task
from inspect_ai._util.error import PrerequisiteError
from inspect_ai._util.package import get_installed_package_name
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, ModelAPI, ModelOutput, modelapi
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, mean, metric, scorer, std, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver
from rich.markup import escape

from discbench.api import evaluate
from discbench.data import rowcache
from discbench.errors import CellError, DiscbenchError
from discbench.hosts import seeds
from discbench.hosts.arguments import asked_for, keywords
from discbench.plugins import registry
from discbench.pretraining import made
from discbench.results import stats
from discbench.results.boardview import Board
from discbench.values.types import Task as Ours

LOG = logging.getLogger(__name__)
GATHERING_SECONDS = 0.5
"""Samples start one by one; those that come within this time are evaluated in one sweep."""
ONE_SWEEP = threading.Lock()
"""Tasks that the harness runs at once take turns: a sweep uses the whole machine."""
AT_ONCE = 1000
"""Samples that may wait for a sweep together."""
PREFIX = "discbench/"
SEEDS = 3
"""As many samples as a task has unless `-T seeds=N` says otherwise."""


@modelapi(name="discbench")
class Checkpoint(ModelAPI):
    """`--model discbench/NAME`: names a checkpoint as `discbench eval --model NAME` does. It generates nothing."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
    ) -> None:
        """Look whether the checkpoint is there.

        Raises:
            PrerequisiteError: It is not; the message is discbench's.
        """
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        _or_tell(lambda: made.locate(model_name.removeprefix(PREFIX), {}, trust_remote_code=True))

    def max_connections(self) -> int:
        """Return how many samples may be under way: all seeds, so that they share a sweep."""
        return AT_ONCE

    async def generate(self, *_: object, **__: object) -> ModelOutput:
        """Refuse: a fine-tuned classifier writes nothing."""
        raise PrerequisiteError(
            f"--model {PREFIX}{escape(self.model_name)} is fine-tuned, it generates nothing;"
            " it answers the tasks of `discbench tasks` only"
        )


class Sweeps:
    """The evaluations of one task: seeds that are asked for together are run together."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name, self.options = name, options
        self.asked: dict[str, set[int]] = {}
        self.boards: dict[tuple[str, int], Board] = {}
        self.turn = anyio.Lock()

    async def answer(self, model: str, seed: int) -> dict[str, Any]:
        """Return the cells of a seed, trained if need be."""
        self.asked.setdefault(model, set()).add(seed)
        await anyio.sleep(GATHERING_SECONDS)
        async with self.turn:
            if (model, seed) not in self.boards:
                together = self.asked.pop(model, set()) | {seed}
                board = await anyio.to_thread.run_sync(self._sweep, model, sorted(together), abandon_on_cancel=True)
                self.boards |= {(model, each): board for each in together}
        return seeds.answer(self.boards[model, seed], self.name, seed)

    def _sweep(self, model: str, together: list[int]) -> Board:
        with ONE_SWEEP:
            try:  # the harness has its own display; ours would tear it
                return evaluate(model, self.name, **{**self.options, "seeds": together}, stream=io.StringIO())
            except DiscbenchError as error:
                LOG.error("%s: %s", self.name, error)  # noqa: TRY400 - the message is the error, a trace says no more
                raise


@solver
def finetuned(sweeps: Sweeps) -> Solver:
    """Fine-tune the model on the sample's seed; its answer is the cells."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        del generate
        model = str(state.model).removeprefix(PREFIX)
        answered = await sweeps.answer(model, state.metadata["seed"])
        failed = [cell for cell in answered["cells"] if cell["status"] != "finished"]
        if failed:
            raise CellError("; ".join(f"{cell['init']} ({cell['id']}): {cell['cause']}" for cell in failed))
        state.metadata = {**state.metadata, **answered}
        state.output = ModelOutput.from_content(str(state.model), json.dumps(answered["cells"], indent=1))
        return state

    return solve


@metric
def low() -> Metric:
    """Lower bound of the 95 % interval of the mean over seeds; not a number for fewer than three."""

    def bound(scores: list[SampleScore]) -> float:
        return _bounds(scores)[0]

    return bound


@metric
def high() -> Metric:
    """Upper bound of the 95 % interval of the mean over seeds; not a number for fewer than three."""

    def bound(scores: list[SampleScore]) -> float:
        return _bounds(scores)[1]

    return bound


def _bounds(scores: list[SampleScore]) -> tuple[float, float]:
    return stats.interval([score.score.as_float() for score in scores]) or (math.nan, math.nan)


def _of_several(theirs: Metric) -> Metric:
    """Return the harness's measure of spread, under its own name; not a number for one seed, of which it says 0."""

    @functools.wraps(theirs)  # with the name that it is registered by
    def spread(scores: list[SampleScore]) -> float:
        return theirs(scores) if len(scores) > 1 else math.nan

    return spread


SPREAD = [_of_several(stderr()), _of_several(std())]


def _called(cell: dict[str, Any]) -> str:
    return " ".join([cell["init"], *(f"{name} {value}" for name, value in cell["apart"].items())])


@scorer(metrics={"gain*": [mean(), *SPREAD, low(), high()], "*": [mean(), *SPREAD]})
def cells() -> Scorer:
    """Read the scores off the cells: each init's, its gain over scratch, cells that collapsed or are marked."""

    async def score(state: TaskState, target: Target) -> Score:
        del target
        answered = state.metadata
        lines = [f"{_called(cell)}: {cell['score']:.4f}, cell {cell['id']}" for cell in answered["cells"]]
        found = {name: value for name, value in seeds.values(answered).items() if name != "failed_cells"}
        return Score(value=found, explanation="\n".join(lines), metadata={"cells": answered["cells"]})

    return score


def _or_tell(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the call returns
    """Turn our errors into the harness's own, which it prints without a traceback."""
    try:
        return call()
    except DiscbenchError as error:
        raise PrerequisiteError(f"error: {escape(str(error))}") from error


def offer(ours: Ours) -> Callable[..., Task]:
    """Register a task of ours with the harness, under `discbench/` and its name."""

    def build(**given: Any) -> Task:  # noqa: ANN401 - `-T name=value`
        options = {"seeds": SEEDS, **_or_tell(lambda: keywords(given))}
        _or_tell(lambda: asked_for(options))
        if ours.dataset.source:
            _or_tell(lambda: _rows_at_hand(ours, options))
        count = options.pop("seeds")
        if options.get("suite"):
            suites = registry.suites(registry.plugins())
            count = _or_tell(lambda: registry.suite(options["suite"], suites).seeds_of(ours.id))
        return Task(
            dataset=MemoryDataset([_sample(ours, seed) for seed in range(count)], name=ours.name),
            solver=finetuned(Sweeps(ours.name, options)),
            scorer=cells(),
            name=ours.name,
            version=ours.version,
            continue_on_fail=True,
            metadata={"discbench_task": ours.id, "metric": ours.metric.name, "chance": ours.chance},
        )

    # run from discbench's own sources, the harness does not see that the function is of an installed package
    package = get_installed_package_name(build)
    return task(name=ours.name if package else f"{PREFIX}{ours.name}")(build)


def _rows_at_hand(ours: Ours, options: dict[str, Any]) -> None:
    """Say now, in one line, what would fail every sample."""
    asked = asked_for(options)
    rowcache.load(ours, asked.directory, unverified=asked.unverified)


def _sample(ours: Ours, seed: int) -> Sample:
    perfect = 1.0 if ours.metric.higher_is_better else 0.0
    return Sample(id=f"seed-{seed}", input=f"{ours.id} seed {seed}", target=f"{perfect:g}", metadata={"seed": seed})


TASKS = {name: offer(ours) for name, ours in registry.tasks(registry.plugins()).items()}
"""Every installed task, as the harness builds it; `-T` takes keywords of `discbench.evaluate` and recipe fields."""
