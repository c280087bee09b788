"""Probe results for boards: as records, and as terminal text."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from discbench.values.checkpoints import told_apart
from discbench.words.names import counted

Record = dict[str, Any]


def records(results: Iterable[Record]) -> list[Record]:
    """Return finished measurements for a board, in a fixed order, without times and machines."""
    found = [
        {name: r[name] for name in ("id", "probe", "values", "figure", "warnings")}
        for r in results
        if r["status"] == "finished"
    ]
    return sorted(found, key=lambda r: json.dumps(r["probe"], sort_keys=True))


@dataclass(frozen=True, slots=True)
class Block:
    """What one probe found on one task: a column for each model or pair, a row for each value."""

    title: str
    columns: list[str]
    """Names, of several lines."""
    rows: list[list[str]]
    """The value's name, then mean and sd over seeds in each column."""
    warnings: list[str]


def sides(result: Record) -> list[Record]:
    """Return the one or two models of a measurement."""
    return [side for side in _sides(result["probe"]).values() if side]


def renamed(results: Iterable[Record], names: dict[tuple[str, str], str]) -> list[Record]:
    """Return measurements with their checkpoints called as `names` says of (name, revision)."""

    def named(side: Record | None) -> Record | None:
        return side and {**side, "checkpoint": names[side["checkpoint"], side["revision"]]}

    return [
        {**r, "probe": {**r["probe"], **{name: named(side) for name, side in _sides(r["probe"]).items()}}}
        for r in results
    ]


def apart(results: Iterable[Record]) -> list[Record]:
    """Return measurements with checkpoints of one name told apart."""
    held = list(results)
    return renamed(held, told_apart((s["checkpoint"], s["revision"]) for result in held for s in sides(result)))


def blocks(results: Iterable[Record]) -> list[Block]:
    """Return finished measurements by probe and task."""
    found: dict[tuple[str, str], dict[str, list[Record]]] = {}
    for result in apart(results):
        if result.get("status", "finished") == "finished":
            block = found.setdefault((result["probe"]["probe"], result["probe"]["task"]), {})
            block.setdefault(json.dumps(_without_seeds(result["probe"]), sort_keys=True), []).append(result)
    return [_block(f"{probe} on {task}", list(columns.values())) for (probe, task), columns in found.items()]


def _block(title: str, columns: list[list[Record]]) -> Block:
    members = [member for column in columns for member in column]
    names = dict.fromkeys(name for member in members for name in member["values"])
    return Block(
        title,
        [_name(column) for column in columns],
        [[name, *(_over_seeds([m["values"].get(name) for m in column]) for column in columns)] for name in names],
        list(dict.fromkeys(warning for member in members for warning in member["warnings"])),
    )


def table(results: Iterable[Record], out: Console) -> None:
    """Print measurements, a table for each probe and task."""
    for block in blocks(results):
        made = Table(box=SIMPLE_HEAD, pad_edge=False)
        made.add_column(Text(block.title))
        for name in block.columns:
            made.add_column(Text(name), justify="right")
        for row in block.rows:
            made.add_row(*map(Text, row))
        out.print(made)
        for warning in block.warnings:
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
        lines.append(f"mean ± sd of {counted(len(column), 'seed')}")
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
