"""Rows as arrays: hash, encode, cache, subset.

A dataset is identified by its rows, not by the file they came in (see `identity`): the same rows from JSON, CSV or
LMDB, in any order, hash the same and stand at the same places here.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from discbench.data.formats.opening import cache_directory
from discbench.data.identity import SPLITS, canonical, digest
from discbench.errors import DataError, UserError
from discbench.values.mapping import RandomTable, shuffled
from discbench.values.types import Classes, Row, Scalar, Task
from discbench.words import parts
from discbench.words.names import one_line

Status = Literal["verified", "unverified"]
__all__ = ["SPLITS", "canonical", "digest"]  # of `identity`, offered here as well
MOST_WORD = 100
"""Characters of a class's word in a result."""
LEAST = 1e-9
"""Probability of what train rows never held."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One split: symbols as places in the alphabet, all rows in one flat array."""

    codes: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    """(rows + 1,): row i is codes[offsets[i]:offsets[i + 1]]."""
    targets: NDArray[Any]
    """(rows,): int64 classes or float32 scalars."""
    groups: tuple[str, ...] | None = None
    texts: tuple[tuple[str, str | None], ...] | None = None
    """The texts of text tasks, whose symbols a tokenizer makes later."""
    numbers: NDArray[np.int64] | None = None
    """(rows,): the rows' places in their publisher's order, where they have one."""
    families: tuple[str | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(rows,): symbols per row."""
        return np.diff(self.offsets)

    def take(self, rows: NDArray[np.int64]) -> "Encoded":
        """Return these rows, in this order."""
        pieces = [self.codes[self.offsets[r] : self.offsets[r + 1]] for r in rows]
        return Encoded(
            codes=np.concatenate(pieces) if pieces else self.codes[:0],
            offsets=np.concatenate([[0], np.cumsum([len(p) for p in pieces])]).astype(np.int64),
            targets=self.targets[rows],
            groups=self.groups and tuple(self.groups[r] for r in rows),
            texts=self.texts and tuple(self.texts[r] for r in rows),
            numbers=None if self.numbers is None else self.numbers[rows],
            families=self.families and tuple(self.families[r] for r in rows),
        )


class Loaded(NamedTuple):
    """A task's rows, ready to be mapped."""

    train: Encoded
    validation: Encoded
    test: Encoded
    sha256: str
    status: Status
    partial: str = ""
    words: tuple[str, ...] = ()
    """What the table calls the classes, where its labels are words."""
    copies: Sequence[dict[str, Any]] = ()
    """Near copies of train rows, as `discbench.data.relatives.copies.count` counts them."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Rows of train, validation and test."""
        return len(self.train), len(self.validation), len(self.test)


def encode(task: Task, rows: Sequence[Row]) -> Encoded:
    """Return the rows as arrays, each cut after the task's `max_symbols`.

    Raises:
        DataError: A symbol outside the alphabet, or a target that is not of the task's kind.
    """
    if not isinstance(task.mapping, RandomTable):
        codes, offsets, texts = (
            np.zeros(0, np.uint16),
            np.zeros(len(rows) + 1, np.int64),
            tuple((str(r.symbols), r.pair) for r in rows),
        )
    else:
        place = {symbol: i for i, symbol in enumerate(task.mapping.alphabet)}
        pieces = [[place.get(s, -1) for s in row.symbols[: task.max_symbols]] for row in rows]
        _check_symbols(task, rows, pieces)
        codes = np.fromiter((c for piece in pieces for c in piece), dtype=np.uint16)
        offsets, texts = np.concatenate([[0], np.cumsum([len(p) for p in pieces])]).astype(np.int64), None
    groups = tuple(str(r.group) for r in rows) if rows and rows[0].group is not None else None
    numbers = np.array([r.number for r in rows], np.int64) if rows and rows[0].number is not None else None
    families = tuple(r.family for r in rows) if any(r.family is not None for r in rows) else None
    return Encoded(codes, offsets, _targets(task, rows), groups, texts, numbers, families)


def _check_symbols(task: Task, rows: Sequence[Row], pieces: list[list[int]]) -> None:
    bad = next((i for i, piece in enumerate(pieces) if -1 in piece or not piece), None)
    if bad is None:
        return
    assert isinstance(task.mapping, RandomTable)
    strange = sorted({str(s) for s in rows[bad].symbols if s not in set(task.mapping.alphabet)})
    found = f"{strange} are not" if strange else f"row {bad} has no symbol"
    raise DataError(f"{task.name}: every symbol is in the alphabet, but {found}; does the reader treat all letters?")


def _targets(task: Task, rows: Sequence[Row]) -> NDArray[Any]:
    values = np.array([int(y) if isinstance(y, int) else y for y in (row.target for row in rows)], dtype=np.float64)
    if isinstance(task.target, Scalar):
        if not np.isfinite(values).all():
            raise DataError(f"{task.name}: labels are finite numbers, but some are not; is the file whole?")
        return values.astype(np.float32)
    wrong = set(values.tolist()) - set(map(float, range(task.target.n)))
    if wrong:
        found = sorted(set(values.tolist()))
        if found == list(map(float, range(1, task.target.n + 1))):
            raise DataError(
                f"{task.name}: labels are 0..{task.target.n - 1}, but 1..{task.target.n} occur; subtract 1, or say"
                f" read_rows(classes={tuple(range(1, task.target.n + 1))})"
            )
        strange = ", ".join(f"{label:g}" for label in sorted(wrong)[:5])
        raise DataError(
            f"{task.name}: labels are 0..{task.target.n - 1}, but {strange} occur;"
            " read_rows(classes=...) names those of a table in their order"
        )
    return values.astype(np.int64)


def chosen(
    count: int,
    limit: int | None,
    fraction: float,
    seed: int,
    *,
    numbers: NDArray[np.int64] | None = None,
    take: int | None = None,
) -> NDArray[np.int64]:
    """Return which of `count` rows to keep, as places in their canonical order: a share, then at most `limit` of them.

    The draw sorts places by the hash of `seed/place`, so it is the same everywhere.

    Args:
        count: Rows of the split.
        limit: At most so many.
        fraction: Share of them, above 0 and at most 1.
        seed: Of the draw.
        numbers: The rows' own (count,), to take those with the least numbers instead of a draw.
        take: At most so many, the first in their canonical order, that of their hashes: the same for all seeds.
    """
    if take is not None:
        return np.arange(min(count, take), dtype=np.int64)
    keep = max(1, int(fraction * count)) if fraction < 1 else count
    if limit is not None:
        keep = min(keep, limit)
    if keep >= count:
        return np.arange(count, dtype=np.int64)
    order = shuffled(range(count), seed) if numbers is None else np.argsort(numbers, kind="stable").tolist()
    return np.array(sorted(order[:keep]), dtype=np.int64)


def numbers_of(task: Task, train: Encoded) -> NDArray[np.int64]:
    """Return the train rows' places in their publisher's order, (rows,).

    Raises:
        UserError: The task's rows have none.
    """
    if train.numbers is None:
        raise UserError(
            f"--subset first: the rows of {task.name} have no order of their publisher's that a first share could"
            " follow; take --subset drawn"
        )
    return train.numbers


def describe(target: Classes | Scalar, targets: NDArray[Any]) -> dict[str, Any]:
    """Return the label distribution: counts per class, or mean, sd and range."""
    if isinstance(target, Classes):
        return {"counts": np.bincount(targets, minlength=target.n).tolist()}
    values = targets.astype(np.float64)
    return {
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
    }


def labels(task: Task, loaded: Loaded) -> dict[str, Any]:
    """Return how the labels of each split are spread, as results hold it: numbers with six digits.

    Returns:
        `labels`: split -> its `rows` with `counts` of each class, or `mean`, `sd`, `min` and `max`. `words`, where the
        source has words for its classes: those, in the order of the classes.
    """
    found = {
        name: {"rows": len(split), **_rounded(describe(task.target, split.targets))}
        for name, split in zip(SPLITS, loaded[:3], strict=True)
    }
    words = {"words": [one_line(word, MOST_WORD) for word in loaded.words]} if loaded.words else {}
    return {"labels": found, **words}


def _rounded(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value if name == "counts" else float(f"{value:.6g}") for name, value in described.items()}


def fresh_directory(parent: Path) -> Path:
    """Return a new empty directory beside its final place, for writing whole or not at all."""
    return parts.begun_folder(parent)


def replace_directory(part: Path, final: Path) -> None:
    """Move a finished directory to its place, whatever was there before."""
    if final.is_symlink() or final.is_file():
        final.unlink()
    elif final.exists():
        shutil.rmtree(final, ignore_errors=True)
    part.replace(final)


def prepared_directory() -> Path:
    """Return where encoded rows are cached."""
    return cache_directory() / "rows"


def constant(task: Task, train: Encoded, rows: int) -> NDArray[np.float32]:
    """Return the best answer that ignores the input: log shares of train's classes, or its mean; groups count once.

    Returns:
        (rows, outputs): the same in every row.
    """
    targets = train.targets
    if train.groups is not None:
        targets = targets[np.unique(np.asarray(train.groups), return_index=True)[1]]
    if isinstance(task.target, Classes):
        counts = np.bincount(targets, minlength=task.target.n)
        one = np.log(np.maximum(counts / len(targets), LEAST))
    else:
        one = np.array([targets.astype(np.float64).mean()])
    return np.tile(one.astype(np.float32), (rows, 1))
