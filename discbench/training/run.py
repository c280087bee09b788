"""Run one cell: rows -> mapping -> model -> fine-tuning -> scores -> a result record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from discbench.data import rowcache, rows
from discbench.errors import CheckpointError, DiscbenchError, PluginError, UserError
from discbench.models import building as models
from discbench.models import families, soundness, tokenizing
from discbench.models.inputs import Inputs, to_inputs, to_text_inputs
from discbench.results.store import Result, Store, pack_predictions
from discbench.training import baselines, cards, dynamics, finetune, optimizers, ranks, record, score, steady, trying
from discbench.training.engine import savings
from discbench.training.held import held
from discbench.training.targets import unit_of
from discbench.values import metrics
from discbench.values.cells import Cell
from discbench.values.checkpoints import Checkpoint, check_unchanged
from discbench.values.jobs import look
from discbench.values.mapping import TextTable, Vocabulary, draw_table, draw_text_map, move_specials, table_sha256
from discbench.values.measurement import Measurement
from discbench.values.place import Place
from discbench.values.recipes import Recipe
from discbench.values.types import Task
from discbench.words.foreign import apart

Report = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True)
class Known:
    """What a look at a checkpoint found out, on its way to another process."""

    vocabulary: Vocabulary | None
    plan: savings.Plan | None


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
class Bench:
    """Runs cells one after another and keeps what they share."""

    place: Place
    threads: int = 1
    """That compute; set again before each cell."""
    _rows: dict[str, rows.Loaded] = field(default_factory=dict)
    _vocabularies: dict[Checkpoint, Vocabulary] = field(default_factory=dict)
    _plans: dict[Checkpoint, savings.Plan] = field(default_factory=dict)
    _rehearsed: set[tuple[str, int]] = field(default_factory=set)

    def rows_of(self, task: Task) -> rows.Loaded:
        """Return a task's rows, read once."""
        if task.id not in self._rows:
            self._rows[task.id] = rowcache.load(task, self.place.data, unverified=self.place.unverified)
        return self._rows[task.id]

    def rows_for(self, cell: Cell, task: Task) -> rows.Loaded:
        """Return the rows that a cell is about.

        Raises:
            PluginError: The task's reader gives others to this process than to the one that planned the cell.
        """
        loaded = self.rows_of(task)
        if loaded.sha256 != cell.rows:
            raise PluginError(
                f"{task.name}: load() gives the same rows each time, but those with SHA-256 {cell.rows[:12]}… were"
                f" planned and {loaded.sha256[:12]}… came in another process; seed its draws and sort what comes out"
                " of a set, unless its files changed meanwhile"
            )
        return loaded

    def vocabulary(self, checkpoint: Checkpoint) -> Vocabulary:
        """Return a checkpoint's vocabulary, read once."""
        if checkpoint not in self._vocabularies:
            with models.quietly(verbose=self.place.verbose):
                self._vocabularies[checkpoint] = models.vocabulary_of(checkpoint)
        return self._vocabularies[checkpoint]

    def savings_of(self, checkpoint: Checkpoint, model: Any) -> savings.Plan:  # noqa: ANN401 - transformers' classes
        """Return which savings a checkpoint has, tried once, on any model of its architecture."""
        if checkpoint not in self._plans:
            with models.quietly(verbose=self.place.verbose):
                self._plans[checkpoint] = trying.tried(model, self.vocabulary(checkpoint))
        return self._plans[checkpoint]

    def known(self, checkpoint: Checkpoint) -> Known:
        """Return what has been found out about a checkpoint."""
        return Known(self._vocabularies.get(checkpoint), self._plans.get(checkpoint))

    def learn(self, checkpoint: Checkpoint, known: Known) -> None:
        """Take what another bench has found out about a checkpoint."""
        if known.vocabulary is not None:
            self._vocabularies[checkpoint] = known.vocabulary
        if known.plan is not None:
            self._plans[checkpoint] = known.plan

    def take_rows(self, task: Task, loaded: rows.Loaded) -> None:
        """Take a task's rows from another process, so that they are not read here."""
        self._rows[task.id] = loaded

    @look
    def check(self, checkpoint: Checkpoint, cells: list[Cell], tasks: dict[str, Task]) -> None:
        """Raise a UserError now for what would make every cell of the checkpoint fail."""
        for cell in {c.task: c for c in cells}.values():
            self.rows_for(cell, tasks[cell.task])
        if checkpoint.baseline:
            return
        cards.check_usable(self.place.device)
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
        lengths = {c.task: self._lengths(tasks[c.task], vocabulary, c.recipe["max_tokens"]) for c in each}
        for cell in sorted(each, key=lambda c: -lengths[c.task][1]):
            task, (shortest, longest) = tasks[cell.task], lengths[cell.task]
            self.check_reading(task, cell, checkpoint)
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
            try:
                with models.quietly(verbose=self.place.verbose), apart():
                    if checkpoint.baseline:
                        result, predictions = self._answer(cell, task)
                    else:
                        result, predictions = self._train(cell, checkpoint, task, watch)
            except (Exception, SystemExit) as error:  # one cell's failure is recorded, the others go on
                alone = ranks.count() > 1 and not isinstance(error, DiscbenchError)
                if alone or error is watch.ended:
                    raise  # of this process alone: the others wait for it, until torchrun ends them
                result, predictions = record.failure(error), None
            about = {**record.run_of(began, self.place.device), **result.get("run", {})}
            whole = {**record.head(cell, task), **result, "run": about}
            ranks.of_first(lambda: store.put(cell, whole, predictions))
            stored: Result = ranks.of_first(lambda: store.get(cell) or whole)  # the store may have been removed
            return stored

    def _train(self, cell: Cell, checkpoint: Checkpoint, task: Task, report: Report) -> tuple[Result, bytes]:
        loaded, recipe = self.rows_for(cell, task), Recipe(**cell.recipe)
        table, vocabulary = self.mapped(task, cell, checkpoint)
        kept = {name: self._keep(cell, task, name, getattr(loaded, name)) for name in rows.SPLITS}
        splits = {name: getattr(loaded, name).take(chosen) for name, chosen in kept.items()}
        self._rehearse(task, splits["test"].targets)
        inputs = {
            n: self.inputs_of(checkpoint, task, split, table, vocabulary, recipe.max_tokens)
            for n, split in splits.items()
        }
        model = models.build(checkpoint, cell.init, task.target.outputs, cell.seed, vocabulary)  # type: ignore[arg-type]
        check_unchanged(checkpoint)
        inputs = {name: replace(split, left=families.pads_left(model)) for name, split in inputs.items()}
        unit = unit_of(cell.recipe, task.target, splits["train"].targets)
        inputs["train"] = replace(inputs["train"], targets=unit.given(splits["train"].targets))

        def answers(name: str, outputs: Any) -> score.Voted:  # noqa: ANN401
            return score.vote(task.target, unit.answered(outputs), splits[name].targets, splits[name].groups)

        ready = (inputs["train"], inputs["validation"], inputs["test"])
        plan = trying.plan_for(self.savings_of(checkpoint, model), recipe, self.place.device, ready)
        steady.settle(self.threads)  # a task's reader and a checkpoint's own code have been at work
        trained = finetune.finetune(
            model,
            *ready,
            recipe,
            cell.seed,
            device=self.place.device,
            score=lambda outputs: score.primary(task.metric, answers("validation", outputs)),
            report=report,
            plan=plan,
        )
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
            "dynamics": dynamics.measure(trained.curve.loss, task.target, inputs["train"].targets),
            "counts": {
                **{name: len(split) for name, split in splits.items()},
                "steps": len(trained.curve.loss),
                "parameters": sum(p.numel() for p in model.parameters()),
                "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            },
            "mapping_sha256": table_sha256(table),
            "dataset": record.dataset(task, loaded),
            "marks": record.marks(cell, loaded),
            "run": {"engine": record.engine(plan)},
        }
        return result, pack_predictions(kept["test"], unit.answered(trained.test), splits["test"].targets)

    def _rehearse(self, task: Task, targets: Any) -> None:  # noqa: ANN401
        """Try a task's metrics on the test rows of its cells, once for each number of rows."""
        if (task.id, len(targets)) not in self._rehearsed:
            metrics.rehearse(task.metrics, targets, task.target.outputs)
            self._rehearsed.add((task.id, len(targets)))

    def _answer(self, cell: Cell, task: Task) -> tuple[Result, bytes]:
        """Return a baseline's result."""
        loaded = self.rows_for(cell, task)
        kept = {name: self._keep(cell, task, name, getattr(loaded, name)) for name in rows.SPLITS}
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

    def _lengths(self, task: Task, vocabulary: Vocabulary, max_tokens: int | None) -> tuple[int, int]:
        """Return the tokens of the shortest and of the longest row."""
        around = len(vocabulary.prefix) + len(vocabulary.suffix)
        if isinstance(task.mapping, TextTable):
            return around + 1, min(task.mapping.max_tokens, max_tokens or task.mapping.max_tokens)
        lengths = np.concatenate([getattr(self.rows_of(task), name).lengths for name in rows.SPLITS]) + around
        shortest, longest = int(lengths.min()), int(lengths.max())
        return min(shortest, max_tokens or shortest), min(longest, max_tokens or longest)

    def mapped(self, task: Task, cell: Cell | Measurement, checkpoint: Checkpoint) -> tuple[Sequence[int], Vocabulary]:
        """Return the cell's mapping table, and the special ids to put around its rows."""
        kind: Any = cell.mapping
        vocabulary, seed = self.vocabulary(checkpoint), cell.mapping_seed
        if isinstance(task.mapping, TextTable):
            table = draw_text_map(replace(task.mapping, map_specials=cell.map_specials), kind, vocabulary, seed)
            return table, replace(vocabulary, pad=table[vocabulary.pad])
        if kind == "native":
            tokenizer = models.load_tokenizer(checkpoint)
            return tokenizing.native_table(checkpoint, tokenizer, task.mapping.alphabet, vocabulary), vocabulary
        moved = move_specials(task.mapping, kind, vocabulary, seed) if cell.map_specials else vocabulary
        return draw_table(task.mapping, kind, vocabulary, seed), moved

    def check_reading(self, task: Task, cell: Cell | Measurement, checkpoint: Checkpoint) -> None:
        """Raise a CheckpointError where an id of a row has no embedding, or `native` is not the tokenizer's reading."""
        table, vocabulary = self.mapped(task, cell, checkpoint)
        loaded = self.rows_of(task)
        if not isinstance(task.mapping, TextTable):
            if cell.mapping == "native":
                reader = models.load_tokenizer(checkpoint)
                tokenizing.check_reading(checkpoint, reader, task.mapping.alphabet, table, loaded.train, task.name)
        elif models.has_more_tokens(checkpoint, vocabulary.size):
            for name in rows.SPLITS:
                self.inputs_of(checkpoint, task, getattr(loaded, name), table, vocabulary, None)

    def inputs_of(
        self,
        checkpoint: Checkpoint,
        task: Task,
        split: rows.Encoded,
        table: Sequence[int],
        vocabulary: Vocabulary,
        max_tokens: int | None,
    ) -> Inputs:
        """Return a split's rows as token ids.

        Raises:
            CheckpointError: The task is text, and the checkpoint has no tokenizer to read it.
        """
        if not isinstance(task.mapping, TextTable):
            return to_inputs(split, table, vocabulary, max_tokens)
        tokenizer = models.load_tokenizer(checkpoint)
        if tokenizer is None:
            raise CheckpointError(
                f"{task.name} is text, but model {checkpoint.name!r} has no usable tokenizer to read it"
            )
        keep = min(task.mapping.max_tokens, max_tokens or task.mapping.max_tokens)
        return to_text_inputs(tokenizer, split, table, vocabulary, keep)

    def _keep(self, cell: Cell, task: Task, name: str, split: rows.Encoded) -> Any:  # noqa: ANN401
        if cell.take is not None:
            return rows.chosen(len(split), None, 1.0, 0, take=cell.take[rows.SPLITS.index(name)])
        if name != "train":
            return rows.chosen(len(split), cell.limit, 1.0, cell.seed)
        numbers = rows.numbers_of(task, split) if cell.subset == "first" else None
        return rows.chosen(len(split), cell.limit, cell.fraction, cell.seed, numbers=numbers)
