"""What is known of leaks, told where a score is read: near copies of train rows, and what a grouped twin scores."""

from typing import Any

from rich.console import Console

from discbench.words import copies

Record = dict[str, Any]
SIGN = "\N{DAGGER}"


def with_sign(entry: Record) -> str:
    """Return an entry's task, with a sign if its test rows are known to leak."""
    return f"{entry['task']} {SIGN}" if copies.leak(entry.get("copies")) else str(entry["task"])


def notes(entries: list[Record]) -> list[str]:
    """Return a line for each task whose test rows are known to leak, in the order of the entries."""
    found = {f"{SIGN} {entry['task']}: {note}": None for entry in entries if (note := copies.leak(entry.get("copies")))}
    return list(found)


def leaks(entries: list[Record], out: Console) -> None:
    """Print what is known of leaks: the notes, and how much of a score goes when relatives stay on one side."""
    for note in notes(entries):
        out.print(note, highlight=False)
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
