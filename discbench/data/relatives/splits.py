"""Rows cut into train, validation and test: at random, or with relatives on one side.

A random split of overlapping windows, of homologs or of one patient's samples puts nearly the same row on both sides. A
split by families keeps them on one; the difference between the two scores is leakage.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from typing import TypeVar

from discbench.data.relatives.groups import linked, of_names, of_sequences
from discbench.errors import DataError, did_you_mean
from discbench.values.types import Row, Splits

T = TypeVar("T")
Parts = tuple[float, float, float]
By = str | Callable[[Row], object]
NAMES = [field.name for field in fields(Row)]


def shuffle(rows: Sequence[T], seed: int) -> list[T]:
    """Return the rows in the order that Python's `random.Random(seed).shuffle` gives."""
    order = list(rows)
    random.Random(seed).shuffle(order)  # noqa: S311 - a split, not a secret
    return order


def numbered(rows: Iterable[Row]) -> list[Row]:
    """Return rows with their places as `number`: the order in which they are given is then part of what they are."""
    return [replace(row, number=place) for place, row in enumerate(rows)]


def split(
    rows: Sequence[Row], *, parts: Parts, seed: int, partial: str = "", by: By | None = None, number: bool = False
) -> Splits:
    """Shuffle once and cut into train, validation and test at int(share * n), as published splits of this kind do.

    Rows that have groups are shuffled and cut by group: segments of one item on both sides would be a leak. Rows that
    have families, of their own or through `by`, are dealt as `grouped_split` deals them, none on two sides.

    Args:
        rows: All rows.
        parts: Shares of train, validation and test, which add up to 1.
        seed: Of the one shuffle.
        partial: What is missing of the published rows.
        by: What makes rows relatives: the name of a field of `Row`, or a function that takes a row and returns its
            family, such as a patient, a scaffold or a homology cluster. Rows for which it is None, empty or NaN are
            relatives of none. The rows come back with it as their `family`.
        number: Whether rows get their place after the shuffle as `number`, for tasks whose source takes the first of
            them (`--subset first`); not for rows that have families.

    Raises:
        DataError: The parts do not add up to 1, or no field has the name.
    """
    _check(parts)
    rows = _by(rows, by)
    if any(row.family is not None for row in rows):
        return _dealt(rows, _kept_together(rows), parts, seed, partial)
    items: dict[object, list[Row]] = {}
    for place, row in enumerate(rows):
        items.setdefault(place if row.group is None else row.group, []).append(row)
    order = shuffle(list(items.values()), seed)
    first, second = int(parts[0] * len(order)), int(round(parts[0] + parts[1], 9) * len(order))
    if number:
        places = iter(range(len(rows)))
        order = [[replace(row, number=next(places)) for row in item] for item in order]
    train, validation, test = (
        [row for item in part for row in item] for part in (order[:first], order[first:second], order[second:])
    )
    return Splits(train=train, validation=validation, test=test, partial=partial)


def grouped_split(
    rows: Sequence[Row], *, shared: int | None, parts: Parts, seed: int, partial: str = "", by: By | None = None
) -> Splits:
    """Cut rows so that near copies are on one side: those that share a stretch of symbols, and so on through relatives.

    Families in shuffled order fill test, then validation, then train. The shares are kept as nearly as whole families
    allow; one that is larger than what is left of test and validation goes to train. Groups, and families that the rows
    have already, stay together too. The rows come back with a `family`, so that `check_task` and the card can look.

    Args:
        rows: All rows.
        shared: Symbols of a stretch that rows have in common only if one comes of the other; rows that are shorter are
            relatives of their copies. 20 amino acids or 32 bases are never equal by chance. None: of copies only.
        parts: Shares of train, validation and test, which add up to 1.
        seed: Of the one shuffle.
        partial: What is missing of the published rows.
        by: As in `split`, besides the stretches.

    Raises:
        DataError: The parts do not add up to 1, `shared` is not a whole number from 1, or no field has the name.
    """
    _check(parts)
    if shared is not None and (isinstance(shared, bool) or not isinstance(shared, int) or shared < 1):
        raise DataError(f"grouped_split(shared={shared!r}): give a whole number of symbols from 1, or None for copies")
    rows = _by(rows, by)
    family = linked(
        len(rows), of_sequences([row.symbols for row in rows], shared),
        of_names([row.family for row in rows]), of_names([row.group for row in rows]),
    ).tolist()  # fmt: skip
    return _dealt(_named(rows, family), family, parts, seed, partial)


def _check(parts: Parts) -> None:
    if abs(sum(parts) - 1) > 1e-9:  # noqa: PLR2004 - rounding
        raise DataError(f"split parts {parts} add up to {sum(parts)}; give shares that add up to 1")


def _by(rows: Sequence[Row], by: By | None) -> Sequence[Row]:
    if by is None:
        return rows
    if isinstance(by, str) and by not in NAMES:
        raise DataError(f"a row has no field {by!r}{did_you_mean(by, NAMES, 'it has ' + ', '.join(NAMES))}")
    found = [getattr(row, by) if isinstance(by, str) else by(row) for row in rows]
    return [
        replace(row, family=None if value is None or value == "" or value != value else str(value))  # noqa: PLR0124 - NaN
        for row, value in zip(rows, found, strict=True)
    ]


def _kept_together(rows: Sequence[Row]) -> list[int]:
    ties = (of_names([getattr(row, kind) for row in rows]) for kind in ("family", "group"))
    found: list[int] = linked(len(rows), *ties).tolist()
    return found


def _named(rows: Sequence[Row], family: list[int]) -> list[Row]:
    """Give each row the name of its family: the hash of its least member, which no order of rows can change."""
    least: dict[int, str] = {}
    for row, number in zip(rows, family, strict=True):
        text = json.dumps(row.symbols if isinstance(row.symbols, str) else list(row.symbols))
        least[number] = min(text, least.get(number, text))
    names = {number: hashlib.sha256(text.encode()).hexdigest()[:12] for number, text in least.items()}
    return [replace(row, family=names[number]) for row, number in zip(rows, family, strict=True)]


def _dealt(rows: Sequence[Row], family: list[int], parts: Parts, seed: int, partial: str) -> Splits:
    members: list[list[int]] = [[] for _ in set(family)]
    for row, number in enumerate(family):
        members[number].append(row)
    wanted = {"test": parts[2] * len(rows), "validation": parts[1] * len(rows)}
    sides: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for number in shuffle(range(len(members)), seed):
        fits = (s for s in ("test", "validation") if len(sides[s]) + len(members[number]) <= wanted[s])
        sides[next(fits, "train")].extend(members[number])
    chosen = {side: [rows[i] for i in sorted(numbers)] for side, numbers in sides.items()}
    return Splits(train=chosen["train"], validation=chosen["validation"], test=chosen["test"], partial=partial)
