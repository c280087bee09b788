"""What each page shows, as plain values for the templates."""

import hashlib
import re
from typing import Any

from discbench.results import published, references
from discbench.results.board import init_order
from discbench.results.boardtext import lacking, part_of, way_of
from discbench.results.headline import WAY, adaptability, counted
from discbench.results.leaktext import notes, with_sign
from discbench.results.rates import text as ratetext
from discbench.site import again, beside, charts, facts

Record = dict[str, Any]
NONE = "\N{EN DASH}"
FAMILIES = (
    "roberta",
    "albert",
    "electra",
    "deberta",
    "distilbert",
    "modernbert",
    "minilm",
    "mpnet",
    "xlnet",
    "gpt",
    "esm",
)
FIRST_ROWS = 100
"""Rows of the board that are in the page itself; a script shows the others."""
LARGE = 1e6


def score(value: float | None) -> str:
    """Return a score with three decimals."""
    if value is None:
        return NONE
    return f"{value:.3f}" if abs(value) < LARGE else f"{value:.3g}"


def signed(value: float | None) -> str:
    """Return a gain with its sign."""
    if value is None:
        return NONE
    return (f"{value:+.3f}" if abs(value) < LARGE else f"{value:+.3g}").replace("-", "\N{MINUS SIGN}")


def interval(bounds: Record | None) -> str:
    """Return an interval of gains, or a dash."""
    if not bounds or bounds.get("low") is None:
        return NONE
    return f"{signed(bounds['low'])} to {signed(bounds['high'])}"


def _slug(*parts: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", parts[0].lower()).strip("-")[:40] or "x"
    return f"{plain}-{hashlib.sha256('@'.join(parts).encode()).hexdigest()[:8]}"


def checkpoint_file(checkpoint: str, revision: str) -> str:
    """Return the name of a checkpoint's page."""
    return f"checkpoint-{_slug(checkpoint, revision)}.html"


def task_file(task: str) -> str:
    """Return the name of a task's page."""
    return f"task-{_slug(task)}.html"


def family(checkpoint: str) -> str:
    """Return the family that a checkpoint's name speaks of; `bert` last, as it is part of most others."""
    name = checkpoint.lower()
    return next((f for f in FAMILIES if f in name), "bert" if "bert" in name else "other")


def index(board: Record, *, figures: bool) -> Record:
    """Return the board's page: a row for each checkpoint and way of running it."""
    suites = [_suite(table) for table in board.get("suites", [])]
    disciplines = sorted({name for row in board["checkpoints"] for name in row["disciplines"]})
    rows = [_row(row, board, disciplines) for row in board["checkpoints"]]
    rows.sort(key=lambda row: (row["value"] is None, -(row["value"] or 0.0), row["checkpoint"], row["way"]))
    baselines = [e for e in board["entries"] if e["checkpoint"].startswith("baseline:")]
    return {
        "title": "discbench",
        "disciplines": disciplines,
        "rows": rows,
        "first": rows[:FIRST_ROWS],
        "families": sorted({row["family"] for row in rows}),
        "ways": sorted({row["way"] for row in rows}),
        "tasks": [{"name": t, "file": task_file(t)} for t in sorted({e["task"] for e in board["entries"]})],
        "baselines": sorted({(e["checkpoint"], checkpoint_file(e["checkpoint"], e["revision"])) for e in baselines}),
        "suites": suites,
        "glance": charts.glance(suites) if figures else None,
        "ranks": charts.ranks(rows) if any(row["rank"] for row in rows) and len(rows) <= FIRST_ROWS else None,
    }


def _row(row: Record, board: Record, disciplines: list[str]) -> Record:
    mine = (
        [e for e in board["entries"] if all(e.get(k) == row.get(k) for k in WAY)]  # boards of before tell no rate
        if len(board["checkpoints"]) <= FIRST_ROWS
        else []
    )
    others = {init: _adaptability(mine, init) for init in ("reembedded", "frozen")}
    return {
        "checkpoint": row["checkpoint"],
        "revision": row["revision"],
        "file": checkpoint_file(row["checkpoint"], row["revision"]),
        "family": family(row["checkpoint"]),
        "way": way_of(row),
        "value": row["adaptability"],
        "seeds": [row["low"], row["high"]],
        "both": [row["both"]["low"], row["both"]["high"]] if row["both"] else [None, None],
        "n": row["n"],
        "rank": row["rank"],
        "inseparable": row["inseparable"],
        "by": [row["disciplines"].get(name) for name in disciplines],
        "others": {init: value for init, value in others.items() if value is not None},
        "marks": row["marks"],
        "missing": row["missing"],
    }


def _suite(table: Record) -> Record:
    """Return a suite's table: complete checkpoints first, by adaptability."""
    disciplines = sorted({name for row in table["checkpoints"] for name in row["disciplines"]})
    rows = [
        {
            **row,
            "file": checkpoint_file(row["checkpoint"], row["revision"]),
            "by": [row["disciplines"].get(name) for name in disciplines],
            "lacks": lacking(row["missing"]),
            "part": part_of(row, table),
            "single": ratetext.at_default(row).replace("-", "\N{MINUS SIGN}"),
            "wary": [f"{task}: {line}" for task, of in (row.get("rate_warnings") or {}).items() for line in of],
        }
        for row in table["checkpoints"]
    ]
    rows.sort(key=lambda row: (not row["complete"], -(row["adaptability"] or 0.0), row["checkpoint"]))
    parts = [
        f"{', '.join(part['tasks'])}: {', '.join(part['inits'])}, {part['seeds']} seeds, mapping {part['mapping']},"
        f" recipe {part['recipe']}"
        + (", rates tuned" if part.get("rates") == "tuned" else "")
        + (f", at most {'/'.join(map(str, part['take']))} rows" if part["take"] else "")
        for part in table["parts"]
    ]
    return {**table, "disciplines": disciplines, "rows": rows, "made": parts}


def _adaptability(entries: list[Record], init: str) -> float | None:
    """Return the mean gain of an init over tasks of a discipline, then over disciplines."""
    given = {e["task"]: counted(e, init) for e in entries if e["about"] and not e["about"]["control"]}
    means = {task: gain["mean"] for task, gain in given.items() if gain}
    return adaptability(means) if means else None


def checkpoint(board: Record, name: str, revision: str, *, figures: bool) -> Record:
    """Return a checkpoint's page."""
    entries = [e for e in board["entries"] if (e["checkpoint"], e["revision"]) == (name, revision)]
    heads = [r for r in board["checkpoints"] if (r["checkpoint"], r["revision"]) == (name, revision)]
    blocks: dict[str, list[Record]] = {}
    for entry in sorted(entries, key=lambda e: (bool(e["marks"]), e["fraction"] < 1)):
        blocks.setdefault(_way(entry), []).append(entry)
    probes = [
        p
        for p in board["probes"]
        for side in (p["probe"]["model"], p["probe"]["against"] or {})
        if (side.get("checkpoint"), side.get("revision")) == (name, revision)
    ]
    return {
        "title": name,
        "name": name,
        "revision": revision,
        "blocks": [_block(way, members, heads, figures=figures) for way, members in blocks.items()],
        "probes": _probes(list({p["id"]: p for p in probes}.values()), figures=figures),
    }


def _block(way: str, entries: list[Record], heads: list[Record], *, figures: bool) -> Record:
    inits = sorted({i for e in entries for i in e["inits"]}, key=init_order)
    curves = [(e, charts.curves(e)) for e in entries] if figures else []
    return {
        "way": way,
        "head": next((h for h in heads if _way(h) == way), None),
        "inits": inits,
        "entries": [{**e, "file": task_file(e["task"]), "told": with_sign(e)} for e in entries],
        "made": [_made(e, init) for e in entries for init in inits if init in e["inits"]],
        "elsewhere": any("=DIRECTORY" in again.command(e, "none", [0]) for e in entries),
        "key": next(
            (beside.mark(e) for e in entries if e["about"] and not e["checkpoint"].startswith("baseline:")), None
        ),
        "leaks": notes(entries),
        "references": references.notes(entries),
        "unused": any(e["unused"] for e in entries),
        "gains": charts.gains([(e["task"], e["gain"]) for e in entries if e["gain"]]) if figures else None,
        "curves": [{"task": e["task"], "svg": svg} for e, svg in curves if svg],
        "low": [e for e in entries if e["fraction"] < 1],
        "rates": ratetext.lines(entries),
        "wary": ratetext.warnings(entries),
    }


def _made(entry: Record, init: str) -> Record:
    """Return the command that makes an entry's cells of one init again, and their ids by seed."""
    cells = entry["inits"][init]["cells"]
    told = again.command(entry, init, [int(seed) for seed in cells])
    return {"task": entry["task"], "init": init, "cells": cells, "command": told}


def _way(entry: Record) -> str:
    """Return how it was run, with its marks: what a page's sections are told apart by."""
    return way_of(entry) + "".join(f", {mark}" for mark in entry["marks"])


def task(board: Record, name: str, *, figures: bool) -> Record:
    """Return a task's page: every checkpoint on it."""
    entries = [e for e in board["entries"] if e["task"] == name]
    about: Record = next((e["about"] for e in entries if e["about"]), {})
    rows = [
        {
            **e,
            "file": checkpoint_file(e["checkpoint"], e["revision"]),
            "way": way_of(e),
            "label": f"{e['checkpoint']} ({way_of(e)})",
        }
        for e in entries
    ]
    rows.sort(key=lambda e: -(e["gain"]["mean"] if e["gain"] else float("-inf")))
    recovered = any(e["gain"] and e["gain"].get("recovery") is not None for e in entries)
    paper = [
        r
        for mapping in sorted({e["mapping"] for e in entries})
        for r in published.of_task(about.get("name", ""), mapping)
    ]
    return {
        "title": name,
        "name": name,
        "about": about,
        "rows": rows,
        "inits": sorted({i for e in entries for i in e["inits"]}, key=init_order),
        "gains": charts.gains([(e["label"], e["gain"]) for e in rows if e["gain"]]) if figures else None,
        "leaks": notes(entries),
        "recovered": recovered,
        "specialists": list(
            {(of["checkpoint"], of["score"]): of for e in entries if (of := e.get("reference"))}.values()
        ),
        "told": facts.task(next((t for t in board.get("tasks", []) if t["task"] == name), None)),
        "published": list({(r["model"], r["table"], r["mapping"]): r for r in paper}.values()),
    }


def _probes(found: list[Record], *, figures: bool) -> list[Record]:
    """Return probes in blocks: one for each probe and task, its values as a table."""
    blocks: dict[tuple[str, str], list[Record]] = {}
    for record in found:
        blocks.setdefault((record["probe"]["probe"], record["probe"]["task"]), []).append(record)
    return [
        {
            "probe": probe,
            "task": task_name,
            "names": list(dict.fromkeys(n for r in members for n in r["values"])),
            "columns": [{"label": _label(r["probe"]), "values": r["values"]} for r in members],
            "svg": charts.probe(probe.split("@")[0], [(_label(r["probe"]), r["figure"]) for r in _comparable(members)])
            if figures
            else None,
            "warnings": list(dict.fromkeys(w for r in members for w in r["warnings"])),
        }
        for (probe, task_name), members in sorted(blocks.items())
    ]


def _comparable(members: list[Record]) -> list[Record]:
    """Return what shares a chart: the paper's own recipe has other units, so it is drawn only where it stands alone."""
    return [r for r in members if not r["probe"]["as_published"]] or members


def _label(probe: Record) -> str:
    side, other = probe["model"], probe["against"]
    against = f" against {other['checkpoint']} {other['init']}" if other else ""
    return f"{side['checkpoint']} {side['init']}{against}{', as published' if probe['as_published'] else ''}"
