"""What is remarkable in a task's labels: not forbidden, but an author should know it, and a reader of its scores."""

from collections.abc import Mapping
from typing import Any

from discbench.values.types import Classes, Task

FEW = 5
"""So many classes are named."""


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
