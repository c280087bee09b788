"""Specialists measured here: what recovery is held against, where a checkpoint of the discipline read the same rows.

Of all checkpoints that were run with mapping `native` on a task, in the same way and on the same rows, the one with the
best mean score is the task's reference. A checkpoint is no reference of itself.

Uses `values`.
"""

import json
from collections import defaultdict
from typing import Any

from discbench.values.checkpoints import VOCAB
from discbench.words.names import counted

Record = dict[str, Any]
READING = frozenset({"checkpoint", "revision", "mapping", "map_specials", "mapping_seed"})
"""What a specialist's run may differ in."""


def refer(entries: list[Record], way: tuple[str, ...]) -> None:
    """Put the reference beside each entry, and recovery against it into its gains; the quoted one stays beside.

    Args:
        entries: Of a board, changed in place.
        way: The fields that say how an entry was run.
    """
    same = tuple(name for name in (*way, "task", "rows") if name not in READING)
    specialists: dict[str, list[Record]] = defaultdict(list)
    for entry in entries:
        if entry["mapping"] == "native" and (entry["inits"].get("pretrained") or {"n": 0})["n"]:
            specialists[_key(entry, same)].append(entry)
    for entry in entries:
        found = None if entry["mapping"] == "native" else _best(entry, specialists[_key(entry, same)])
        entry["reference"] = found
        for gain in filter(None, entry["gains"].values()):  # there is none where no seed has its pair
            gain["recovery_quoted"] = gain["recovery"]
            if found:
                gain["recovery"] = _recovery(entry, gain, found["score"])


def _key(entry: Record, names: tuple[str, ...]) -> str:
    return json.dumps([entry[name] for name in names], sort_keys=True)


def _best(entry: Record, specialists: list[Record]) -> Record | None:
    """Return the best specialist that is another checkpoint than the entry's; the first by name among equals."""
    others = [each for each in specialists if _itself(each) != _itself(entry)]
    if not others or not entry["about"]:
        return None
    sign = 1.0 if entry["about"]["higher_is_better"] else -1.0
    best = min(others, key=lambda e: (-sign * e["inits"]["pretrained"]["mean"], e["checkpoint"], e["revision"]))
    column = best["inits"]["pretrained"]
    return {
        "checkpoint": best["checkpoint"],
        "revision": best["revision"],
        "score": column["mean"],
        "sd": column["sd"],
        "n": column["n"],
    }


def _itself(entry: Record) -> tuple[str, str]:
    return entry["checkpoint"], entry["revision"].partition(VOCAB)[0]


def _recovery(entry: Record, gain: Record, score: float) -> float | None:
    """Return gain / (specialist - scratch); None where the specialist is not better than scratch."""
    sign = 1.0 if entry["about"]["higher_is_better"] else -1.0
    distance = sign * (score - entry["inits"]["scratch"]["mean"])
    return float(gain["mean"] / distance) if distance > 0 else None


def notes(entries: list[Record]) -> list[str]:
    """Return a line for each entry with a reference: who it is, and how much of its lead over scratch is recovered."""
    return [_note(entry) for entry in entries if entry.get("reference")]


def _note(entry: Record) -> str:
    of, gain, special = entry["reference"], entry["gain"] or {}, entry["about"]["specialist"]
    seeds = counted(of["n"], "seed")
    line = (
        f"{entry['task']}: specialist {of['checkpoint']}, read natively on the same rows, {of['score']:.3f} ({seeds})"
    )
    if gain.get("recovery") is not None:
        line += f"; {gain['recovery']:.0%} of its lead over scratch is recovered"
    elif gain:
        line += "; it is not better than scratch"
    if special:
        line += f"; as published, {special['name']} {special['score']:.3f}"
        line += f", {gain['recovery_quoted']:.0%}" if gain.get("recovery_quoted") is not None else ""
    return line
