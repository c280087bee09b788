"""lm-evaluation-harness as a host: a model that answers by fine-tuning, and tasks whose documents are seeds.

A document is a seed, so that the harness's own mean and standard error are those over seeds, and its samples file holds
a line for each seed with the ids of its cells. The model hands all documents to `discbench.evaluate` in one call and
reads the answer from the board; what is in the store is not trained again, and a cell that fails costs only itself.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.model import LM
from lm_eval.api.task import Task
from lm_eval.config.task import TaskConfig
from lm_eval.filters import build_filter_ensemble

from discbench.api import evaluate
from discbench.errors import UserError
from discbench.hosts import seeds
from discbench.hosts.arguments import asked_for, keywords, whole
from discbench.hosts.stubs import group_name
from discbench.plugins import registry
from discbench.results import stats
from discbench.results.boardview import Board
from discbench.values.cells import INITS, NOTHING
from discbench.values.types import Task as Ours

REQUEST = "finetune"
"""The kind of request that our tasks make and our model answers."""
SEEDS = 3
"""As many documents as a task has unless the model's arguments say otherwise."""
HARNESS_DEVICE = "cuda:0"
"""What the harness says where its user says nothing; discbench then takes what is there."""
WATCH: ContextVar[list[tuple[Board, Path]] | None] = ContextVar("discbench_boards", default=None)
"""Where `discbench lm-eval run` collects boards and their stores, to say what was trained and what failed."""


class DiscbenchLM(LM):
    """`--model discbench`: answers our tasks' requests by fine-tuning a checkpoint and its controls."""

    def __init__(
        self,
        pretrained: str = "",
        batch_size: object = None,
        max_batch_size: object = None,
        device: str | None = None,
        **given: object,
    ) -> None:
        """Take the arguments of `--model_args`; nothing is loaded yet.

        Args:
            pretrained: The checkpoint, as in `discbench eval --model`.
            batch_size: Refused: the batch is the recipe's.
            max_batch_size: Refused likewise.
            device: cpu or cuda.
            given: Keywords of `discbench.evaluate` and fields of the recipe.

        Raises:
            UserError: An argument that cannot be.
        """
        super().__init__()
        if not pretrained:
            raise UserError("--model discbench names no checkpoint; give --model_args pretrained=NAME")
        if batch_size not in {None, 1, "1"} or max_batch_size is not None:
            raise UserError(
                f"--batch_size {batch_size if max_batch_size is None else max_batch_size}: the batch is the recipe's;"
                " give --model_args batch=N"
            )
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise UserError(
                f"lm-eval was started in {os.environ['WORLD_SIZE']} processes, but discbench has its own;"
                " start one, and give --model_args workers=N"
            )
        self.pretrained = str(pretrained)
        asked = None if device == HARNESS_DEVICE else device
        self.options = keywords({**given, "device": asked})
        asked_for(self.options)
        self._board: Board | None = None

    def finetune(self, requests: Sequence[Instance]) -> list[str]:
        """Answer the requests of all tasks at once, each with the cells of its seed as JSON."""
        asked = [(request.doc["task"], request.doc["seed"]) for request in requests]
        of = {**self.options, "seeds": sorted({seed for _, seed in asked})}
        self._board = evaluate(self.pretrained, sorted({task for task, _ in asked}), **of)
        watch = WATCH.get()
        if watch is not None:
            watch.append((self._board, Path(self.options.get("results", "results"))))
        return [json.dumps(seeds.answer(self._board, task, seed)) for task, seed in asked]

    def get_model_info(self) -> dict[str, Any]:
        """Return what the harness writes beside the model's arguments."""
        from discbench.values.version import __version__

        revisions = {r["cell"]["revision"] for r in self._board.results} if self._board else set()
        return {"model_revision": "+".join(sorted(revisions)), "discbench_version": __version__}

    def loglikelihood(self, requests: Sequence[Instance]) -> list[Any]:
        """Refuse: a fine-tuned classifier has no likelihood of a text."""
        raise _not_ours(requests)

    def loglikelihood_rolling(self, requests: Sequence[Instance]) -> list[Any]:
        """Refuse likewise."""
        raise _not_ours(requests)

    def generate_until(self, requests: Sequence[Instance]) -> list[Any]:
        """Refuse: a fine-tuned classifier writes nothing."""
        raise _not_ours(requests)


def _not_ours(requests: Sequence[Instance]) -> UserError:
    name = requests[0].task_name if requests else "a task"
    return UserError(
        f"--model discbench cannot answer {name}: it fine-tunes, and answers the tasks of `discbench tasks` only"
    )


class SeedTask(Task):
    """A task of ours as the harness sees it; its stub names it, the registry knows the rest."""

    OUTPUT_TYPE = REQUEST

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Look the task up.

        Args:
            config: Of the stub: `task`, and in `metadata` the model's arguments, of which `seeds` says how many
                documents there are.
        """
        manager = registry.plugins()
        known = registry.tasks(manager)
        (self.ours,) = registry.select([config["task"]], known)
        self._mixed = self.ours.discipline in seeds.disciplines_with_errors(known.values())
        metadata = dict(config.get("metadata") or {})
        self.seeds = whole("seeds", metadata.get("seeds") or SEEDS)
        if metadata.get("suite"):
            self.seeds = registry.suite(str(metadata["suite"]), registry.suites(manager)).seeds_of(self.ours.id)
        # Task.__init__ would make a configuration for text generation and warn of what it lacks
        self._config = TaskConfig(task=self.ours.name, output_type=REQUEST, num_fewshot=0, metadata=metadata)
        self._filters = [build_filter_ensemble("none", [("take_first", None)])]
        self._instances: list[Instance] = []
        self.VERSION = self.ours.version

    def download(self, *_: object, **__: object) -> None:
        """Fetch nothing: the engine does, once it knows which cells are missing."""

    def has_training_docs(self) -> bool:
        """Tell the harness that there are no examples to put in a prompt."""
        return False

    def has_validation_docs(self) -> bool:
        """Tell the harness that there are none."""
        return False

    def has_test_docs(self) -> bool:
        """Tell the harness that the seeds are the test documents."""
        return True

    def test_docs(self) -> list[dict[str, Any]]:
        """Return a document for each seed."""
        return [{"task": self.ours.name, "seed": seed} for seed in range(self.seeds)]

    def doc_to_text(self, doc: Mapping[str, Any]) -> str:
        """Return what a person reads in the samples file."""
        return f"{self.ours.id} seed {doc['seed']}"

    def doc_to_target(self, doc: Mapping[str, Any]) -> str:
        """Return what a perfect score is."""
        del doc
        return f"{1.0 if self.ours.metric.higher_is_better else 0.0:g}"

    def build_all_requests(self, *, limit: int | None = None, samples: list[int] | None = None, **_: object) -> None:
        """Make a request of each document.

        Raises:
            UserError: `--limit`, which the harness's users mean for rows.
        """
        if limit is not None:
            raise UserError(
                f"--limit {limit} would cut seeds, which are the documents here; for rows give"
                f" --model_args limit={limit}, for seeds --model_args seeds={limit}"
            )
        self._instances = [
            self.construct_requests(doc, self.doc_to_text(doc), metadata=(self.ours.name, number, 1))
            for number, doc in self.doc_iterator(samples=samples)
        ]

    def construct_requests(self, doc: Any, ctx: str, **more: Any) -> Instance:  # noqa: ANN401 - the harness's
        """Return the request of one document."""
        return Instance(request_type=REQUEST, doc=doc, arguments=(ctx,), idx=0, metadata=more["metadata"])

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
        """Return the numbers of one seed, under the names of all that is made of them."""
        del doc
        found = seeds.values(json.loads(results[0]), shared=self._mixed)
        scores = {f"{name}_seed_sd": value for name, value in found.items() if name in self._columns()}
        bounds = {f"{n}_{end}": found[n] for n in self._gains() if n in found for end in ("low", "high")}
        return {**found, **scores, **bounds}

    def aggregation(self) -> dict[str, Callable[[Sequence[float]], float | None]]:
        """Return how numbers over seeds become one."""
        gains = self._gains()
        return {
            **dict.fromkeys((*self._columns(), *gains, seeds.SHARE), mean),
            **{f"{name}_seed_sd": _sd for name in self._columns()},
            **{f"{name}_low": _low for name in gains},
            **{f"{name}_high": _high for name in gains},
            **dict.fromkeys(seeds.COUNTS, sum),
        }

    def higher_is_better(self) -> dict[str, bool]:
        """Return the direction of each number; a gain is always turned so that more is better."""
        gains = self._gains()
        return {
            **dict.fromkeys(self._columns(), self.ours.metric.higher_is_better),
            **dict.fromkeys(
                (*gains, seeds.SHARE, *(f"{name}_{end}" for name in gains for end in ("low", "high"))), True
            ),
            **dict.fromkeys(seeds.COUNTS, False),
        }

    def _columns(self) -> list[str]:
        return [seeds.column(self.ours.metric.name, init) for init in INITS]

    def _gains(self) -> list[str]:
        return [seeds.gain_column(init) for init in INITS if init not in {seeds.CONTROL, NOTHING}]


def _sd(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _low(values: Sequence[float]) -> float | None:
    bounds = stats.interval(values)
    return bounds and bounds[0]


def _high(values: Sequence[float]) -> float | None:
    bounds = stats.interval(values)
    return bounds and bounds[1]


def run(words: Iterable[str], stubs: str) -> list[tuple[Board, Path]]:
    """Hand over to `lm-eval run` with our model registered and our stubs; return boards and their stores.

    Args:
        words: Its command line, as `discbench lm-eval run` was given it.
        stubs: Directory of `discbench.hosts.stubs.write`.

    Raises:
        UserError: What was asked cannot be done.
    """
    import sys

    from lm_eval._cli import HarnessCLI
    from lm_eval.api.registry import model_registry
    from lm_eval.utils import setup_logging

    setup_logging()
    kept, sys.argv = sys.argv, ["lm-eval", "run", *words]
    try:
        parser = HarnessCLI()
        args = parser.parse_args()
    finally:
        sys.argv = kept
    args.model = args.model or "discbench"
    if args.model != "discbench":
        raise UserError(f"--model {args.model}: `discbench lm-eval run` runs discbench; for others run `lm-eval run`")
    known = registry.tasks(registry.plugins())
    if not args.tasks:
        raise UserError("--tasks names no task; `discbench tasks` lists them")
    args.tasks = names(args.tasks, known)
    args.include_path = [stubs] if args.include_path is None else [args.include_path, stubs]
    if "discbench" not in model_registry:
        model_registry.register("discbench", target=f"{__name__}:{DiscbenchLM.__name__}")
    boards: list[tuple[Board, Path]] = []
    token = WATCH.set(boards)
    try:
        parser.execute(args)
    finally:
        WATCH.reset(token)
    return boards


def names(patterns: Sequence[str], known: Mapping[str, Ours]) -> list[str]:
    """Return what the harness calls the tasks of patterns: the group of each whole discipline, and the others' names.

    Each task is named once, as the harness wants it, whichever patterns it matches.
    """
    of = {task.name: group_name(task.discipline) for task in known.values() if not task.control}
    groups = set(of.values())
    asked = [part.strip() for text in patterns for part in text.split(",")]
    named = {part: part if part in groups else group_name(part) for part in asked}
    whole = [group for group in named.values() if group in groups]
    rest = [part for part, group in named.items() if group not in groups]
    single = [task.name for task in registry.select(rest, dict(known))]
    return list(dict.fromkeys([*whole, *(name for name in single if of.get(name) not in whole)]))
