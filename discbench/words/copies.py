"""Near copies in words: what `discbench.data.relatives.copies.count` found, for cards and boards."""

from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]
FROM = 0.01
"""A leak is told beside scores from this share of test rows on; the card tells every row."""


def told(way: Record, split: str) -> str:
    """Return how many rows of a split are near copies of train rows, in one of the ways of being one."""
    found = way[split]
    return f"{found['near']:,} of {found['rows']:,} {split} rows {way['what']}{_agreement(found)}"


def leak(ways: Sequence[Record] | None) -> str:
    """Return which share of test rows are near copies of train rows, in words; "" where it is under 1 % or unknown."""
    return "; ".join(
        f"{100 * way['test']['near'] / way['test']['rows']:.0f} % of test rows {way['what']}{_agreement(way['test'])}"
        + (f" ({way['apart']} keeps these on one side)" if way["apart"] else "")
        for way in ways or ()
        if way["test"]["near"] >= FROM * way["test"]["rows"]
    )


def _agreement(found: Record) -> str:
    if found["same_label"] is not None:
        return f", {100 * found['same_label']:.0f} % of them with its label"
    return "" if found["correlation"] is None else f", labels correlated {found['correlation']:.2f}"
