"""What cells share: rows, vocabularies, how rows are read, which savings a checkpoint has; each found out once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from discbench.data import rowcache, rows
from discbench.errors import CheckpointError, PluginError
from discbench.models import building as models
from discbench.models import reading, tokenizing
from discbench.models.inputs import Inputs, to_inputs, to_text_inputs
from discbench.training import trying
from discbench.training.engine import savings
from discbench.values.cells import Cell
from discbench.values.checkpoints import Checkpoint
from discbench.values.mapping import TextTable, Vocabulary, draw_table, draw_text_map, move_specials
from discbench.values.measurement import Measurement
from discbench.values.place import Place
from discbench.values.types import Task


@dataclass(frozen=True, slots=True)
class Known:
    """What a look at a checkpoint found out, on its way to another process."""

    vocabulary: Vocabulary | None
    plan: savings.Plan | None
    readings: dict[str, reading.Reading] = field(default_factory=dict)
    """Under mapping `native`, by task id."""


@dataclass
class Shared:
    """What is known of tasks and checkpoints in this process."""

    place: Place
    threads: int = 1
    """That compute; set again before each cell."""
    _rows: dict[str, rows.Loaded] = field(default_factory=dict)
    _vocabularies: dict[Checkpoint, Vocabulary] = field(default_factory=dict)
    _plans: dict[Checkpoint, savings.Plan] = field(default_factory=dict)
    _readings: dict[tuple[Checkpoint, str], reading.Reading] = field(default_factory=dict)

    def rows_of(self, task: Task) -> rows.Loaded:
        """Return a task's rows, read once."""
        if task.id not in self._rows:
            self._rows[task.id] = rowcache.load(task, self.place.data, unverified=self.place.unverified)
        return self._rows[task.id]

    def take_rows(self, task: Task, loaded: rows.Loaded) -> None:
        """Take a task's rows from another process, so that they are not read here."""
        self._rows[task.id] = loaded

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
        readings = {task: found for (of, task), found in self._readings.items() if of == checkpoint}
        return Known(self._vocabularies.get(checkpoint), self._plans.get(checkpoint), readings)

    def learn(self, checkpoint: Checkpoint, known: Known) -> None:
        """Take what another bench has found out about a checkpoint."""
        if known.vocabulary is not None:
            self._vocabularies[checkpoint] = known.vocabulary
        if known.plan is not None:
            self._plans[checkpoint] = known.plan
        self._readings |= {(checkpoint, task): found for task, found in known.readings.items()}

    def reader(self, checkpoint: Checkpoint, task: Task) -> reading.Reader:
        """Return who reads a task's rows under mapping `native`.

        Raises:
            CheckpointError: The checkpoint has no usable tokenizer.
        """
        tokenizer, vocabulary = models.load_tokenizer(checkpoint), self.vocabulary(checkpoint)
        assert not isinstance(task.mapping, TextTable)
        return reading.Reader(checkpoint, tokenizing.needed(tokenizer, checkpoint), vocabulary, task.mapping, task.name)

    def reads(self, checkpoint: Checkpoint, task: Task) -> reading.Reading:
        """Return how a checkpoint reads a task's rows under mapping `native`, tried once."""
        if (checkpoint, task.id) not in self._readings:
            found = self._tried(checkpoint, task)
            self._readings[checkpoint, task.id] = found
        return self._readings[checkpoint, task.id]

    def _tried(self, checkpoint: Checkpoint, task: Task) -> reading.Reading:
        train = self.rows_of(task).train
        if not isinstance(task.mapping, TextTable):
            return reading.reading_of(self.reader(checkpoint, task), train)
        tokenizer = tokenizing.needed(models.load_tokenizer(checkpoint), checkpoint)
        return reading.reading_of_text(checkpoint, tokenizer, train, task.name)

    def read(self, cell: Cell, task: Task, checkpoint: Checkpoint) -> dict[str, Any]:
        """Return what a result says of how its rows were read."""
        return {"reading": self.reads(checkpoint, task).record} if cell.mapping == "native" else {}

    def keep(self, cell: Cell, task: Task, name: str, split: rows.Encoded) -> Any:  # noqa: ANN401
        """Return the places of the rows that a cell takes of a split."""
        if cell.take is not None:
            return rows.chosen(len(split), None, 1.0, 0, take=cell.take[rows.SPLITS.index(name)])
        if name != "train":
            return rows.chosen(len(split), cell.limit, 1.0, cell.seed)
        numbers = rows.numbers_of(task, split) if cell.subset == "first" else None
        return rows.chosen(len(split), cell.limit, cell.fraction, cell.seed, numbers=numbers)

    def lengths(
        self, task: Task, cell: Cell, checkpoint: Checkpoint, vocabulary: Vocabulary, names: Sequence[str]
    ) -> tuple[int, int]:
        """Return the tokens of the shortest and of the longest row."""
        around, most = len(vocabulary.prefix) + len(vocabulary.suffix), cell.recipe["max_tokens"]
        if isinstance(task.mapping, TextTable):
            return around + 1, min(task.mapping.max_tokens, most or task.mapping.max_tokens)
        splits = [getattr(self.rows_of(task), name) for name in names]
        if cell.mapping == "native" and not self.reads(checkpoint, task).by_symbol:
            made = [self.inputs_of(checkpoint, task, cell, split, (), vocabulary, most) for split in splits]
            found = np.concatenate([inputs.lengths for inputs in made])
        else:
            found = np.concatenate([split.lengths for split in splits]) + around
        shortest, longest = int(found.min()), int(found.max())
        return min(shortest, most or shortest), min(longest, most or longest)

    def mapped(self, task: Task, cell: Cell | Measurement, checkpoint: Checkpoint) -> tuple[Sequence[int], Vocabulary]:
        """Return the cell's mapping table, and the special ids to put around its rows."""
        kind: Any = cell.mapping
        vocabulary, seed = self.vocabulary(checkpoint), cell.mapping_seed
        if isinstance(task.mapping, TextTable):
            table = draw_text_map(replace(task.mapping, map_specials=cell.map_specials), kind, vocabulary, seed)
            return table, replace(vocabulary, pad=table[vocabulary.pad])
        if kind == "native":
            return self.reads(checkpoint, task).table, vocabulary
        moved = move_specials(task.mapping, kind, vocabulary, seed) if cell.map_specials else vocabulary
        return draw_table(task.mapping, kind, vocabulary, seed), moved

    def check_reading(
        self, task: Task, cell: Cell | Measurement, checkpoint: Checkpoint, splits: Sequence[str] = rows.SPLITS
    ) -> None:
        """Raise a CheckpointError where an id of a row has no embedding, or under `native` rows cannot be read."""
        table, vocabulary = self.mapped(task, cell, checkpoint)
        loaded = self.rows_of(task)
        if cell.mapping == "native":
            self.reads(checkpoint, task)
        if isinstance(task.mapping, TextTable) and models.has_more_tokens(checkpoint, vocabulary.size):
            for name in splits:
                self.inputs_of(checkpoint, task, cell, getattr(loaded, name), table, vocabulary, None)

    def inputs_of(
        self,
        checkpoint: Checkpoint,
        task: Task,
        cell: Cell | Measurement,
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
            if cell.mapping == "native" and not (known := self.reads(checkpoint, task)).by_symbol:
                return reading.read_rows(self.reader(checkpoint, task), known.spelling, split, max_tokens)
            return to_inputs(split, table, vocabulary, max_tokens)
        tokenizer = models.load_tokenizer(checkpoint)
        if tokenizer is None:
            raise CheckpointError(
                f"{task.name} is text, but model {checkpoint.name!r} has no usable tokenizer to read it"
            )
        keep = min(task.mapping.max_tokens, max_tokens or task.mapping.max_tokens)
        return to_text_inputs(tokenizer, split, table, vocabulary, keep)
