"""Run one cell: rows -> mapping -> model -> fine-tuning -> scores -> a result record."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from discbench.data import rows
from discbench.errors import CheckpointError, DiscbenchError, UserError
from discbench.models import building as models
from discbench.models import families, soundness
from discbench.results.store import Result, Store, pack_predictions
from discbench.training import attempts, baselines, finetune, optimizers, ranks, record, searching, steady
from discbench.training.held import held
from discbench.training.loop import controls
from discbench.training.loop import keeper as keeping
from discbench.training.outcomes import dynamics, score
from discbench.training.shared import Shared
from discbench.values import metrics
from discbench.values.cells import Cell
from discbench.values.checkpoints import Checkpoint, check_unchanged
from discbench.values.jobs import look
from discbench.values.mapping import table_sha256
from discbench.values.rates import SEARCH
from discbench.values.types import Task
from discbench.words.foreign import apart

Report = Callable[[int, int, float], None]


@dataclass
class Watched:
    """A cell's report; the exception by which whoever listens ends this process is not the cell's."""

    report: Report
    note: Report
    ended: BaseException | None = None

    def __call__(self, step: int, steps: int, loss: float) -> None:
        """Report a step."""
        self.note(step, steps, loss)
        try:
            self.report(step, steps, loss)
        except SystemExit as error:
            self.ended = error
            raise


@dataclass
class Bench(Shared):
    """Runs cells one after another and keeps what they share."""

    _rehearsed: set[tuple[str, int]] = field(default_factory=set)

    @look
    def check(self, checkpoint: Checkpoint, cells: list[Cell], tasks: dict[str, Task]) -> None:
        """Raise a UserError now for what would make every cell of the checkpoint fail."""
        for cell in {c.task: c for c in cells}.values():
            self.rows_for(cell, tasks[cell.task])
        if checkpoint.baseline:
            return
        steady.check_usable(self.place.device)
        self._check_recipe(cells[0].recipe)
        steady.settle(self.threads)  # a task's reader has been at work
        with models.quietly(verbose=self.place.verbose):
            self._look(checkpoint, cells, tasks)

    def _look(self, checkpoint: Checkpoint, cells: list[Cell], tasks: dict[str, Task]) -> None:
        """Try a checkpoint on each task, the longest rows first, then build each further init that is asked, once."""
        vocabulary, inits = self.vocabulary(checkpoint), {cell.init for cell in cells}
        tried: models.Init = "scratch" if inits == {"scratch"} else "pretrained"
        model = models.build(checkpoint, tried, 2, 0, vocabulary)
        check_unchanged(checkpoint)
        each = {c.task: c for c in cells}.values()
        read = {c.task: searching.read(cells, tasks[c.task]) for c in each}
        lengths = {c.task: self.lengths(tasks[c.task], c, checkpoint, vocabulary, read[c.task]) for c in each}
        for cell in sorted(each, key=lambda c: -lengths[c.task][1]):
            task, (shortest, longest) = tasks[cell.task], lengths[cell.task]
            self.check_reading(task, cell, checkpoint, read[cell.task])
            limit = families.position_limit(model, cell.recipe["max_tokens"])
            if limit is not None and longest > limit:
                raise CheckpointError(
                    f"{task.name} has rows of {longest} tokens, but {checkpoint.name!r} numbers {limit} positions;"
                    f" {families.advice(model, longest)}"
                )
            soundness.look(soundness.Subject(model, vocabulary, checkpoint.name, task.name, shortest, longest))
        self.savings_of(checkpoint, model)
        del model
        for init in models.INITS:
            if init in inits - {tried}:
                models.build(checkpoint, init, 2, 0, vocabulary)

    def _check_recipe(self, recipe: dict[str, Any]) -> None:
        optimizers.optimizer_kind(recipe["optimizer"])
        if recipe["precision"] == "fp16" and self.place.device == "cpu":
            raise UserError("--set precision=fp16: half precision needs a GPU; on the CPU take precision=bf16 or no")

    def run(self, cell: Cell, checkpoint: Checkpoint, task: Task, report: Report, planned: str | None = None) -> Result:
        """Train, score and store one cell; return its result. A cell that is in the store is returned as it is.

        Args:
            cell: To be run.
            checkpoint: Of the cell.
            task: Of the cell.
            report: Told of each step.
            planned: Tells a failure that is to be tried again from a later one (`Store.settled`).

        Raises:
            Elsewhere: It is another process's, and `place` says that it is passed over then.
        """
        store = Store(self.place.results)
        with held(store, cell, self.place, planned) as hold:
            if hold.known is not None:
                return hold.known
            began, watch = time.monotonic(), Watched(report, hold.tell)
            keeper = self._keeper(store, cell)
            control = controls.Control(store, cell, alone=ranks.count() == 1)
            try:
                with models.quietly(verbose=self.place.verbose), apart():
                    if checkpoint.baseline:
                        result, predictions = self._answer(cell, task)
                    elif cell.rate == SEARCH:
                        seen = self._seen(cell, task)
                        result, predictions = searching.tried(
                            self, cell, checkpoint, task, seen, watch, keeper, control
                        )
                    else:
                        result, predictions = self._train(cell, checkpoint, task, watch, keeper, control)
            except controls.Trained as known:
                result, predictions = known.result, known.predictions
            except (Exception, SystemExit) as error:  # one cell's failure is recorded, the others go on
                alone = ranks.count() > 1 and not isinstance(error, DiscbenchError)
                if alone or error is watch.ended:
                    raise  # of this process alone: the others wait for it, until torchrun ends them
                result, predictions = record.failure(error), None
            about = {
                **record.run_of(began - keeper.seconds, self.place.device),
                **control.said,
                **result.get("run", {}),
            }
            about |= record.told(keeper)
            whole = {**record.head(cell, task), **result, "run": about}
            ranks.of_first(lambda: store.put(cell, whole, predictions))
            control.leave(whole)
            ranks.of_first(lambda: store.forget_state(cell))
            stored: Result = ranks.of_first(lambda: store.get(cell) or whole)  # the store may have been removed
            return stored

    def _keeper(self, store: Store, cell: Cell) -> keeping.Keeper:
        """Return what saves the cell's training state, and finds one that was left."""
        minutes, path = self.place.checkpoint_minutes, store.state_path(cell)
        if minutes is None and not path.exists():
            return keeping.Keeper(path=path, whose={})
        steady.settle(self.threads)
        whose = attempts.whose(cell, record.hardware(self.place.device))
        return keeping.Keeper(path=path, whose=whose, minutes=math.inf if minutes is None else minutes)

    def _train(
        self,
        cell: Cell,
        checkpoint: Checkpoint,
        task: Task,
        report: Report,
        keeper: keeping.Keeper,
        control: controls.Control,
    ) -> tuple[Result, bytes]:
        loaded = self.rows_for(cell, task)
        kept = {name: self.keep(cell, task, name, getattr(loaded, name)) for name in rows.SPLITS}
        splits = {name: getattr(loaded, name).take(chosen) for name, chosen in kept.items()}
        self._rehearse(task, splits["test"].targets)
        seen = (splits["train"], splits["validation"], splits["test"])
        made = attempts.fitted(self, cell, checkpoint, task, seen, report, keeper, control)
        trained, unit = made.trained, made.unit

        def answers(name: str, outputs: Any) -> score.Voted:  # noqa: ANN401
            return score.vote(task.target, unit.answered(outputs), splits[name].targets, splits[name].groups)

        found = answers("test", trained.test)
        result = {
            "status": "finished",
            "scores": {
                "test": score.measure(task.metrics, task.target, found),
                "validation": score.measure(task.metrics, task.target, answers("validation", trained.validation)),
                "test_of_last_state": score.measure(task.metrics, task.target, answers("test", trained.final_test)),
            },
            "resampled": score.resample(task.metric, found),
            "collapsed": score.collapsed(task.metric, task.target, found),
            "curve": record.curve_record(trained.curve),
            "dynamics": dynamics.measure(trained.curve.loss, task.target, made.given.targets),
            "counts": {
                **{name: len(split) for name, split in splits.items()},
                "steps": len(trained.curve.loss),
                **made.parameters,
            },
            "mapping_sha256": table_sha256(made.table),
            **self.read(cell, task, checkpoint),
            "dataset": record.dataset(task, loaded),
            "marks": record.marks(cell, loaded, widened="precision" in made.run),
            "run": made.run,
        }
        return result, pack_predictions(kept["test"], unit.answered(trained.test), splits["test"].targets)

    def _seen(self, cell: Cell, task: Task) -> searching.Seen:
        loaded = self.rows_for(cell, task)
        kept = {n: self.keep(cell, task, n, getattr(loaded, n)) for n in searching.read([cell], task)}
        return searching.seen(cell, task, loaded, kept)

    def _rehearse(self, task: Task, targets: Any) -> None:  # noqa: ANN401
        """Try a task's metrics on the test rows of its cells, once for each number of rows."""
        if (task.id, len(targets)) not in self._rehearsed:
            metrics.rehearse(task.metrics, targets, task.target.outputs)
            self._rehearsed.add((task.id, len(targets)))

    def _answer(self, cell: Cell, task: Task) -> tuple[Result, bytes]:
        """Return a baseline's result."""
        loaded = self.rows_for(cell, task)
        kept = {name: self.keep(cell, task, name, getattr(loaded, name)) for name in rows.SPLITS}
        train, validation, test = (getattr(loaded, name).take(chosen) for name, chosen in kept.items())
        self._rehearse(task, test.targets)

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
            "resampled": score.resample(task.metric, found),
            "collapsed": score.collapsed(task.metric, task.target, found),
            "curve": record.curve_record(finetune.Curve()),
            "dynamics": None,
            "counts": {
                **{name: len(chosen) for name, chosen in kept.items()},
                "steps": 0,
                "parameters": given.parameters,
                "trained_parameters": given.parameters,
            },
            "chosen": given.chosen,
            "mapping_sha256": None,
            "dataset": record.dataset(task, loaded),
            "marks": record.marks(cell, loaded),
        }
        return result, pack_predictions(kept["test"], given.test, test.targets)
