"""Two checkpoints, task by task: a pure function of a board."""

import json
from typing import Any

from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.results import stats
from discbench.results.headline import WAY
from discbench.values.checkpoints import is_called, told_apart

Record = dict[str, Any]
SAME = ("task", "rows", *(name for name in WAY if name not in {"checkpoint", "revision"}))
"""What two entries must share to be compared."""


def find(board: Record, name: str) -> tuple[str, str]:
    """Return the (checkpoint, revision) that a user's `NAME` or `NAME@REVISION` means.

    Raises:
        NoSuchName: No such checkpoint on the board.
        UserError: Several revisions of it.
    """
    known = sorted({(e["checkpoint"], e["revision"]) for e in board["entries"]})
    found = [(c, r) for c, r in known if is_called(c, r, name)]
    if len(found) > 1:
        raise UserError(
            f"{name!r} has {len(found)} revisions here; give one of {', '.join(told_apart(found)[f] for f in found)}"
        )
    if not found:
        names = sorted({c for c, _ in known})
        raise NoSuchName(
            f"no results of {name!r}{did_you_mean(name, names, 'there are ' + (', '.join(names) or 'none'))}"
        )
    return found[0]


def compare(board: Record, one: str, other: str, init: str = "pretrained") -> Record:
    """Return the differences of scores and of gains, `one` minus `other`, on every task that both were run on.

    Positive is better for `one` whatever the metric. Seeds are paired; a difference of gains is the one that says which
    checkpoint's pre-training helps more, as their architectures differ.

    Raises:
        UserError: They share no task that was run in the same way.
    """
    first, second = find(board, one), find(board, other)
    places: dict[str, dict[tuple[str, str], Record]] = {}
    for entry in board["entries"]:
        key = json.dumps([entry[n] for n in SAME], sort_keys=True)
        places.setdefault(key, {})[entry["checkpoint"], entry["revision"]] = entry
    rows = [_row(found[first], found[second], init) for found in places.values() if first in found and second in found]
    rows = [row for row in rows if row]
    if not rows:
        raise UserError(
            f"{one!r} and {other!r} share no task that was run with init {init!r}, the same recipe, mapping and rows;"
            " run `discbench eval` with both as --model"
        )
    return {"one": "@".join(first), "other": "@".join(second), "init": init, "tasks": rows}


def _row(one: Record, other: Record, init: str) -> Record | None:
    mine, theirs = one["inits"].get(init), other["inits"].get(init)
    if not mine or not theirs or not mine["n"] or not theirs["n"]:
        return None
    about = one["about"]
    sign = 1.0 if about["higher_is_better"] else -1.0
    return {
        **{name: one[name] for name in SAME},
        "metric": about["metric"],
        "one": mine["mean"],
        "other": theirs["mean"],
        "score": _difference(
            {s: sign * v for s, v in mine["scores"].items()}, {s: sign * v for s, v in theirs["scores"].items()}
        ),
        "gain": _difference(*((e["gains"].get(init) or {}).get("pairs", {}) for e in (one, other))),
    }


def _difference(mine: dict[str, float], theirs: dict[str, float]) -> Record | None:
    seeds = sorted(set(mine) & set(theirs), key=int)
    if not seeds:
        return None
    pairs = [mine[s] - theirs[s] for s in seeds]
    bounds = stats.interval(pairs)
    return {
        "mean": sum(pairs) / len(pairs),
        "low": bounds and bounds[0],
        "high": bounds and bounds[1],
        "n": len(pairs),
    }
