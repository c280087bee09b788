"""Boards, plans and task lists as terminal text."""

import shutil
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from discbench.types import Dataset, Task

Record = dict[str, Any]
NARROWEST = 100
NONE = "\N{EN DASH}"


def console(*, wide: bool = False) -> Console:
    """Return a console on stdout; in a pipe lines are as long as they need to be."""
    found = Console(highlight=False)
    if not found.is_terminal or wide:
        found = Console(highlight=False, width=max(NARROWEST, 200))
    return found


def width() -> int:
    """Return the terminal's width in characters."""
    return shutil.get_terminal_size((NARROWEST, 24)).columns


def board(record: Record, out: Console) -> None:
    """Print a board: per task, mean and sd of each init and gain with interval; then every score by seed."""
    for title, entries in _blocks(record).items():
        inits = sorted({i for e in entries for i in e["inits"]}, key=_order)
        out.print(f"\n[bold]{title}[/bold]")
        out.print(_means(entries, inits))
        out.print(_scores(entries, inits))
        _leaks(entries, out)
    _headlines(record, out)


def _leaks(entries: list[Record], out: Console) -> None:
    """Say how much of a score goes when relatives stay on one side, where a task and its `-grouped` twin were run."""
    named = {e["task"].split("@")[0]: e["inits"] for e in entries}
    for name in sorted(named):
        for init, grouped in named.get(f"{name}-grouped", {}).items():
            by_row = named[name].get(init, {}).get("mean")
            if by_row is not None and grouped["mean"] is not None:
                apart = grouped["mean"]
                out.print(
                    f"leak in {name}, {init}: {by_row:.3f} split by row, {apart:.3f} with relatives on one side:"
                    f" {by_row - apart:+.3f}"
                )


def _order(init: str) -> int:
    order = ["pretrained", "scratch", "reembedded", "frozen"]
    return order.index(init) if init in order else len(order)


def _blocks(record: Record) -> dict[str, list[Record]]:
    blocks: dict[str, list[Record]] = {}
    for entry in record["entries"]:
        changed = "".join(f", {k}={v}" for k, v in entry["changed"].items())
        cut = (f", limit {entry['limit']}" if entry["limit"] else "") + (
            f", {entry['fraction']:.0%} of train" if entry["fraction"] < 1 else ""
        )
        marks = f"  [{'; '.join(entry['marks'])}]".replace("[", "\\[") if entry["marks"] else ""
        title = f"{entry['checkpoint']}  mapping {entry['mapping']}, recipe {entry['recipe']}{changed}{cut}{marks}"
        blocks.setdefault(title, []).append(entry)
    return blocks


def _means(entries: list[Record], inits: list[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("task")
    table.add_column("metric (chance)")
    for init in inits:
        table.add_column(f"{init}\nmean ± sd (n)", justify="right")
    table.add_column("gain over scratch\n95 % interval", justify="right")
    for entry in entries:
        about = entry["about"] or {}
        chance = "" if about.get("chance") is None else f" ({about['chance']:.2f})"
        cells = [_mean(entry["inits"].get(init)) for init in inits]
        table.add_row(entry["task"], f"{about.get('metric', '?')}{chance}", *cells, gain(entry["gain"]))
    return table


def _mean(column: Record | None) -> str:
    if not column or not column["n"]:
        return "failed" if column and column["failed"] else NONE
    spread = "" if column["sd"] is None else f" ± {column['sd']:.3f}"
    failed = f", {len(column['failed'])} failed" if column["failed"] else ""
    return f"{column['mean']:.3f}{spread} ({column['n']}{failed})"


def gain(record: Record | None) -> str:
    """Return a gain with its interval, or why there is none."""
    if record is None:
        return "needs scratch"
    if record["low"] is None:
        return f"{record['mean']:+.3f} (n {record['n']}: no interval)"
    return f"{record['mean']:+.3f} [{record['low']:+.3f}, {record['high']:+.3f}]".replace("[", "\\[")


def _scores(entries: list[Record], inits: list[str]) -> Table:
    seeds = sorted({s for e in entries for c in e["inits"].values() for s in c["scores"]}, key=int)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption="* constant predictions", caption_justify="left")
    if not any(c["collapsed"] for e in entries for c in e["inits"].values()):
        table.caption = None
    table.add_column("every score, by seed")
    for init in inits:
        table.add_column(f"{init}: seed {' '.join(seeds)}")
    for entry in entries:
        table.add_row(entry["task"], *(_row(entry["inits"].get(init), seeds) for init in inits))
    return table


def _row(column: Record | None, seeds: list[str]) -> str:
    if not column:
        return NONE
    flat = {str(s) for s in column["collapsed"]}
    return " ".join(short(column["scores"].get(s)) + ("*" if s in flat else "") for s in seeds)


def short(score: float | None) -> str:
    """Return a score with three decimals and no leading zero; a dash for none."""
    if score is None:
        return NONE
    text = f"{score:.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _headlines(record: Record, out: Console) -> None:
    for row in record["checkpoints"]:
        if row["adaptability"] is None:
            continue
        bounds = "no interval" if row["low"] is None else f"95 % interval {row['low']:+.3f} to {row['high']:+.3f}"
        missing = f"; incomplete, missing {', '.join(row['missing'])}" if row["missing"] else ""
        marked = f"; marked {', '.join(row['marks'])}, not for comparison with whole runs" if row["marks"] else ""
        disciplines = ", ".join(f"{name} {mean:+.3f}" for name, mean in row["disciplines"].items())
        out.print(
            f"\nadaptability of {row['checkpoint']} (mean gain over scratch, {row['recipe']}): "
            f"[bold]{row['adaptability']:+.3f}[/bold], {bounds}, {row['n']} seeds ({disciplines}){missing}{marked}"
        )


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
        table.add_row(row["id"], row["words"], row["state"], *counts)
    out.print(table)
    left = [row for row in rows if row["state"] != "finished"]
    out.print(
        f"\n{len(rows)} cells, {len(rows) - len(left)} finished, {len(left)} to run:"
        f" {sum(r['steps'] or 0 for r in left):,} steps, {sum(r['tokens'] or 0 for r in left):,} tokens"
    )
