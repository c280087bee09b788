"""Probe results for boards: as records, and as terminal text."""

import json
import statistics
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
    """Print measurements: a block for each probe and task, a column for each model or pair, mean and sd over seeds."""
    blocks: dict[tuple[str, str], dict[str, list[Record]]] = {}
    for result in results:
        if result.get("status", "finished") == "finished":
            block = blocks.setdefault((result["probe"]["probe"], result["probe"]["task"]), {})
            block.setdefault(json.dumps(_without_seeds(result["probe"]), sort_keys=True), []).append(result)
    for (probe, task), columns in blocks.items():
        members = [member for column in columns.values() for member in column]
        made = Table(box=SIMPLE_HEAD, pad_edge=False)
        made.add_column(f"{probe} on {task}")
        for column in columns.values():
            made.add_column(_name(column), justify="right")
        for name in dict.fromkeys(name for member in members for name in member["values"]):
            made.add_row(name, *(_over_seeds([m["values"].get(name) for m in column]) for column in columns.values()))
        out.print(made)
        for warning in dict.fromkeys(w for member in members for w in member["warnings"]):
            out.print(f"warning: {warning}", markup=False)


def _without_seeds(probe: Record) -> Record:
    """Return what is measured but for its seeds; two draws of one init stay apart from a model and itself."""
    sides = {name: side and {k: v for k, v in side.items() if k != "seed"} for name, side in _sides(probe).items()}
    return {**{name: value for name, value in probe.items() if name != "mapping_seed"}, **sides}


def _sides(probe: Record) -> dict[str, Record | None]:
    return {"model": probe["model"], "against": probe["against"]}


def _name(column: list[Record]) -> str:
    probe = column[0]["probe"]
    side, other = probe["model"], probe["against"]
    lines = [side["checkpoint"], side["init"]]
    if other:
        lines += ["against", other["checkpoint"], other["init"]]
    if probe["as_published"]:
        lines.append("as published")
    layers = ",".join(map(str, probe["layers"]))
    lines.append(f"{probe['limit']} rows" + (f", layers {layers}" if layers != "-1" else ""))
    if len(column) > 1:
        lines.append(f"mean ± sd of {len(column)} seeds")
    return "\n".join(lines)


def _over_seeds(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "\N{EN DASH}"
    if len(set(known)) == 1:
        return _number(known[0])
    spread = f" ± {statistics.stdev(known):.2g}" if len(known) > 1 else ""
    return f"{statistics.fmean(known):.4g}{spread}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
