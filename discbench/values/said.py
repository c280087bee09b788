"""What a task says of itself, as JSON: what cards print, and what a board tells of the tasks on it."""

from collections.abc import Iterable, Mapping
from typing import Any

from discbench.values.mapping import RandomTable, TextTable
from discbench.values.types import Classes, Task
from discbench.words.names import one_line, printable

Record = dict[str, Any]
MOST_SYMBOLS = 256
"""So many symbols of an alphabet are named."""
MOST_TOLD = 1000
"""Characters of a text."""


def said(task: Task) -> Record:
    """Return what a task says of itself, its rows apart: no file is read."""
    data, mapping = task.dataset, task.mapping
    table = mapping if isinstance(mapping, RandomTable) else None
    return {
        "about": _text(task.about),
        "target": str(task.target),
        "classes": [_text(name) for name in task.target.names] if isinstance(task.target, Classes) else [],
        "metrics": [metric.name for metric in task.metrics],
        "symbols": mapping.symbols or None,
        "alphabet": [printable(str(symbol)) for symbol in table.alphabet[:MOST_SYMBOLS]] if table else [],
        "mapping": mapping.kind,
        "longest": mapping.max_tokens if isinstance(mapping, TextTable) else task.max_symbols,
        "source": _text(data.source),
        "license": _text(data.license),
        "cite": _text(data.cite),
        "sizes": data.sizes and list(data.sizes),
        "published": _text(data.published),
        "overlap": _text(data.overlap),
        "rows_sha256": data.rows_sha256,
    }


def _text(text: str) -> str:
    return one_line(text, MOST_TOLD)


def all_said(tasks: Iterable[Task]) -> dict[str, Record]:
    """Return what each task says of itself, by its id."""
    return {task.id: said(task) for task in tasks}


def hashes(told: Mapping[str, Record]) -> dict[str, str | None]:
    """Return the SHA-256 that each task names for its rows, by its id, of what `all_said` returned."""
    return {name: says["rows_sha256"] for name, says in told.items()}
