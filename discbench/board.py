"""The board: a pure function of stored results. Same results, same bytes.

Results that differ in more than init and seed never share a mean: they stand in entries of their own.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

VERSION = "1.0"
SCHEMA = Path(__file__).parent / "schemas" / "leaderboard-1.0.schema.json"
LEVEL = 0.95
FEWEST = 3
"""With fewer pairs no interval is given."""

Record = dict[str, Any]


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of paired differences, or None for fewer than three.

    Mean plus and minus Student's quantile (n - 1 degrees) times the bootstrap's standard error of the mean, corrected
    by sqrt(n / (n - 1)); for a mean that error has a closed form, so nothing is drawn. `benchmarks/coverage.py` holds
    it against percentile bootstraps, which at these n are too narrow.
    """
    n = len(values)
    if n < FEWEST:
        return None
    from scipy.special import stdtrit

    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(n)
    reach = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * error
    return mean - reach, mean + reach


def build(results: Iterable[Record]) -> Record:
    """Return the board of these results."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for result in results:
        groups[json.dumps(_key(result), sort_keys=True)].append(result)
    entries = sorted((_entry(json.loads(key), groups[key]) for key in groups), key=_place)
    return {
        "format": "discbench-leaderboard",
        "version": VERSION,
        "entries": entries,
        "checkpoints": _checkpoints(entries),
    }


def _place(entry: Record) -> str:
    """Return what entries are sorted by: those of one table together, tasks in order of their names."""
    first = [entry[n] for n in ("checkpoint", "revision", "mapping", "recipe", "changed", "fraction", "marks", "task")]
    return json.dumps([*first, entry["limit"], entry["rows"], entry["specials"]], sort_keys=True)


def _key(result: Record) -> Record:
    cell = result["cell"]
    shared = {
        name: cell[name]
        for name in ("checkpoint", "revision", "task", "rows", "mapping", "fraction", "limit", "changed", "specials")
    }
    return {
        **shared,
        "recipe": cell["recipe"]["name"],
        "marks": [] if result["status"] == "failed" else result["marks"],
    }


def _entry(key: Record, results: list[Record]) -> Record:
    finished = [r for r in results if r["status"] == "finished"]
    inits = sorted({r["cell"]["init"] for r in results}, key=_init_order)
    columns = {init: _column([r for r in results if r["cell"]["init"] == init]) for init in inits}
    about: Record = next((r["task"] for r in finished), {})
    gains = {init: _gain(columns, init, about) for init in inits if init != "scratch" and "scratch" in columns}
    return {**key, "about": about or None, "inits": columns, "gain": gains.get("pretrained"), "gains": gains}


def _init_order(init: str) -> tuple[int, str]:
    order = ("pretrained", "scratch", "reembedded", "frozen")
    return (order.index(init) if init in order else len(order), init)


def _column(results: list[Record]) -> Record:
    finished = sorted((r for r in results if r["status"] == "finished"), key=lambda r: r["cell"]["seed"])
    scores = [r["scores"]["test"][r["task"]["metric"]] for r in finished]
    return {
        "n": len(scores),
        "mean": float(np.mean(scores)) if scores else None,
        "sd": float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        "scores": {str(r["cell"]["seed"]): s for r, s in zip(finished, scores, strict=True)},
        "cells": {str(r["cell"]["seed"]): r["id"] for r in finished},
        "lr": finished[0]["cell"]["recipe"]["lr"] if finished else None,
        "collapsed": [r["cell"]["seed"] for r in finished if r["collapsed"]],
        "failed": sorted(r["cell"]["seed"] for r in results if r["status"] == "failed"),
    }


def _gain(columns: Record, init: str, about: Record) -> Record | None:
    mine, control = columns[init]["scores"], columns["scratch"]["scores"]
    seeds = [seed for seed in mine if seed in control]
    if not seeds:
        return None
    sign = 1.0 if about["higher_is_better"] else -1.0
    pairs = [sign * (mine[seed] - control[seed]) for seed in seeds]
    bounds = interval(pairs)
    return {
        "mean": float(np.mean(pairs)),
        "low": bounds and bounds[0],
        "high": bounds and bounds[1],
        "n": len(pairs),
        "pairs": dict(zip(seeds, pairs, strict=True)),
        "recovery": _recovery(sign, np.mean(pairs), columns["scratch"], about),
    }


def _recovery(sign: float, gain: Any, control: Record, about: Record) -> float | None:  # noqa: ANN401 - a NumPy number
    special = about.get("specialist")
    if not special:
        return None
    distance = sign * (special["score"] - control["mean"])
    return float(gain / distance) if distance > 0 else None


def _checkpoints(entries: list[Record]) -> list[Record]:
    """Return the headline of each checkpoint and way of running it; controls and baselines have no part in it."""
    ways: dict[str, list[Record]] = defaultdict(list)
    for entry in entries:
        if entry["about"] and not entry["about"]["control"] and not entry["checkpoint"].startswith("baseline:"):
            way = {
                k: entry[k]
                for k in ("checkpoint", "revision", "mapping", "recipe", "changed", "fraction", "limit", "marks")
            }
            ways[json.dumps(way, sort_keys=True)].append(entry)
    asked: dict[str, set[str]] = defaultdict(set)
    for name, members in ways.items():
        asked[_without_checkpoint(name)] |= {e["about"]["name"] for e in members}
    return [_headline(json.loads(name), ways[name], asked[_without_checkpoint(name)]) for name in sorted(ways)]


def _without_checkpoint(way: str) -> str:
    return json.dumps({k: v for k, v in json.loads(way).items() if k not in {"checkpoint", "revision"}}, sort_keys=True)


def _headline(way: Record, entries: list[Record], asked: set[str]) -> Record:
    gains = {e["about"]["name"]: e["gain"] for e in entries if e["gain"]}
    disciplines: dict[str, list[str]] = defaultdict(list)
    for name in sorted(gains):
        disciplines[name.split(".")[0]].append(name)
    means = {d: float(np.mean([gains[t]["mean"] for t in names])) for d, names in disciplines.items()}
    shared = set.intersection(*(set(g["pairs"]) for g in gains.values())) if gains else set()
    seeds = sorted(shared, key=int)
    by_seed = [_adaptability({t: g["pairs"][seed] for t, g in gains.items()}, disciplines) for seed in seeds]
    bounds = interval(by_seed)
    return {
        **way,
        "adaptability": float(np.mean(list(means.values()))) if means else None,
        "low": bounds and bounds[0],
        "high": bounds and bounds[1],
        "n": len(seeds),
        "disciplines": means,
        "tasks": sorted(gains),
        "missing": sorted(asked - set(gains)),
        "complete": not asked - set(gains),
    }


def _adaptability(gains: dict[str, float], disciplines: dict[str, list[str]]) -> float:
    return float(np.mean([np.mean([gains[task] for task in names]) for names in disciplines.values()]))


def to_bytes(board: Record) -> bytes:
    """Return the board as stable JSON."""
    return (json.dumps(board, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
