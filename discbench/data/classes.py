"""Labels over a whole task: one word a class in all splits, in the task's order; what is remarkable in them."""

from collections.abc import Iterable, Mapping
from typing import Any

from discbench.data.labels import Label
from discbench.errors import DataError, PluginError
from discbench.values.types import Classes, Row, Splits, Task

FEW = 5
"""So many classes are named."""


def words(splits: Splits, name: str) -> tuple[str, ...]:
    """Return the words that the rows' labels were numbered by, in the order of classes; none if labels are numbers.

    Args:
        splits: The rows.
        name: The task's, for messages.

    Raises:
        DataError: A number stands for two words, or only some labels are words.
    """
    told: dict[int, tuple[str, str]] = {}
    parts = {part: _kinds(getattr(splits, part)) for part in ("train", "validation", "test")}
    if len({bool(order) for kinds in parts.values() for order in kinds}) > 1:
        raise DataError(f"{name}: labels are words in some rows and numbers in others; read all of them alike")
    for part, kinds in parts.items():
        for order in kinds:
            for place, word in enumerate(order):
                known, first = told.setdefault(place, (word, part))
                if known != word:
                    raise DataError(
                        f"{name}: class {place} is {known!r} in {first} and {word!r} in {part}, since each table was"
                        " numbered by its own words; give read_rows the same classes= for all"
                    )
    return tuple(told[place][0] for place in sorted(told))


def _kinds(rows: Iterable[Row]) -> set[tuple[str, ...]]:
    return {row.target.words if isinstance(row.target, Label) else () for row in rows}


def alphabetical(splits: Splits) -> bool:
    """Return whether nobody gave the order of words."""
    return any(isinstance(row.target, Label) and row.target.alphabetical for row in splits.train)


def check_words(task: Task, splits: Splits) -> None:
    """Check labels in words against the task's target.

    Raises:
        DataError: See `words`.
        PluginError: The target is no class, there are more words than classes, or the names of classes stand in
            another order than the words.
    """
    order = words(splits, task.name)
    if not order:
        return
    told = ", ".join(f"{place} {word!r}" for place, word in enumerate(order[:6])) + (", ..." if order[6:] else "")
    if not isinstance(task.target, Classes):
        raise PluginError(f"{task.name}: its target is a number, but its labels are words: {told}")
    if len(order) > task.target.n:
        raise PluginError(f"{task.name}: it has {task.target.n} classes, but labels are {len(order)} words: {told}")
    names = task.target.names
    same = not names or names[: len(order)] == order
    if not same and (alphabetical(splits) or set(names) == set(order)):
        raise PluginError(
            f"{task.name}: its classes are named {', '.join(map(repr, names[:6]))}, but the words of its labels were"
            f" numbered {told}; give read_rows classes= in the order of Classes({task.target.n}, names)"
        )


def remarks(task: Task, labels: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return one sentence for each split that lacks a class, or holds one label only.

    Args:
        task: Whose target and names of classes.
        labels: Split -> what `rows.describe` says of its labels.
    """
    return [remark for split, found in labels.items() for remark in _of_split(task, split, found)]


def _of_split(task: Task, split: str, found: Mapping[str, Any]) -> list[str]:
    if not isinstance(task.target, Classes):
        return [f"all rows of {split} have the label {found['mean']:g}"] if found["min"] == found["max"] else []
    counts = found["counts"]
    names = [
        f"{place}" + (f" ({task.target.names[place]})" if task.target.names else "") for place in range(task.target.n)
    ]
    lacking = [names[place] for place, count in enumerate(counts) if not count]
    if not lacking:
        return []
    if len(lacking) == len(counts) - 1:
        return [f"all rows of {split} are of class {next(n for n, count in zip(names, counts, strict=True) if count)}"]
    if len(lacking) == 1:
        return [f"no row of {split} is of class {lacking[0]}"]
    more = f" and {len(lacking) - FEW} more" if len(lacking) > FEW else ""
    return [f"{len(lacking)} of {len(counts)} classes have no row in {split}: {', '.join(lacking[:FEW])}{more}"]
