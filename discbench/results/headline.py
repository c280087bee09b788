"""The headline of each checkpoint: adaptability with its intervals, its rank, and what it cannot be told apart from."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from discbench.results import stats
from discbench.values.checkpoints import told_apart

Record = dict[str, Any]
WAY = (
    "checkpoint", "revision", "mapping", "map_specials", "mapping_seed", "recipe", "changed", "fraction", "subset",
    "limit", "take", "rate", "marks",
)  # fmt: skip


def checkpoints(entries: list[Record]) -> list[Record]:
    """Return the headline of each checkpoint and way of running it; controls and baselines have no part in it.

    Ranks are among the complete checkpoints of one way of running.
    """
    ways: dict[str, list[Record]] = defaultdict(list)
    for entry in entries:
        if entry["about"] and not entry["about"]["control"] and not entry["checkpoint"].startswith("baseline:"):
            ways[json.dumps({k: entry[k] for k in WAY}, sort_keys=True)].append(entry)
    asked: dict[str, set[str]] = defaultdict(set)
    for name, members in ways.items():
        asked[_without_checkpoint(name)] |= {e["about"]["name"] for e in members}
    rows = [_headline(json.loads(name), ways[name], asked[_without_checkpoint(name)]) for name in sorted(ways)]
    rivals: dict[str, list[Record]] = defaultdict(list)
    names = told_apart((e["checkpoint"], e["revision"]) for e in entries)
    for name, row in zip(sorted(ways), rows, strict=True):
        rivals[_without_checkpoint(name)].append(row)
    for group in rivals.values():
        _rank([row for row in group if row["complete"] and row["adaptability"] is not None], names)
    for row in rows:
        row.pop("by_seed")
    return rows


def suite(asked: Record, entries: list[Record], beside: Sequence[Record] = ()) -> Record:
    """Return the table of one suite: a row for each checkpoint with any of its runs, complete ones ranked.

    Args:
        asked: The suite, as `Suite.record` gives it.
        entries: Of results that are its runs only; its parts' ways are taken for one.
        beside: Of results that are the same runs under their recipes' single rates, where the suite's rates are tuned.
    """
    together: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for entry in entries:
        if not entry["checkpoint"].startswith("baseline:"):
            together[entry["checkpoint"], entry["revision"]].append(entry)
    rows = [_standing(asked, *together[key]) for key in sorted(together)]
    for row in rows:
        row["default_rates"] = _at_default(asked, row, beside)
    names = told_apart((e["checkpoint"], e["revision"]) for e in entries)
    _rank([row for row in rows if row["complete"] and row["adaptability"] is not None], names)
    for row in rows:
        row.pop("by_seed")
    return {**asked, "id": f"{asked['name']}@{asked['version']}", "checkpoints": rows}


def _standing(asked: Record, *entries: Record) -> Record:
    """Return a checkpoint's row in a suite's table."""
    by_task = {entry["task"]: entry for entry in entries}
    missing = {
        task: lacks
        for part in asked["parts"]
        for task in part["tasks"]
        if (lacks := _lacks(part, by_task[task]["inits"] if task in by_task else {}))
    }
    whole = [entry for entry in entries if entry["task"] not in missing and not entry["about"]["control"]]
    names = {"checkpoint": entries[0]["checkpoint"], "revision": entries[0]["revision"]}
    found = _headline(names, whole, set())
    inits = {entry["task"]: entry["inits"] for entry in entries}
    return {
        **found,
        "missing": missing,
        "complete": not missing,
        "rates": {task: {init: column["lr"] for init, column in of.items()} for task, of in sorted(inits.items())},
        "rate_warnings": {e["task"]: e["rate_warnings"] for e in entries if e["rate_warnings"]},
    }


def _at_default(asked: Record, row: Record, beside: Sequence[Record]) -> Record | None:
    """Return what a checkpoint gains under its recipes' single rates; None where some of those runs are missing."""
    mine = [e for e in beside if (e["checkpoint"], e["revision"]) == (row["checkpoint"], row["revision"])]
    found = _standing(asked, *mine) if mine else {"complete": False}
    names = ("adaptability", "low", "high", "both", "disciplines")
    return {name: found[name] for name in names} if found["complete"] else None


def _lacks(part: Record, inits: Record) -> Record:
    """Return init -> seeds of a part that no finished cell has."""
    wanted = [str(seed) for seed in range(part["seeds"])]
    lacks = {i: [int(s) for s in wanted if s not in inits.get(i, {"scores": {}})["scores"]] for i in part["inits"]}
    return {init: seeds for init, seeds in lacks.items() if seeds}


def _without_checkpoint(way: str) -> str:
    return json.dumps({k: v for k, v in json.loads(way).items() if k not in {"checkpoint", "revision"}}, sort_keys=True)


def share(gain: float, control: float) -> float | None:
    """Return which share of scratch's error a gain takes away; None where scratch makes none."""
    return gain / control if control > 0 else None


def counted(entry: Record, init: str = "pretrained") -> Record | None:
    """Return an entry's gain as means over tasks count it; None where it has none.

    Scores are fractions, and their gains are counted as they are. An error such as RMSE is in its label's unit, and its
    gain is counted as the share of scratch's error that is gone, seed by seed: degrees and millimetres have no mean.
    """
    gain: Record | None = entry["gains"].get(init)
    if gain is None or entry["about"]["higher_is_better"]:
        return gain
    control = {seed: entry["inits"]["scratch"]["scores"][seed] for seed in gain["pairs"]}
    pairs = {seed: share(pair, control[seed]) for seed, pair in gain["pairs"].items()}
    if None in pairs.values():
        return None
    return {
        "mean": float(np.mean(list(pairs.values()))),
        "pairs": pairs,
        "rows": gain["rows"] and {"shared_sd": gain["rows"]["shared_sd"] / float(np.mean(list(control.values())))},
    }


def by_discipline(means: dict[str, float]) -> dict[str, float]:
    """Return the mean over the tasks of each discipline of task name -> number."""
    found: dict[str, list[float]] = defaultdict(list)
    for name in sorted(means):
        found[name.split(".")[0]].append(means[name])
    return {discipline: float(np.mean(values)) for discipline, values in found.items()}


def adaptability(gains: dict[str, float]) -> float:
    """Return the mean over tasks of a discipline, then over disciplines, of task name -> counted gain; not of none."""
    return float(np.mean(list(by_discipline(gains).values())))


def _headline(way: Record, entries: list[Record], asked: set[str]) -> Record:
    gains = {e["about"]["name"]: gain for e in entries if (gain := counted(e)) is not None}
    errors = sorted(e["about"]["name"] for e in entries if not e["about"]["higher_is_better"])
    means = {name: gain["mean"] for name, gain in gains.items()}
    shared = set.intersection(*(set(g["pairs"]) for g in gains.values())) if gains else set()
    by_seed = {s: adaptability({t: g["pairs"][s] for t, g in gains.items()}) for s in sorted(shared, key=int)}
    bounds = stats.interval(list(by_seed.values()))
    spread = _row_spread(gains)
    both = None if spread is None else stats.interval_of_both(list(by_seed.values()), spread)
    return {
        **way,
        "adaptability": adaptability(means) if means else None,
        "low": bounds and bounds[0],
        "high": bounds and bounds[1],
        "rows_sd": spread,
        "both": both and {"low": both[0], "high": both[1]},
        "n": len(by_seed),
        "by_seed": by_seed,
        "disciplines": by_discipline(means),
        "shares": {name: means[name] for name in errors if name in means},
        "scores": _scores(entries),
        "tasks": sorted(gains),
        "missing": sorted(asked - set(gains)),
        "complete": not asked - set(gains),
        "rank": None,
        "inseparable": [],
    }


def _scores(entries: list[Record]) -> Record:
    """Return init -> discipline -> mean score over its tasks, as Kao & Lee 2021, table 6; where every task has one.

    Errors are in units of their own and have no part in it.
    """
    entries = [entry for entry in entries if entry["about"]["higher_is_better"]]
    inits = sorted({init for entry in entries for init in entry["inits"]})
    names = sorted({entry["about"]["discipline"] for entry in entries})
    found: Record = {}
    for init in inits:
        for name in names:
            columns = [e["inits"].get(init) for e in entries if e["about"]["discipline"] == name]
            if all(column and column["n"] for column in columns):
                found.setdefault(init, {})[name] = float(np.mean([c["mean"] for c in columns if c]))
    return found


def _row_spread(gains: dict[str, Record]) -> float | None:
    """Return the sd of the adaptability that all seeds share, over test rows; those of two tasks are independent."""
    if not gains or not all(g["rows"] for g in gains.values()):
        return None
    tasks = Counter(name.split(".")[0] for name in gains)
    weight = {name: 1 / (tasks[name.split(".")[0]] * len(tasks)) for name in sorted(gains)}
    return math.sqrt(sum((weight[name] * gain["rows"]["shared_sd"]) ** 2 for name, gain in gains.items()))


def _rank(rows: list[Record], names: dict[tuple[str, str], str]) -> None:
    """Give each row its rank interval, and the names of the others whose difference from it holds 0."""
    able = [row for row in rows if row["n"] >= stats.FEWEST]
    if len(rows) < 2 or len(able) < len(rows):  # noqa: PLR2004 - one alone has no rank
        return
    errors = [math.hypot(stats.standard_error(list(r["by_seed"].values())), r["rows_sd"] or 0.0) for r in rows]
    spans = stats.rank_intervals([r["adaptability"] for r in rows], errors, [r["n"] for r in rows])
    order = sorted(rows, key=lambda r: -r["adaptability"])
    for row, (low, high) in zip(rows, spans, strict=True):
        row["rank"] = {"place": order.index(row) + 1, "low": low, "high": high}
        others = [o for o in rows if o is not row and not _separable(row, o)]
        row["inseparable"] = sorted(names[o["checkpoint"], o["revision"]] for o in others)


def _separable(one: Record, other: Record) -> bool:
    """Tell whether the 95 % interval of the difference, seeds paired, test rows resampled, leaves out 0."""
    seeds = sorted(set(one["by_seed"]) & set(other["by_seed"]), key=int)
    spread = math.hypot(one["rows_sd"] or 0.0, other["rows_sd"] or 0.0)
    bounds = stats.interval_of_both([one["by_seed"][s] - other["by_seed"][s] for s in seeds], spread)
    return bounds is not None and not bounds[0] <= 0 <= bounds[1]
