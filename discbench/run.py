"""Run one cell: rows -> mapping -> model -> fine-tuning -> scores -> a result record."""

import contextlib
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from discbench import baselines, families, finetune, models, optimizers, ranks, rowcache, rows, score
from discbench.checkpoints import Checkpoint
from discbench.errors import CheckpointError, DiscbenchError
from discbench.inputs import Inputs, to_inputs, to_text_inputs
from discbench.mapping import TextTable, Vocabulary, draw_table, draw_text_map, table_sha256
from discbench.place import Place
from discbench.plan import Cell
from discbench.recipes import Recipe
from discbench.store import FORMAT, Result, Store, pack_predictions
from discbench.types import Task

Report = Callable[[int, int, float], None]
LIBRARIES = ("discbench", "torch", "transformers", "accelerate", "datasets", "numpy", "scipy", "scikit-learn")


@dataclass
class Bench:
    """Runs cells one after another and keeps what they share."""

    place: Place
    _rows: dict[str, rows.Loaded] = field(default_factory=dict)
    _vocabularies: dict[Checkpoint, Vocabulary] = field(default_factory=dict)

    def rows_of(self, task: Task) -> rows.Loaded:
        """Return a task's rows, read once."""
        if task.id not in self._rows:
            self._rows[task.id] = rowcache.load(task, self.place.data, unverified=self.place.unverified)
        return self._rows[task.id]

    def vocabulary(self, checkpoint: Checkpoint) -> Vocabulary:
        """Return a checkpoint's vocabulary, read once."""
        if checkpoint not in self._vocabularies:
            with models.quietly(verbose=self.place.verbose):
                self._vocabularies[checkpoint] = models.vocabulary_of(checkpoint)
        return self._vocabularies[checkpoint]

    def check(self, checkpoint: Checkpoint, cells: list[Cell], tasks: dict[str, Task]) -> None:
        """Raise a UserError now for what would make every cell of the checkpoint fail."""
        if checkpoint.baseline:
            return
        optimizers.optimizer_kind(cells[0].recipe["optimizer"])
        vocabulary = self.vocabulary(checkpoint)
        loaded = next((c for c in cells if c.init != "scratch"), cells[0])
        model = models.build(checkpoint, loaded.init, 2, 0, vocabulary)  # type: ignore[arg-type]
        for cell in {c.task: c for c in cells}.values():
            task = tasks[cell.task]
            _table(task, cell, vocabulary)
            shortest, longest = self._lengths(task, vocabulary, cell.recipe["max_tokens"])
            limit = families.position_limit(model, cell.recipe["max_tokens"])
            if limit is not None and longest > limit:
                raise CheckpointError(
                    f"{task.name} has rows of {longest} tokens, but {checkpoint.name!r} numbers {limit} positions;"
                    f" {families.advice(model, longest)}"
                )
            families.check_padding(model, vocabulary, checkpoint.name, task.name, (shortest, longest))

    def run(self, cell: Cell, checkpoint: Checkpoint, task: Task, report: Report) -> Result:
        """Train, score and store one cell; return its result. A cell that is in the store is returned as it is.

        Under torchrun every process calls this with the same cell; rank 0 alone looks into the store and writes to it.
        """
        ranks.join(self.place.device)
        store, first = Store(self.place.results), ranks.rank() == 0
        with store.lock(cell) if first else contextlib.nullcontext():
            known: Result | None = ranks.share(store.get(cell) if first else None)
            if known is not None and known["status"] == "finished":
                return known
            began = time.monotonic()
            try:
                with models.quietly(verbose=self.place.verbose):
                    if checkpoint.baseline:
                        result, predictions = self._answer(cell, task)
                    else:
                        result, predictions = self._train(cell, checkpoint, task, report)
            except Exception as error:  # one cell's failure is recorded, the others go on
                if ranks.count() > 1 and not isinstance(error, DiscbenchError):
                    raise  # this process's own: the others wait for it, until torchrun ends them
                result, predictions = _failure(error), None
            if first:
                store.put(cell, {**_head(cell, task), **result, "run": self._run(began)}, predictions)
            stored: Result = ranks.share(store.get(cell) if first else None) or {}
            return stored

    def _train(self, cell: Cell, checkpoint: Checkpoint, task: Task, report: Report) -> tuple[Result, bytes]:
        loaded, vocabulary = self.rows_of(task), self.vocabulary(checkpoint)
        recipe = Recipe(**cell.recipe)
        table = _table(task, cell, vocabulary)
        kept = {name: self._keep(cell, name, getattr(loaded, name)) for name in rows.SPLITS}
        splits = {name: getattr(loaded, name).take(chosen) for name, chosen in kept.items()}
        inputs = {n: self._inputs(checkpoint, task, split, table, recipe.max_tokens) for n, split in splits.items()}
        model = models.build(checkpoint, cell.init, task.target.outputs, cell.seed, vocabulary)  # type: ignore[arg-type]

        def answers(name: str, outputs: Any) -> score.Voted:  # noqa: ANN401
            return score.vote(task.target, outputs, splits[name].targets, splits[name].groups)

        trained = finetune.finetune(
            model,
            inputs["train"],
            inputs["validation"],
            inputs["test"],
            recipe,
            cell.seed,
            device=self.place.device,
            score=lambda outputs: score.primary(task.metric, answers("validation", outputs)),
            report=report,
        )
        found = answers("test", trained.test)
        result = {
            "status": "finished",
            "scores": {
                "test": score.measure(task.metrics, task.target, found),
                "validation": score.measure(task.metrics, task.target, answers("validation", trained.validation)),
                "test_of_last_state": score.measure(task.metrics, task.target, answers("test", trained.final_test)),
            },
            "collapsed": score.collapsed(task.target, found),
            "curve": _curve(trained.curve),
            "counts": {
                **{name: len(split) for name, split in splits.items()},
                "steps": len(trained.curve.loss),
                "parameters": sum(p.numel() for p in model.parameters()),
                "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            },
            "mapping_sha256": table_sha256(table),
            "dataset": {"sha256": loaded.sha256, "status": loaded.status, "partial": loaded.partial},
            "marks": marks(cell, loaded),
        }
        return result, pack_predictions(kept["test"], trained.test, splits["test"].targets)

    def _answer(self, cell: Cell, task: Task) -> tuple[Result, bytes]:
        """Return a baseline's result."""
        loaded = self.rows_of(task)
        kept = {name: self._keep(cell, name, getattr(loaded, name)) for name in rows.SPLITS}
        train, validation, test = (getattr(loaded, name).take(chosen) for name, chosen in kept.items())

        def voted(outputs: Any, split: rows.Encoded) -> score.Voted:  # noqa: ANN401
            return score.vote(task.target, outputs, split.targets, split.groups)

        given = baselines.answer(
            cell.checkpoint,
            task,
            train,
            validation,
            test,
            lambda outputs, split: score.primary(task.metric, voted(outputs, split)),
        )
        found = voted(given.test, test)
        scores = score.measure(task.metrics, task.target, found)
        held = score.measure(task.metrics, task.target, voted(given.validation, validation))
        result = {
            "status": "finished",
            "scores": {"test": scores, "validation": held, "test_of_last_state": scores},
            "collapsed": score.collapsed(task.target, found),
            "curve": _curve(finetune.Curve()),
            "counts": {
                **{name: len(chosen) for name, chosen in kept.items()},
                "steps": 0,
                "parameters": given.parameters,
                "trained_parameters": given.parameters,
            },
            "chosen": given.chosen,
            "mapping_sha256": None,
            "dataset": {"sha256": loaded.sha256, "status": loaded.status, "partial": loaded.partial},
            "marks": marks(cell, loaded),
        }
        return result, pack_predictions(kept["test"], given.test, test.targets)

    def _lengths(self, task: Task, vocabulary: Vocabulary, max_tokens: int | None) -> tuple[int, int]:
        """Return the tokens of the shortest and of the longest row."""
        around = len(vocabulary.prefix) + len(vocabulary.suffix)
        if isinstance(task.mapping, TextTable):
            return around + 1, min(task.mapping.max_tokens, max_tokens or task.mapping.max_tokens)
        lengths = np.concatenate([getattr(self.rows_of(task), name).lengths for name in rows.SPLITS]) + around
        shortest, longest = int(lengths.min()), int(lengths.max())
        return min(shortest, max_tokens or shortest), min(longest, max_tokens or longest)

    def _inputs(
        self, checkpoint: Checkpoint, task: Task, split: rows.Encoded, table: Sequence[int], max_tokens: int | None
    ) -> Inputs:
        vocabulary = self.vocabulary(checkpoint)
        if not isinstance(task.mapping, TextTable):
            return to_inputs(split, table, vocabulary, max_tokens)
        tokenizer = models.load_tokenizer(checkpoint)
        if tokenizer is None:
            raise CheckpointError(
                f"{task.name} is text, but model {checkpoint.name!r} has no usable tokenizer to read it"
            )
        keep = min(task.mapping.max_tokens, max_tokens or task.mapping.max_tokens)
        return to_text_inputs(tokenizer, split, table, vocabulary, keep)

    def _keep(self, cell: Cell, name: str, split: rows.Encoded) -> Any:  # noqa: ANN401
        fraction = cell.fraction if name == "train" else 1.0
        return rows.chosen(len(split), cell.limit, fraction, cell.seed)

    def _run(self, began: float) -> dict[str, Any]:
        device = (
            torch.cuda.get_device_name() if self.place.device != "cpu" and torch.cuda.is_available() else _processor()
        )
        return {
            "seconds": round(time.monotonic() - began, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {"python": platform.python_version(), **_versions()},
            "hardware": {"device": device, "threads": torch.get_num_threads(), "processes": ranks.count()},
        }


def _table(task: Task, cell: Cell, vocabulary: Vocabulary) -> Sequence[int]:
    kind: Any = cell.mapping
    if isinstance(task.mapping, TextTable):
        return draw_text_map(task.mapping, kind, vocabulary, cell.mapping_seed)
    return draw_table(task.mapping, kind, vocabulary, cell.mapping_seed)


def _versions() -> dict[str, str]:
    """Return the versions of the libraries, the optional ones where they are there."""
    found = {name: version(name) for name in LIBRARIES}
    with contextlib.suppress(PackageNotFoundError):
        found["pytorch-optimizer"] = version("pytorch-optimizer")
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _head(cell: Cell, task: Task) -> Result:
    special = task.specialist
    return {
        "format": FORMAT,
        "id": cell.id,
        "cell": asdict(cell),
        "task": {
            "name": task.name,
            "discipline": task.discipline,
            "metric": task.metric.name,
            "higher_is_better": task.metric.higher_is_better,
            "chance": task.chance,
            "ceiling": task.ceiling,
            "control": task.control,
            "specialist": special and {"name": special.name, "score": special.score, "source": special.source},
        },
    }


def _failure(error: Exception) -> Result:
    cause = " ".join(str(error).split())[:500]
    return {"status": "failed", "cause": f"{type(error).__name__}: {cause}", "marks": []}


def _curve(curve: finetune.Curve) -> dict[str, Any]:
    return {
        "loss": [float(f"{loss:.6g}") for loss in curve.loss],
        "validation": [[step, value] for step, value in curve.validation],
        "best_step": curve.best_step,
    }


def marks(cell: Cell, loaded: rows.Loaded) -> list[str]:
    """Return why a cell must not share a mean with whole ones."""
    limited = cell.limit is not None and cell.limit < max(loaded.sizes)
    reasons = {"limited": limited, "partial": bool(loaded.partial), "unverified": loaded.status != "verified"}
    return [name for name, holds in reasons.items() if holds]


def threads_for(workers: int, cores: int) -> int:
    """Return the threads of each worker: the same whatever number of cells is left, so that bytes repeat."""
    return max(1, int(np.floor(cores / max(1, workers))))
