"""Scores as papers print them, to set beside one's own."""

import json
from functools import cache
from pathlib import Path
from typing import Any

Record = dict[str, Any]
FILES = ("kao-lee-2021",)


@cache
def read(name: str = FILES[0]) -> Record:
    """Return a paper's figures: `cite`, `notes`, and `records`.

    A record holds table, model, init, mapping, task or discipline, score (a fraction), sd and runs.
    """
    found: Record = json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))
    return found


def of_task(task: str, mapping: str) -> list[Record]:
    """Return what was published on a task (its name, without version) under a mapping, specialists among it."""
    return [r for r in read()["records"] if r.get("task") == task and r["mapping"] in {mapping, None}]
