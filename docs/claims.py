"""What the published board says of the claims of Kao & Lee 2021, as the tables of docs/findings.md."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from discbench import explain
from discbench.results.stats import interval
from discbench.site import again

Record = dict[str, Any]
PAGE = Path(__file__).parent / "findings.md"
PUBLISHED = Path(__file__).parents[1] / "leaderboard"
BOARD = PUBLISHED / "leaderboard.json"
WAY = ("checkpoint", "revision", "task", "recipe", "changed", "mapping", "fraction", "limit", "take", "map_specials")


def tables(board: Record | None = None) -> dict[str, str]:
    """Return the tables by name, as Markdown."""
    board = json.loads(BOARD.read_text(encoding="utf-8")) if board is None else board
    entries = [e for e in board["entries"] if not e["checkpoint"].startswith("baseline:") and e["gain"]]
    whole = [e for e in entries if e["fraction"] == 1 and not e["limit"] and not e["take"]]
    usual = [e for e in whole if e["mapping"] in {"random", "shift"}]
    made = {
        "suites": _suites(board["suites"]),
        "scratch": _gains(usual),
        "faster": _faster(usual),
        "reembedded": _pairs(usual, "reembedded"),
        "mappings": _mappings(whole),
        "few": _gains(e for e in entries if e["fraction"] < 1 or e["take"]),
        "rates": _rates(usual),
        "probes": _probes(board["probes"]),
        "explained": _explained(explain(PUBLISHED / "results", suite="formal", about=PUBLISHED / "about.json").record),
    }
    return {f"claim-{name}": table for name, table in made.items()}


def verdict(bounds: Iterable[float] | None) -> str:
    """Return what an interval says of a claim that a difference is positive."""
    if bounds is None:
        return "no interval"
    low, high = bounds
    return "yes" if low > 0 else "no" if high < 0 else "open"


def said(mean: float, bounds: Iterable[float] | None) -> str:
    """Return a difference with its interval."""
    if bounds is None:
        return f"{mean:+.3f}"
    low, high = bounds
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _command(entry: Record, *inits: str) -> str:
    seeds = [int(seed) for init in inits for seed in entry["inits"][init]["cells"]]
    return "`" + again.command(entry, ",".join(inits), seeds) + "`"


def _table(heads: list[str], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *lines])


def _suites(found: list[Record]) -> str:
    rows = []
    for suite in found:
        for one in suite["checkpoints"]:
            if not one["complete"]:
                continue
            rank, both = one["rank"], one["both"]
            gain = said(one["adaptability"], (both["low"], both["high"]))
            where = f"{rank['place']} ({rank['low']} to {rank['high']})"
            command = f"`discbench eval --model {again.model(one)} --suite {suite['name']}`"
            rows.append((f"`{suite['id']}`", where, one["checkpoint"], gain, command))
    return _table(["suite", "rank", "checkpoint", "mean gain over scratch, 95 %", "command"], rows)


def _gains(entries: Iterable[Record]) -> str:
    rows = []
    for entry in entries:
        both = entry["gain"]["both"] or {}
        bounds = (both["low"], both["high"]) if both else None
        what = (_named(entry), said(entry["gain"]["mean"], bounds), verdict(bounds))
        rows.append((*what, _command(entry, "pretrained", "scratch")))
    return _table(["checkpoint, task", "gain over scratch, 95 % over seeds and test rows", "holds", "command"], rows)


def _named(entry: Record) -> str:
    rate = ", own rates" if entry.get("rate") else ""
    share = f", {entry['fraction']:.0%} of train" if entry["fraction"] < 1 else ""
    share += f", at most {entry['take'][0]:,} train rows" if entry["take"] else ""
    return f"{entry['checkpoint']}, `{entry['task']}`{share}{rate}"


def _faster(entries: Iterable[Record]) -> str:
    rows = []
    for entry in entries:
        mine, theirs = (entry["inits"][init]["dynamics"]["area"] for init in ("pretrained", "scratch"))
        rows.append((_named(entry), f"{mine:.2f}", f"{theirs:.2f}", f"{theirs / mine:.2f}"))
    return _table(["checkpoint, task", "area, pretrained", "area, scratch", "ratio"], rows)


def _differences(one: Record, other: Record) -> list[float]:
    return [one[seed] - other[seed] for seed in sorted(one.keys() & other.keys(), key=int)]


def _row(name: str, values: list[float], command: str) -> tuple[str, ...]:
    bounds = interval(values)
    mean = sum(values) / len(values)
    return name, said(mean, bounds), verdict(bounds), command


def _pairs(entries: Iterable[Record], init: str) -> str:
    rows = []
    for entry in entries:
        if init in entry["gains"]:
            values = _differences(entry["gains"]["pretrained"]["pairs"], entry["gains"][init]["pairs"])
            rows.append(_row(_named(entry), values, _command(entry, "pretrained", init)))
    return _table(["checkpoint, task", f"pretrained minus {init}, 95 % over seeds", "holds", "command"], rows)


def _partner(entries: Iterable[Record], entry: Record, **other: Any) -> Record | None:  # noqa: ANN401 - JSON
    wanted = {name: entry[name] for name in WAY} | {"rate": entry.get("rate")} | other
    return next((e for e in entries if all(e.get(name) == value for name, value in wanted.items())), None)


def _mappings(entries: list[Record]) -> str:
    heads = ["checkpoint, task", "gain with `unused` minus gain with `random`, 95 % over seeds", "larger", "command"]
    plain = [e for e in entries if e["mapping"] == "random" and not e.get("rate")]
    return _table(heads, (row for e in plain for row in _other(entries, e, mapping="unused")))


def _rates(entries: list[Record]) -> str:
    heads = ["checkpoint, task", "gain with own rates minus gain at the recipe's, 95 % over seeds", "larger", "command"]
    plain = [e for e in entries if not e.get("rate")]
    return _table(heads, (row for e in plain for row in _other(entries, e, rate="tuned")))


def _other(entries: list[Record], entry: Record, **other: Any) -> Iterator[tuple[str, ...]]:  # noqa: ANN401 - JSON
    partner = _partner(entries, entry, **other)
    if partner is not None:
        values = _differences(partner["gain"]["pairs"], entry["gain"]["pairs"])
        yield _row(f"{entry['checkpoint']}, `{entry['task']}`", values, _command(partner, "pretrained", "scratch"))


PROBED = {
    "gradients@1": ("mean", "mean cosine of gradients"),
    "perturbation@1": ("mean_0.01", "distance under noise of sd 0.01"),
}


def _probes(found: list[Record]) -> str:
    rows: list[tuple[str, ...]] = []
    values: dict[tuple[Any, ...], Record] = {}
    for record in found:
        probe, model = record["probe"]["probe"], record["probe"]["model"]
        if probe in PROBED:
            key = probe, again.model(model), record["probe"]["task"]
            values.setdefault(key, {}).setdefault(model["init"], {})[str(model["seed"])] = record["values"]
    for (probe, given, task), by in sorted(values.items()):
        checkpoint = given.partition("=")[0]
        name, told = PROBED[probe]
        mine, theirs = ({s: v[name] for s, v in by.get(init, {}).items()} for init in ("pretrained", "scratch"))
        seeds = max((int(seed) for seed in mine), default=0) + 1
        command = f"`discbench probe --model {given} --tasks {task.split('@')[0]} --seeds {seeds}`"
        if mine.keys() & theirs.keys():
            rows.append(_row(f"{checkpoint}, `{task}`: {told}", _differences(mine, theirs), command))
    return _table(["checkpoint, task, measure", "pretrained minus scratch, 95 % over seeds", "larger", "command"], rows)


def _explained(found: Record) -> str:
    heads = ["predictor", "checkpoints", "rank correlation, 95 %", "p alone (corrected)", "left-out error (the mean's)"]
    rows = []
    for one in found["predictors"]:
        bounds = f" [{one['low']:+.2f}, {one['high']:+.2f}]" if one["low"] is not None else ""
        chances = f"{one['p_alone']:.3f} ({one['p']:.3f})"
        errors = f"{one['error']:.3f} ({one['error_of_mean']:.3f})"
        rows.append((f"`{one['name']}`: {one['means']}", str(one["n"]), f"{one['rho']:+.2f}{bounds}", chances, errors))
    return f"{_table(heads, rows)}\n\n{found['verdict']}"
