"""Probe results for boards: as records, and as terminal text."""

import json
from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

Record = dict[str, Any]


def records(results: Iterable[Record]) -> list[Record]:
    """Return finished measurements for a board, in a fixed order, without times and machines."""
    found = [
        {name: r[name] for name in ("id", "probe", "values", "figure", "warnings")}
        for r in results
        if r["status"] == "finished"
    ]
    return sorted(found, key=lambda r: json.dumps(r["probe"], sort_keys=True))


def table(results: Iterable[Record], out: Console) -> None:
    """Print measurements: one block a probe and task, one row a model or pair, the values across."""
    blocks: dict[tuple[str, str], list[Record]] = {}
    for result in results:
        if result.get("status", "finished") == "finished":
            blocks.setdefault((result["probe"]["probe"], result["probe"]["task"]), []).append(result)
    for (probe, task), members in blocks.items():
        names = list(dict.fromkeys(name for m in members for name in m["values"]))
        made = Table(box=SIMPLE_HEAD, pad_edge=False)
        made.add_column(f"{probe} on {task}")
        for member in members:
            made.add_column(_name(member["probe"]), justify="right")
        for name in names:
            made.add_row(name, *(_number(member["values"].get(name)) for member in members))
        out.print(made)
        for warning in dict.fromkeys(w for m in members for w in m["warnings"]):
            out.print(f"warning: {warning}")


def _name(probe: Record) -> str:
    side, other = probe["model"], probe["against"]
    first = f"{side['checkpoint']}\n{side['init']}"
    second = f"\nagainst\n{other['checkpoint']}\n{other['init']}" if other else ""
    return f"{first}{second}{chr(10) + 'as published' if probe['as_published'] else ''}\n{probe['limit']} rows"


def _number(value: float | None) -> str:
    if value is None:
        return "\N{EN DASH}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
