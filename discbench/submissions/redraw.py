"""Draw mapping tables again, to hold their hashes against those of results.

Vocabularies are read of shipped checkpoints and of those that the caller names, never of whatever a result names, and
never with code of a checkpoint's own.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from discbench.errors import CheckpointError, NotAtHand
from discbench.values import checkpoints
from discbench.values.checkpoints import Checkpoint
from discbench.values.mapping import RandomTable, table_sha256
from discbench.values.types import Task

Record = dict[str, Any]
TABLE = ("mapping", "mapping_seed", "map_specials", "specials")
"""What a table depends on, beside checkpoint and task."""


class Tables:
    """Hashes of mapping tables, each drawn once."""

    def __init__(self, models: Sequence[Checkpoint] = ()) -> None:
        self._named = tuple(replace(model, trust_remote_code=False) for model in models)
        self._shipped: tuple[Checkpoint, ...] | None = None
        self._drawn: dict[str, str | CheckpointError] = {}
        self._bench: Any = None

    def sha256(self, result: Record, task: Task) -> str:
        """Return the hash of the table that a cell draws.

        Raises:
            NotAtHand: The checkpoint is neither shipped nor named.
            CheckpointError: Its vocabulary cannot be read, or no such table can be drawn of it.
        """
        cell = result["cell"]
        checkpoint = self._find(cell)
        key = repr([checkpoint, task.id, result.get("reading"), *(cell.get(name) for name in TABLE)])
        if key not in self._drawn:
            try:
                self._drawn[key] = self._draw(result, task, checkpoint)
            except CheckpointError as error:
                self._drawn[key] = error
        found = self._drawn[key]
        if isinstance(found, CheckpointError):
            raise found
        return found

    def _draw(self, result: Record, task: Task, checkpoint: Checkpoint) -> str:
        from discbench.models import building as models
        from discbench.training import run
        from discbench.values.place import Place

        self._bench = self._bench or run.Bench(Place(results=Path()))
        cell = result["cell"]
        asked: Any = SimpleNamespace(**{"map_specials": False, **cell})
        with models.quietly():
            if cell["mapping"] == "native" and isinstance(task.mapping, RandomTable):
                return table_sha256(self._read(result.get("reading"), task, checkpoint))
            return table_sha256(self._bench.mapped(task, asked, checkpoint)[0])

    def _read(self, said: Record | None, task: Task, checkpoint: Checkpoint) -> Sequence[int]:
        """Return the table of rows that a checkpoint reads itself, as a result says that it does.

        Results made before that was recorded were read symbol by symbol, as the letters are.
        """
        from discbench.models import building as models
        from discbench.models import spelling, tokenizing

        vocabulary = self._bench.vocabulary(checkpoint)
        if said and not said["by_symbol"]:
            return range(vocabulary.size)
        spelt = spelling.named(said["spelling"]) if said else spelling.Spelling(0)
        letters = [spelt.letter(str(symbol)) for symbol in task.mapping.alphabet]  # type: ignore[union-attr] # a table
        tokenizer = tokenizing.needed(models.load_tokenizer(checkpoint), checkpoint)
        return tokenizing.native_table(checkpoint, tokenizer, letters, vocabulary)

    def _find(self, cell: Record) -> Checkpoint:
        if self._shipped is None:
            self._shipped = tuple(checkpoints.locate(name) for name in checkpoints.builtins())
        specials = tuple(sorted(cell["specials"].items()))
        for model in (*self._named, *self._shipped):
            if (model.name, model.revision) == (cell["checkpoint"], cell["revision"]):
                return replace(model, specials=specials)
        raise NotAtHand("vocabulary not at hand; name the checkpoint with --model")
