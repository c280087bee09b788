"""Plans and task lists as terminal text."""

import shutil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from discbench.data import rowcache
from discbench.plugins.suites import Part, Suite
from discbench.sweeps.progress import duration
from discbench.values.cells import steps_of
from discbench.values.measurement import Probe
from discbench.values.rates import SEEDS, STEPS, TUNED
from discbench.values.recipes import as_record, recipe_for
from discbench.values.types import Dataset, Task
from discbench.words.names import counted
from discbench.words.terminal import Terminal

Record = dict[str, Any]
NARROWEST = 100


def console(*, wide: bool = False) -> Console:
    """Return a console on stdout; in a pipe lines are as long as they need to be."""
    found = Terminal()
    if not found.is_terminal or wide:
        found = Terminal(width=max(NARROWEST, 200))
    return found


def width() -> int:
    """Return the terminal's width in characters."""
    return shutil.get_terminal_size((NARROWEST, 24)).columns


def tasks(found: list[Task], out: Console) -> None:
    """Print one line a task."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("task", "symbols", "target", "metric", "train/valid/test", "source", "licence"):
        table.add_column(name, overflow="fold" if name == "source" else "ellipsis", no_wrap=True)
    for task in found:
        sizes = "/".join(map(str, task.dataset.sizes)) if task.dataset.sizes else "?"
        symbols = f"{task.mapping.symbols} symbols" if task.mapping.symbols else "text"
        table.add_row(
            task.id, symbols, str(task.target), task.metric.name, sizes, source(task.dataset), task.dataset.license
        )
    out.print(table)


def source(dataset: Dataset) -> str:
    """Return where rows come from, in a word."""
    return dataset.source.split("//")[-1].split("/")[0] if dataset.source else "generated"


def task_record(task: Task) -> Record:
    """Return a task as JSON."""
    return {
        "name": task.name,
        "version": task.version,
        "id": task.id,
        "discipline": task.discipline,
        "symbols": task.mapping.symbols or None,
        "mapping": task.mapping.kind,
        "target": str(task.target),
        "metric": task.metric.name,
        "metrics": [metric.name for metric in task.metrics],
        "sizes": task.dataset.sizes and dict(zip(("train", "validation", "test"), task.dataset.sizes, strict=True)),
        "source": task.dataset.source or "generated",
        "license": task.dataset.license,
        "cite": task.dataset.cite,
        "rows_sha256": task.dataset.rows_sha256,
        "chance": task.chance,
        "ceiling": task.ceiling,
        "control": task.control,
        "about": task.about,
    }


def plan(rows: list[Record], out: Console) -> None:
    """Print the cells of a sweep, and what is left to do."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("cell", "what", "state", "train rows", "steps", "tokens"):
        table.add_column(name, no_wrap=True, justify="right" if name in {"train rows", "steps", "tokens"} else "left")
    for row in rows:
        counts = ["?" if row[n] is None else f"{row[n]:,}" for n in ("rows", "steps", "tokens")]
        table.add_row(row["id"] or "\N{EN DASH}", row["words"], row["state"], *counts)
    out.print(table)
    left = [row for row in rows if row["state"] not in {"finished", "unreadable"}]
    done, lost = (sum(row["state"] == state for row in rows) for state in ("finished", "unreadable"))
    out.print(
        f"\n{len(rows)} cells, {done} finished, {f'{lost} unreadable, ' if lost else ''}{len(left)} to run:"
        f" {sum(r['steps'] or 0 for r in left):,} steps, {sum(r['tokens'] or 0 for r in left):,} tokens"
    )


def search(points: list[Record], best: list[Record], out: Console) -> None:
    """Print a search for a recipe: validation scores over optimisers and rates, and the best of each init."""
    for checkpoint, task, init in dict.fromkeys((p["checkpoint"], p["task"], p["init"]) for p in points):
        mine = [p for p in points if (p["checkpoint"], p["task"], p["init"]) == (checkpoint, task, init)]
        optimizers = list(dict.fromkeys(p["optimizer"] for p in mine))
        metric = next((p["metric"] for p in mine if p["metric"]), "?")
        out.print(
            Text.assemble("\n", (f"{checkpoint} {task} {init}", "bold"), f": {metric} on validation, mean ± sd (n)")
        )
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("lr")
        for name in optimizers:
            table.add_column(name, justify="right")
        for rate in sorted({p["lr"] for p in mine}, reverse=True):
            row = {p["optimizer"]: p for p in mine if p["lr"] == rate}
            table.add_row(f"{rate:g}", *(_of_point(row.get(name), best) for name in optimizers))
        out.print(table)
        if any(p["collapsed"] for p in mine):
            out.print("* constant predictions in some seed")
    for point in best:
        recipe = f"--set optimizer={point['optimizer']} --set lr={point['lr']:g}"
        score = f"{point['metric']} {point['mean']:.3f} on validation, {counted(point['n'], 'seed')}"
        edge = point["edge"]
        hint = f"; the {edge} rate of the grid, so a better one may lie beyond it" if edge else ""
        flat = (
            f"; constant predictions in {point['collapsed']} of {counted(point['n'], 'seed')}"
            if point["collapsed"]
            else ""
        )
        out.print(f"best of {point['checkpoint']} {point['init']}: {recipe} ({score}){hint}{flat}")
    for point in points[:1]:
        out.print(
            f"To use it: discbench eval with --tasks {point['task'].split('@')[0]} and the same options, and these."
        )
    out.print("Chosen on validation rows alone; test rows took no part.")


def _of_point(point: Record | None, best: list[Record]) -> str | Text:
    if point is None:
        return ""
    if point["mean"] is None:
        return "diverged" if point["diverged"] == point["failed"] else "failed"
    spread = "" if point["sd"] is None else f" ± {point['sd']:.3f}"
    failed = f", {point['failed']} failed" if point["failed"] else ""
    flat = "*" if point["collapsed"] else ""
    text = f"{point['mean']:.3f}{spread} ({point['n']}{failed}){flat}"
    return Text(text, style="bold") if point in best else text


def probes(found: list[Probe], out: Console) -> None:
    """Print one line a probe, and what --as-published changes."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("probe", "models", "rows", "measures", "as published"):
        table.add_column(name, overflow="fold")
    for probe in found:
        models = "two" if probe.pair else "one"
        table.add_row(probe.id, models, str(probe.rows), probe.about, probe.as_published or "the same")
    out.print(table)


def probe_card(probe: Probe) -> str:
    """Return all that is known of a probe, a line a fact."""
    facts = {
        "measures": probe.about,
        "models": "two, compared" if probe.pair else "one at a time",
        "rows": f"{probe.rows} of the test split unless --rows says otherwise, drawn by the seed",
        "layers": "those of --layers" if probe.layers else "as it says; --layers changes nothing",
        "invariant to": ", ".join(probe.invariances) or "nothing is promised",
        "identical models": ", ".join(f"{name} {value:g}" for name, value in probe.identical),
        "as published": probe.as_published or "the same",
    }
    return "\n".join([probe.id, *(f"  {name:17}{fact}" for name, fact in facts.items() if fact)])


def probe_record(probe: Probe) -> Record:
    """Return a probe as JSON."""
    return {
        "name": probe.name,
        "version": probe.version,
        "id": probe.id,
        "about": probe.about,
        "pair": probe.pair,
        "rows": probe.rows,
        "layers": probe.layers,
        "invariances": list(probe.invariances),
        "identical": dict(probe.identical),
        "as_published": probe.as_published,
    }


def suite_record(suite: Suite, tasks: dict[str, Task], directory: Path | None) -> Record:
    """Return a suite as JSON, with what it costs a checkpoint as far as sizes are known."""
    cells, searches, steps, tokens, unknown = 0, 0, 0, 0, []
    for part in suite.parts:
        times = len(STEPS) * len(SEEDS) if part.rates == TUNED else 0
        for name in part.tasks:
            cells += part.seeds * len(part.inits)
            searches += times * len(part.inits)
            each = [_cost(tasks[name], part, init, directory) if name in tasks else None for init in part.inits]
            if None in each:
                unknown.append(name)
            steps += (part.seeds + times) * sum(cost[0] for cost in each if cost)
            tokens += (part.seeds + times) * sum(cost[1] for cost in each if cost)
    counts = {"cells": cells, "search_cells": searches, "steps": steps, "tokens": tokens}
    return {**suite.record, "id": suite.id, **counts, "unknown": unknown}


def _cost(task: Task, part: Part, init: str, directory: Path | None) -> tuple[int, int] | None:
    """Return the steps and the tokens of one cell; None where the sizes of its rows are not known."""
    note = rowcache.summary(task, directory) or {}
    sizes = note.get("sizes") or task.dataset.sizes
    length = note.get("mean_symbols") or task.max_symbols or getattr(task.mapping, "max_tokens", None)
    if not sizes or not length:
        return None
    rows = min(sizes[0], part.take[0]) if part.take else sizes[0]
    recipe = as_record(recipe_for(part.recipe, init, {}))
    steps = steps_of(rows, recipe)
    return steps, int(steps * min(rows, recipe["batch"]) * (length + 2))


def suites(records: list[Record], out: Console) -> None:
    """Print one line a suite."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("suite", "tasks", "cells", "of searches", "steps", "tokens", "about"):
        table.add_column(name, justify="left" if name in {"suite", "about"} else "right")
    if timed := any("seconds" in row for row in records):
        table.add_column("about here", justify="right")
    for row in records:
        count = sum(len(part["tasks"]) for part in row["parts"])
        more = "+" if row["unknown"] else ""
        table.add_row(
            row["id"],
            str(count),
            str(row["cells"]),
            str(row["search_cells"]),
            f"{row['steps']:,}{more}",
            f"{row['tokens']:,}{more}",
            row["about"],
            *([f"{duration(row['seconds'])}{more}"] if timed else []),
        )
    out.print(table)
    for row in records:
        if row["unknown"]:
            out.print(f"+ {row['id']}: not counted, since their sizes are not known here: {', '.join(row['unknown'])}")
    out.print(
        "cells, steps and tokens of training for one checkpoint and its controls; of searches: cells that are tried"
    )
    out.print("for learning rates before, on the first grid; a best rate at its end adds cells")
