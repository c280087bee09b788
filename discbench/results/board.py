"""The board: a pure function of stored results. Same results, same bytes.

Results that differ in more than init and seed never share a mean: they stand in entries of their own.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from discbench.errors import StoreError
from discbench.plugins.suites import Suite
from discbench.results import curves, headline, probetext, rates, references, stats, taskcards
from discbench.results.headline import Record
from discbench.values.cells import Cell
from discbench.values.checkpoints import told_apart
from discbench.values.recipes import changes

VERSION = "1.0"
SCHEMA = Path(__file__).parent / "schemas" / "leaderboard-1.0.schema.json"
WAY = tuple(name for name in headline.WAY if name not in {"mapping_seed", "marks"})
"""What a cell shares with all cells of one way of running a checkpoint, as the cell itself says it."""


def build(
    results: Iterable[Record],
    probes: Iterable[Record] = (),
    suites: Iterable[Suite] = (),
    said: Mapping[str, Record] | None = None,
) -> Record:
    """Return the board of these results of cells and of probes, with a table for each suite that has runs here.

    `said` is what tasks say of themselves (`cells.said`), by id.
    """
    results, trials = rates.apart(results)
    searches = rates.grouped(trials)
    together: dict[str, list[Record]] = defaultdict(list)
    for result in results:
        together[json.dumps(_key(result), sort_keys=True)].append(result)
    found = [
        _entry({**json.loads(key), "marks": marks, "mapping_seed": seed}, members) | rates.entry(members, searches)
        for key in together
        for marks, of_marks in _by_marks(together[key])
        for seed, members in _by_mapping_seed(of_marks)
    ]
    entries = sorted(found, key=_place)
    _cross_reference(entries)
    references.refer(entries, headline.WAY)
    return {
        "format": "discbench-leaderboard",
        "version": VERSION,
        "entries": entries,
        "checkpoints": headline.checkpoints(entries),
        "suites": tables(suites, [*results, *trials]),
        "variance": _variance(together),
        "probes": probetext.records(probes),
        "tasks": taskcards.cards(results, entries, said or {}),
    }


def tables(suites: Iterable[Suite], results: Iterable[Record]) -> list[Record]:
    """Return the table of each suite that has any of its runs among the results."""
    held, trials = rates.apart(results)
    searches = rates.grouped(trials)
    return [table for suite in suites if (table := _suite(suite, held, searches))["checkpoints"]]


def _suite(suite: Suite, results: list[Record], searches: dict[str, rates.Trials]) -> Record:
    """Return a suite's table."""
    twin = suite.at_default_rates
    beside = _of_suite(twin, results, searches) if twin else []
    return headline.suite(suite.record, _of_suite(suite, results, searches), beside)


def _of_suite(suite: Suite, results: list[Record], searches: dict[str, rates.Trials]) -> list[Record]:
    """Return the entries of a suite's own runs."""
    together: dict[str, list[Record]] = defaultdict(list)
    for result in filter(suite.holds, results):
        together[json.dumps({**_key(result), "take": None}, sort_keys=True)].append(result)
    entries = [
        _entry({**json.loads(key), "marks": [], "mapping_seed": None}, members) | rates.entry(members, searches)
        for key, members in together.items()
    ]
    return sorted(entries, key=_place)


def shown(board: Record) -> Record:
    """Return a board as it is printed and drawn: every checkpoint by a name that tells it from the others on it."""
    sides = [side for result in board["probes"] for side in probetext.sides(result)]
    ranked = [row for suite in board.get("suites", []) for row in suite["checkpoints"]]
    held = (*board["entries"], *board["checkpoints"], *ranked, *sides)
    names = told_apart((of["checkpoint"], of["revision"]) for of in held)

    def named(rows: list[Record]) -> list[Record]:
        return [{**row, "checkpoint": names[row["checkpoint"], row["revision"]]} for row in rows]

    def referred(entries: list[Record]) -> list[Record]:
        return [{**e, "reference": named([e["reference"]])[0]} if e.get("reference") else e for e in entries]

    return {
        **board,
        **{part: named(board[part]) for part in ("checkpoints", "variance")},
        "entries": referred(named(board["entries"])),
        "suites": [{**suite, "checkpoints": named(suite["checkpoints"])} for suite in board.get("suites", [])],
        "probes": probetext.renamed(board["probes"], names),
    }


def _place(entry: Record) -> str:
    """Return what entries are sorted by: those of one table together, tasks in order of their names."""
    first = [entry[n] for n in (*WAY, "marks", "mapping_seed", "task")]
    return json.dumps([*first, entry["rows"], entry["specials"]], sort_keys=True)


def _key(result: Record) -> Record:
    cell = result["cell"]
    names = (*WAY, "task", "rows", "specials")
    said = {"take": None, "rate": None, **cell, "recipe": cell["recipe"]["name"], "changed": changes(cell)}
    return {name: said[name] for name in names}


def _by_marks(results: list[Record]) -> list[tuple[list[str], list[Record]]]:
    """Split by marks; a failed cell, which has none yet, stands with the first."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for result in results:
        if result["status"] == "finished":
            groups[json.dumps(result["marks"])].append(result)
    failed = [r for r in results if r["status"] != "finished"]
    first = min(groups, default="[]")
    groups[first] += failed
    return [(json.loads(marks), groups[marks]) for marks in sorted(groups)]


def _by_mapping_seed(results: list[Record]) -> list[tuple[int | None, list[Record]]]:
    """Split into the series whose mapping seed is the run's own (None), and one for each seed that was held fixed."""
    tied = [r for r in results if _tied(r["cell"])]
    fixed = sorted({r["cell"]["mapping_seed"] for r in results if not _tied(r["cell"])})
    series: list[tuple[int | None, list[Record]]] = [(None, tied)] if tied else []
    return series + [(seed, [r for r in results if r["cell"]["mapping_seed"] == seed]) for seed in fixed]


def _tied(cell: Record) -> bool:
    return bool(cell["mapping"] == "none" or cell["mapping_seed"] == cell["seed"])


def _entry(key: Record, results: list[Record]) -> Record:
    finished = [r for r in results if r["status"] == "finished"]
    inits = sorted({r["cell"]["init"] for r in results}, key=init_order)
    by_init = {init: [r for r in results if r["cell"]["init"] == init] for init in inits}
    columns = {init: _column(by_init[init]) for init in inits}
    about: Record = next((r["task"] for r in finished), {})
    gains = {i: _gain(by_init[i], by_init["scratch"], about) for i in inits if i != "scratch" and "scratch" in inits}
    return {
        **key,
        "about": about or None,
        "inits": columns,
        "gain": gains.get("pretrained"),
        "gains": gains,
        "validation_gain": _gain(
            by_init.get("pretrained", []), by_init.get("scratch", []), about, split="validation", rows=False
        ),
        "ratio": curves.ratio(by_init.get("scratch", []), by_init.get("pretrained", [])),
        "unused": None,
        "low_data": [],
        "default_rate": None,
        "copies": _copies(finished),
    }


def _copies(finished: list[Record]) -> list[Record] | None:
    """Return the near copies among a task's rows, from the first cell by id that says; None if none does."""
    held = {r["id"]: r["dataset"]["copies"] for r in finished if "copies" in r.get("dataset", {})}
    return held[min(held)] if held else None


def init_order(init: str) -> tuple[int, str]:
    """Return what columns are sorted by: the order in which they are read."""
    order = ("pretrained", "scratch", "reembedded", "frozen")
    return (order.index(init) if init in order else len(order), init)


def _column(results: list[Record]) -> Record:
    finished = sorted((r for r in results if r["status"] == "finished"), key=lambda r: r["cell"]["seed"])
    _check_once(finished)
    scores = [_score(r, "test") for r in finished]
    held = [_score(r, "validation") for r in finished]
    return {
        "n": len(scores),
        "mean": float(np.mean(scores)) if scores else None,
        "sd": float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        "validation": float(np.mean(held)) if held else None,
        "scores": {str(r["cell"]["seed"]): s for r, s in zip(finished, scores, strict=True)},
        "cells": {str(r["cell"]["seed"]): r["id"] for r in finished},
        "lr": finished[0]["cell"]["recipe"]["lr"] if finished else None,
        "collapsed": [r["cell"]["seed"] for r in finished if r["collapsed"]],
        "failed": sorted(r["cell"]["seed"] for r in results if r["status"] == "failed"),
        "dynamics": curves.dynamics(finished),
        "curve": curves.mean_curve(finished),
    }


def _check_once(finished: list[Record]) -> None:
    """Raise StoreError if a seed would count twice: a recipe of that name was another when one of the cells ran."""
    for one, other in pairwise(finished):
        mine, its = one["cell"], other["cell"]
        if mine["seed"] == its["seed"]:
            fields = mine["recipe"].keys() | its["recipe"].keys()
            differ = sorted(f for f in fields if mine["recipe"].get(f) != its["recipe"].get(f))
            raise StoreError(
                f"results {one['id']} and {other['id']} are both of {Cell(**mine).words} by recipe"
                f" {mine['recipe']['name']!r} and differ in its {', '.join(differ)}: a seed counts once; remove the"
                " older of the two, or keep them in stores of their own"
            )


def _score(result: Record, split: str) -> float:
    return float(result["scores"][split][result["task"]["metric"]])


def _finished(results: list[Record]) -> dict[int, Record]:
    return {r["cell"]["seed"]: r for r in results if r["status"] == "finished"}


def _gain(
    results: list[Record], controls: list[Record], about: Record, *, split: str = "test", rows: bool = True
) -> Record | None:
    mine, control = _finished(results), _finished(controls)
    seeds = sorted(set(mine) & set(control))
    if not seeds:
        return None
    sign = 1.0 if about["higher_is_better"] else -1.0
    pairs = [sign * (_score(mine[seed], split) - _score(control[seed], split)) for seed in seeds]
    mean, bounds = float(np.mean(pairs)), stats.interval(pairs)
    found = {
        "mean": mean,
        "low": bounds and bounds[0],
        "high": bounds and bounds[1],
        "n": len(pairs),
        "pairs": {str(seed): pair for seed, pair in zip(seeds, pairs, strict=True)},
    }
    if not rows:
        return found
    spread = _row_spread([mine[s] for s in seeds], [control[s] for s in seeds])
    both = None if spread is None else stats.interval_of_both(pairs, spread[1])
    return {
        **found,
        "rows": None if spread is None else _of_rows(mean, *spread),
        "both": both and {"low": both[0], "high": both[1]},
        "recovery": _recovery(sign, mean, controls, about),
    }


def _of_rows(mean: float, sd: float, shared: float) -> Record:
    low, high = stats.interval_of_rows(mean, sd)
    return {"sd": sd, "shared_sd": shared, "low": low, "high": high}


def _row_spread(results: list[Record], controls: list[Record]) -> tuple[float, float] | None:
    differences = []
    for result, control in zip(results, controls, strict=True):
        mine, other = result.get("resampled"), control.get("resampled")
        if not mine or not other or len(mine) != len(other):
            return None
        differences.append(np.subtract(mine, other))
    return stats.row_noise(np.array(differences))


def _recovery(sign: float, gain: float, controls: list[Record], about: Record) -> float | None:
    special = about.get("specialist")
    if not special:
        return None
    control = float(np.mean([_score(r, "test") for r in _finished(controls).values()]))
    distance = sign * (special["score"] - control)
    return float(gain / distance) if distance > 0 else None


def _cross_reference(entries: list[Record]) -> None:
    """Put what other ways of running the same checkpoint say beside each entry: unused ids, few rows."""
    index: dict[str, list[Record]] = defaultdict(list)
    for entry in entries:
        index[json.dumps([entry[n] for n in ("checkpoint", "revision", "task", "rows", "specials")])].append(entry)
    for entry in entries:
        relatives = index[json.dumps([entry[n] for n in ("checkpoint", "revision", "task", "rows", "specials")])]
        entry["unused"] = next(
            (_unused(e, entry) for e in relatives if _differs(e, entry, {"mapping"}, "unused")), None
        )
        entry["default_rate"] = next((_default(e) for e in relatives if entry["rate"] and _at_default(e, entry)), None)
        entry["low_data"] = [
            _low(e) for e in relatives if entry["fraction"] == 1 and e["fraction"] < 1 and _low_of(e, entry)
        ]


def _at_default(other: Record, entry: Record) -> bool:
    """Tell whether another entry is the same under the recipe's single rate."""
    same = (set(WAY) | {"marks", "mapping_seed"}) - {"rate"}
    return other["rate"] is None and all(other[name] == entry[name] for name in same)


def _default(entry: Record) -> Record:
    return {"gain": entry["gain"], "lr": {init: column["lr"] for init, column in entry["inits"].items()}}


def _differs(other: Record, entry: Record, only: set[str], mapping: str) -> bool:
    same = set(WAY) | {"marks", "mapping_seed"}
    return other["mapping"] == mapping != entry["mapping"] and all(other[n] == entry[n] for n in same - only)


def _unused(other: Record, entry: Record) -> Record | None:
    mine, control = other["inits"].get("pretrained"), entry["inits"].get("scratch")
    if not mine or not mine["n"]:
        return None
    seeds = sorted(set(mine["scores"]) & set((control or {}).get("scores", {})), key=int)
    sign = 1.0 if (entry["about"] or {}).get("higher_is_better", True) else -1.0
    pairs = [sign * (mine["scores"][s] - control["scores"][s]) for s in seeds] if control else []
    return {"n": mine["n"], "mean": mine["mean"], "sd": mine["sd"], "gain": float(np.mean(pairs)) if pairs else None}


def _low_of(other: Record, entry: Record) -> bool:
    return all(other[n] == entry[n] for n in ("mapping", "map_specials", "mapping_seed", "limit", "marks"))


def _low(entry: Record) -> Record:
    return {
        "fraction": entry["fraction"],
        "subset": entry["subset"],
        "recipe": entry["recipe"],
        "gain": entry["validation_gain"],
    }


def _variance(together: dict[str, list[Record]]) -> list[Record]:
    """Return the components of variance of every whole grid of mapping seeds and seeds."""
    found = []
    for key in sorted(together):
        done = [r for r in together[key] if r["status"] == "finished"]
        for init in sorted({r["cell"]["init"] for r in done}, key=init_order):
            grid = {(r["cell"]["mapping_seed"], r["cell"]["seed"]): r for r in done if r["cell"]["init"] == init}
            maps, seeds = (sorted({pair[i] for pair in grid}) for i in (0, 1))
            if len(maps) > 1 and len(seeds) > 1 and len(grid) == len(maps) * len(seeds):
                table = np.array([[_score(grid[m, s], "test") for s in seeds] for m in maps])
                shape = {"init": init, "mappings": len(maps), "seeds": len(seeds), "mean": float(table.mean())}
                found.append({**json.loads(key), **shape, **stats.components(table)})
    return found


def to_bytes(board: Record) -> bytes:
    """Return the board as stable JSON."""
    from discbench.results.store import as_text

    return as_text(board).encode()
