"""Rows as token ids: symbols through a table, or text through a tokenizer, padded a batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from discbench.data.rows import Encoded
from discbench.errors import CheckpointError
from discbench.values.mapping import Vocabulary


@dataclass(frozen=True, slots=True)
class Inputs:
    """Token ids of one split, special tokens included, and what is to be learnt."""

    ids: NDArray[np.int64]
    """All rows in one flat array."""
    offsets: NDArray[np.int64]
    """(rows + 1,)."""
    targets: NDArray[Any]
    pad: int
    types: NDArray[np.int64] | None = None
    """Token types of text pairs, as flat as `ids`."""
    left: bool = False
    """Whether rows are padded at the left."""

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(rows,): tokens per row."""
        return np.diff(self.offsets)

    def batch(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return ids and attention mask of shape (batch, longest row), and targets (batch,)."""
        chosen = np.asarray(rows)
        starts, lengths = self.offsets[chosen, None], self.lengths[chosen, None]
        width = int(lengths.max())
        column = np.arange(width)[None] - (width - lengths if self.left else 0)
        real = (column >= 0) & (column < lengths)
        place = np.where(real, starts + column, 0)
        made = {
            "input_ids": np.where(real, self.ids[place], self.pad),
            "attention_mask": real.astype(np.int64),
            "targets": self.targets[chosen],
            "rows": chosen,
        }
        if self.types is not None:
            made["token_type_ids"] = np.where(real, self.types[place], 0)
        return {name: torch.from_numpy(array) for name, array in made.items()}


def to_inputs(split: Encoded, table: Sequence[int], vocabulary: Vocabulary, max_tokens: int | None) -> Inputs:
    """Map symbols to token ids and put the checkpoint's own special ids around each row.

    Args:
        split: Rows as places in the alphabet.
        table: The token id of each place.
        vocabulary: Whose prefix and suffix to add.
        max_tokens: Rows are cut to this length, special ids included.
    """
    around = len(vocabulary.prefix) + len(vocabulary.suffix)
    keep = split.lengths if max_tokens is None else np.minimum(split.lengths, max_tokens - around)
    mapped = np.asarray(table, dtype=np.int64)[split.codes]
    offsets = np.concatenate([[0], np.cumsum(keep + around)]).astype(np.int64)
    ids = np.empty(offsets[-1], dtype=np.int64)
    first = len(vocabulary.prefix)
    for row, (start, length) in enumerate(zip(split.offsets, keep, strict=False)):
        at = offsets[row]
        ids[at : at + first] = vocabulary.prefix
        ids[at + first : at + first + length] = mapped[start : start + length]
        ids[at + first + length : offsets[row + 1]] = vocabulary.suffix
    return Inputs(ids, offsets, split.targets, vocabulary.pad)


def to_text_inputs(
    tokenizer: Any,  # noqa: ANN401 - transformers' tokenizer classes
    split: Encoded,
    table: Sequence[int],
    vocabulary: Vocabulary,
    max_tokens: int,
) -> Inputs:
    """Tokenize texts (or pairs) as the checkpoint does, then move every id by the table.

    Args:
        tokenizer: The checkpoint's own.
        split: Rows with `texts`.
        table: The new id of every id.
        vocabulary: For its padding id.
        max_tokens: Rows are cut to this length, special ids included, the longer text of a pair first.

    Raises:
        CheckpointError: The tokenizer makes an id that the checkpoint's word embeddings have no row for.
    """
    texts = split.texts or ()
    firsts = [first for first, _ in texts]
    seconds = [second for _, second in texts] if any(second is not None for _, second in texts) else None
    made = tokenizer(firsts, seconds, truncation=True, max_length=max_tokens)
    offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in made["input_ids"]])]).astype(np.int64)
    own = np.fromiter((i for row in made["input_ids"] for i in row), dtype=np.int64)
    if own.max(initial=0) >= len(table):
        token, where = tokenizer.convert_ids_to_tokens(int(own.max())), Path(tokenizer.name_or_path).name
        raise CheckpointError(
            f"model {where!r}: its tokenizer makes {token!r} with id {own.max()} of a row, but there are {len(table)}"
            " word embeddings; resize them with model.resize_token_embeddings(len(tokenizer)) and train them, or give"
            " the tokenizer that they were trained with"
        )
    ids = np.asarray(table, dtype=np.int64)[own]
    types = None
    if seconds is not None and "token_type_ids" in made:
        types = np.fromiter((i for row in made["token_type_ids"] for i in row), dtype=np.int64)
    return Inputs(ids, offsets, split.targets, vocabulary.pad, types)
