"""Tuned rates as terminal text: which were chosen, and the gain beside that under the recipe's single rate."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

Record = dict[str, Any]
NONE = "\N{EN DASH}"
PLAIN = {"soft_wrap": True, "highlight": False}


def chosen(lr: float | None) -> str:
    """Return a rate as it is written."""
    return NONE if lr is None else f"{lr:g}"


def grid(found: Record) -> str:
    """Return how a search went, in words: `5 rates from 0.0001 to 0.01, 2 seeds`."""
    tried = sorted(map(float, found["rates"]))
    failed = f", {found['failed']} cells failed" if found["failed"] else ""
    return f"{len(tried)} rates from {tried[0]:g} to {tried[-1]:g}, {found['seeds']} seeds{failed}"


def warnings(entries: list[Record]) -> list[str]:
    """Return a line for each thing that a reader of gains under tuned rates should know."""
    return [f"{entry['task']}: {line}" for entry in entries for line in entry.get("rate_warnings") or ()]


def lines(entries: list[Record]) -> list[tuple[str, ...]]:
    """Return (task, init, chosen, searched over, gain, gain at the recipe's single rate) of tuned entries, in words."""
    found = []
    for entry in entries:
        for init, of in (entry.get("search") or {}).items():
            single = (entry["default_rate"] or {}).get("gain") if init == "pretrained" else None
            gains = [NONE if gain is None else f"{gain['mean']:+.3f}" for gain in (entry["gains"].get(init), single)]
            lr = entry["inits"][init]["lr"] or of["lr"]
            found.append((entry["task"], init, chosen(lr), grid(of), *gains))
    return found


def rates(entries: list[Record], out: Console) -> None:
    """Print the rates of entries whose rates are tuned, and what to be wary of."""
    tuned = [entry for entry in entries if entry.get("search")]
    if not tuned:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption_justify="left")
    table.caption = "rates are chosen on validation rows or held-out train rows, before any test row is read"
    for place, name in enumerate(
        ("learning rates", "init", "chosen", "searched over", "gain", "gain at the\nrecipe's rate")
    ):
        table.add_column(name, justify="left" if place in {0, 1, 3} else "right")
    for line in lines(tuned):
        table.add_row(*line)
    out.print(table)
    for warning in warnings(tuned):
        out.print(f"warning: {warning}", **PLAIN)  # type: ignore[arg-type] # keywords of print


def at_default(row: Record) -> str:
    """Return a checkpoint's adaptability under its recipes' single rates, in words; "" where that is not known."""
    found = row.get("default_rates")
    if not found or found["adaptability"] is None:
        return ""
    both = f" [{found['both']['low']:+.3f}, {found['both']['high']:+.3f}]" if found["both"] else ""
    return f"{found['adaptability']:+.3f}{both}"


def of_suite(table: Record, out: Console) -> None:
    """Print what a suite's table says of rates: gains under the recipe's single rate, and warnings."""
    for row in table["checkpoints"]:
        if single := at_default(row):
            out.print(f"{row['checkpoint']}: {single} at the recipe's single rate", **PLAIN)  # type: ignore[arg-type]
        for task, lines in (row.get("rate_warnings") or {}).items():
            for line in lines:
                out.print(f"warning: {row['checkpoint']} {task}: {line}", **PLAIN)  # type: ignore[arg-type]
