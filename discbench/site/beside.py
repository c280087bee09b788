"""Two checkpoints side by side: what the page's script chooses from, as plain values."""

import hashlib
from typing import Any

from discbench.results.boardtext import way_of
from discbench.results.headline import WAY

Record = dict[str, Any]
DIGITS = 4


def sides(board: Record, inits: tuple[str, ...] = ("pretrained", "scratch")) -> list[Record]:
    """Return each checkpoint and way of running it, with (task, scores by init, gain, low, high) of its tasks."""
    held: dict[str, Record] = {}
    for entry in board["entries"]:
        if entry["checkpoint"].startswith("baseline:") or not entry["about"]:
            continue
        key = mark(entry)
        side = held.setdefault(key, {"key": key, "name": entry["checkpoint"], "way": _way(entry), "tasks": {}})
        gain = entry["gain"] or {}
        bounds = gain.get("both") or gain
        scores = [_short((entry["inits"].get(init) or {}).get("mean")) for init in inits]
        side["tasks"][entry["task"]] = [
            *scores,
            *map(_short, (gain.get("mean"), bounds.get("low"), bounds.get("high"))),
            1 if entry["about"]["higher_is_better"] else -1,
        ]
    return sorted(held.values(), key=lambda side: (side["name"].lower(), side["way"], side["key"]))


def mark(row: Record) -> str:
    """Return what tells a checkpoint and way of running it from all others, in a page's address."""
    text = "\n".join(repr(row[name]) for name in WAY)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _way(entry: Record) -> str:
    return way_of(entry) + "".join(f", {name}" for name in entry["marks"])


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
