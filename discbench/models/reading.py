"""Mapping `native`: rows as the checkpoint's own tokenizer reads them, and how they are spelt for it.

The spelling is tried, on train rows only. It is a function of checkpoint, task and rows, so of the cell: whoever reads
them finds the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from discbench.data.rows import Encoded
from discbench.errors import CheckpointError
from discbench.models.inputs import Inputs
from discbench.models.spelling import AS_GIVEN, Spelling, read, spellings, turns_back, unknown
from discbench.models.tokenizing import native_table
from discbench.values.checkpoints import Checkpoint
from discbench.values.mapping import RandomTable, Vocabulary

MOST_UNKNOWN = 0.01
"""Share of unknown tokens above which a tokenizer does not know a task's rows."""
SAMPLE = 256
"""Train rows that each spelling is tried on."""
LONGEST = 1024
"""Symbols of a row that are tried."""
SHOWN = (8, 32, LONGEST)
"""Symbols that a message shows, the first that suffice."""
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Reading:
    """How a checkpoint reads a task's rows."""

    spelling: Spelling
    unknown: float
    """Share of unknown tokens in all train rows of the task."""
    table: tuple[int, ...]
    """The token of each symbol where rows are read symbol by symbol, else every id of the vocabulary as it is."""
    by_symbol: bool

    @property
    def record(self) -> dict[str, Any]:
        """What a result says of it."""
        return {"spelling": self.spelling.name, "unknown": self.unknown, "by_symbol": self.by_symbol}


@dataclass(frozen=True, slots=True)
class Trial:
    """A spelling that was tried on a sample."""

    spelling: Spelling
    unknown: float
    wrong: int | None
    """The first row that does not turn back, in the sample."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A checkpoint's tokenizer, and the task that it reads."""

    checkpoint: Checkpoint
    tokenizer: Any
    """transformers' classes."""
    vocabulary: Vocabulary
    mapping: RandomTable
    task: str

    def symbols(self, rows: Encoded, row: int) -> list[str]:
        """Return a row's symbols."""
        return [str(self.mapping.alphabet[c]) for c in rows.codes[rows.offsets[row] : rows.offsets[row + 1]]]

    def ids(self, rows: Encoded, spelling: Spelling, chosen: Sequence[int]) -> list[list[int]]:
        """Return the token ids of chosen rows.

        Raises:
            CheckpointError: One has no word embedding.
        """
        found = read(self.tokenizer, [spelling.text(self.symbols(rows, row)) for row in chosen])
        most = max((max(ids, default=0) for ids in found), default=0)
        if most >= self.vocabulary.size:
            token = self.tokenizer.convert_ids_to_tokens(most)
            raise CheckpointError(
                f"mapping 'native': the tokenizer of model {self.checkpoint.name!r} makes {token!r} with id {most} of a"
                f" row of {self.task}, but there are {self.vocabulary.size} word embeddings; give the tokenizer that"
                " they were trained with"
            )
        return found


def reading_of(reader: Reader, train: Encoded) -> Reading:
    """Return how a checkpoint's tokenizer reads a task's rows.

    Each spelling is tried on up to `SAMPLE` train rows, drawn by hash. Of those whose tokens turn back into the rows
    the one with the smallest share of unknown tokens is taken, the first in the order of `spellings` among equals; then
    it must hold on all train rows.

    Raises:
        CheckpointError: No spelling turns back, or the best leaves more than 1 % unknown; the message shows a row.
    """
    chosen = _sample(len(train))
    sample = [reader.symbols(train, row)[:LONGEST] for row in chosen]
    tried = [_trial(reader, s, sample) for s in spellings(reader.mapping, reader.tokenizer.get_vocab())]
    sound = [trial for trial in tried if trial.wrong is None]
    best = min(sound or tried, key=lambda trial: trial.unknown)
    if best.unknown > MOST_UNKNOWN or best.wrong is not None:
        plain = [trial for trial in tried if trial.wrong is None or trial.spelling.width < 2]  # noqa: PLR2004 - no words
        likeliest = min(plain, key=lambda trial: (trial.unknown, trial.wrong is not None))
        raise _refused(reader, likeliest, sample[likeliest.wrong or 0])
    return _whole(reader, best.spelling, train)


def _trial(reader: Reader, spelling: Spelling, sample: list[list[str]]) -> Trial:
    texts = [spelling.text(symbols) for symbols in sample]
    made = read(reader.tokenizer, texts)
    each = zip(texts, made, strict=True)
    wrong = (at for at, (text, ids) in enumerate(each) if not turns_back(reader.tokenizer, spelling, text, ids))
    return Trial(spelling, unknown(reader.tokenizer, made), next(wrong, None))


def _whole(reader: Reader, spelling: Spelling, train: Encoded) -> Reading:
    """See that a spelling holds on all train rows, and whether they are read symbol by symbol."""
    table = _symbol_table(reader, spelling)
    missing = tokens = 0
    for start in range(0, len(train), BATCH):
        rows = range(start, min(start + BATCH, len(train)))
        for row, ids in zip(rows, reader.ids(train, spelling, rows), strict=True):
            codes = train.codes[train.offsets[row] : train.offsets[row + 1]]
            if table is not None and [table[code] for code in codes] != ids:
                table = None
            missing += ids.count(reader.tokenizer.unk_token_id)
            tokens += len(ids)
            symbols = reader.symbols(train, row)
            if not turns_back(reader.tokenizer, spelling, spelling.text(symbols), ids):
                raise _refused(reader, Trial(spelling, missing / max(1, tokens), row), symbols)
    share = missing / max(1, tokens)
    if share > MOST_UNKNOWN:
        raise _refused(reader, Trial(spelling, share, None), reader.symbols(train, 0))
    whole = tuple(range(reader.vocabulary.size))
    return Reading(spelling, share, whole if table is None else table, table is not None)


def _symbol_table(reader: Reader, spelling: Spelling) -> tuple[int, ...] | None:
    """Return the token of each symbol as it is spelt, or None where one has none of its own."""
    letters = [spelling.letter(str(symbol)) for symbol in reader.mapping.alphabet]
    try:
        return native_table(reader.checkpoint, reader.tokenizer, letters, reader.vocabulary)
    except CheckpointError:
        return None


def _sample(count: int) -> list[int]:
    """Return up to `SAMPLE` row numbers, drawn by hash with replacement."""
    if count <= SAMPLE:
        return list(range(count))
    drawn = (hashlib.sha256(f"native/{n}".encode()).digest() for n in range(SAMPLE))
    return sorted({int.from_bytes(digest[:8], "big") % count for digest in drawn})


def _refused(reader: Reader, trial: Trial, symbols: list[str]) -> CheckpointError:
    """Return the error that shows a row's beginning, and what was made of it."""
    tokenizer, spelling = reader.tokenizer, trial.spelling
    for shown in SHOWN:
        text = spelling.text(symbols[:shown])
        ids = read(tokenizer, [text])[0]
        lost = not turns_back(tokenizer, spelling, text, ids)
        if lost or (trial.wrong is None and tokenizer.unk_token_id in ids):
            break
    made = " ".join(tokenizer.convert_ids_to_tokens(ids)) or "nothing"
    start = f"mapping 'native': model {reader.checkpoint.name!r} reads {text!r} of {reader.task} as {made!r}"
    how = f"{trial.unknown:.1%} of the tokens of its train rows ({spelling.name}) are unknown, at most 1 % may be"
    why = ", which does not turn back into the row" if lost else f": {how}"
    other = "" if reader.checkpoint.vocab else ", or give --vocab FILE if its tokens are in a file"
    return CheckpointError(f"{start}{why}; native is for checkpoints of the task's discipline, take 'random'{other}")


def reading_of_text(checkpoint: Checkpoint, tokenizer: Any, train: Encoded, task: str) -> Reading:  # noqa: ANN401
    """Return how a checkpoint's tokenizer reads a task of text: as it is given, both texts of a pair.

    Raises:
        CheckpointError: More than 1 % of the tokens of the train rows are unknown.
    """
    texts = [text for pair in train.texts or () for text in pair if text]
    missing = tokens = 0
    worst: tuple[float, str] = (0.0, "")
    for start in range(0, len(texts), BATCH):
        for text, ids in zip(texts[start : start + BATCH], read(tokenizer, texts[start : start + BATCH]), strict=True):
            share = unknown(tokenizer, [ids])
            missing, tokens = missing + round(share * max(1, len(ids))), tokens + max(1, len(ids))
            worst = max(worst, (share, text), key=lambda found: found[0])
    share = missing / max(1, tokens)
    if share > MOST_UNKNOWN:
        shown = worst[1][: SHOWN[1]]
        made = " ".join(tokenizer.convert_ids_to_tokens(read(tokenizer, [shown])[0])) or "nothing"
        raise CheckpointError(
            f"mapping 'native': model {checkpoint.name!r} reads {shown!r} of {task} as {made!r}: {share:.1%} of the"
            " tokens of its train rows are unknown, at most 1 % may be; take a checkpoint of text, or 'shift'"
        )
    return Reading(AS_GIVEN, share, (), by_symbol=False)


def read_rows(reader: Reader, spelling: Spelling, split: Encoded, max_tokens: int | None) -> Inputs:
    """Return a split's rows as the tokenizer reads them, with the checkpoint's own special ids around each.

    Args:
        reader: Who reads.
        spelling: How rows are written.
        split: Rows as places in the alphabet.
        max_tokens: Rows are cut to so many tokens, special ones included.

    Raises:
        CheckpointError: A token has no word embedding, or nothing is made of a row.
    """
    vocabulary = reader.vocabulary
    around = len(vocabulary.prefix) + len(vocabulary.suffix)
    rows = [ids for at in range(0, len(split), BATCH) for ids in reader.ids(split, spelling, _range(split, at))]
    empty = next((row for row, ids in enumerate(rows) if not ids), None)
    if empty is not None:
        raise _refused(reader, Trial(spelling, 0.0, empty), reader.symbols(split, empty))
    cut = [ids if max_tokens is None else ids[: max_tokens - around] for ids in rows]
    whole = [[*vocabulary.prefix, *ids, *vocabulary.suffix] for ids in cut]
    offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in whole])]).astype(np.int64)
    flat = np.fromiter((i for ids in whole for i in ids), dtype=np.int64)
    return Inputs(flat, offsets, split.targets, vocabulary.pad)


def _range(split: Encoded, start: int) -> range:
    return range(start, min(start + BATCH, len(split)))
