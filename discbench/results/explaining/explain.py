"""`discbench.explain`: how well the predictors predict the gain over the checkpoints of one suite."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.errors import UserError, did_you_mean
from discbench.plugins import registry
from discbench.plugins.suites import Suite
from discbench.results import board
from discbench.results.explaining import facts, predictors, rank, verdict
from discbench.results.explaining.predictors import PREDICTORS, Found, Key, Predictor
from discbench.results.store import Store
from discbench.values.checkpoints import LOCAL, told_apart

Record = dict[str, Any]
FORMAT, VERSION = "discbench-explanation", "1.0"
FEWEST = 4
"""Checkpoints: of three, every third order is as good as the best."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What explains the gain, if anything does: a record that prints itself."""

    record: Record
    """As `discbench explain --json` prints it."""

    @property
    def verdict(self) -> str:
        """What came out, in words."""
        return str(self.record["verdict"])

    def __repr__(self) -> str:
        from discbench.results.explaining import text
        from discbench.results.notebook import plain

        return plain(lambda out: text.table(self.record, out))

    def _repr_html_(self) -> str:
        """Return the table; every word in it is escaped."""
        from discbench.results.explaining import text
        from discbench.results.notebook import html_lines, html_table

        return html_table(text.HEAD, text.rows(self.record)) + html_lines(text.lines(self.record))


def explain(
    results: str | Path = "results",
    *,
    suite: str | None = None,
    discipline: str | None = None,
    about: str | Path | Sequence[str | Path] = (),
) -> Explanation:
    """Tell how well each predictor predicts the gain over the checkpoints of one suite.

    Args:
        results: The store.
        suite: Its name, or name and version; None for the only one that has complete checkpoints here.
        discipline: Take the gain on its tasks alone; None for the adaptability.
        about: Files of facts, or NAME=DIRECTORY of checkpoints; see docs/explain.md.

    Raises:
        UserError: There is no such store, suite or discipline, fewer than four checkpoints are complete, or a file of
            facts says something else.
    """
    manager = registry.plugins()
    store = Store(Path(results), registry.named_rows([], manager))
    return of_store(store, registry.suites(manager).values(), suite=suite, discipline=discipline, about=about)


def of_store(
    store: Store,
    suites: Iterable[Suite],
    *,
    suite: str | None = None,
    discipline: str | None = None,
    about: str | Path | Sequence[str | Path] = (),
) -> Explanation:
    """Return `explain` of a store that is open, among these suites."""
    told = [facts.read(str(each)) for each in ([about] if isinstance(about, str | Path) else about)]
    results = list(store.results())
    chosen, table = _chosen(list(suites), results, suite)
    known, strange = facts.placed(told, ((row["checkpoint"], row["revision"]) for row in table["checkpoints"]))
    made = build(chosen, table, results, list(store.probes()), known, discipline)
    return Explanation({**made, "strangers": strange})


def _chosen(suites: list[Suite], results: list[Record], wanted: str | None) -> tuple[Suite, Record]:
    """Return a suite and its table: the one that is wanted, or the only one with complete checkpoints."""
    by_id = {suite.id: suite for suite in suites}
    tables = {table["id"]: table for table in board.tables(suites, results)}
    if wanted is not None:
        meant = registry.suite(wanted, {suite.name: suite for suite in suites})
        held = [meant.id] if meant.id in tables else []
        if not held:
            raise UserError(f"the store holds no runs of suite {wanted}; `discbench eval --suite {wanted}` makes some")
    else:
        held = [id_ for id_, table in tables.items() if any(row["complete"] for row in table["checkpoints"])]
        if len(held) != 1:
            found = f"checkpoints of {', '.join(held)}" if held else "no checkpoint that is complete in a suite"
            raise UserError(f"a gain is explained within one suite, and the store holds {found}; give --suite NAME")
    return by_id[held[0]], tables[held[0]]


def build(
    suite: Suite,
    table: Record,
    results: Iterable[Record],
    measurements: Iterable[Record],
    known: Mapping[Key, Mapping[str, float]],
    discipline: str | None = None,
) -> Record:
    """Return the explanation of a suite's table as JSON holds it: a pure function of what it is given.

    Args:
        suite: Which.
        table: Of it, as the board has it.
        results: All of a store; those of other ways of running have no part in it.
        measurements: Of probes.
        known: (checkpoint, revision) -> facts.
        discipline: Its tasks alone.
    """
    tasks = _tasks(suite, discipline)
    gains, lacking = _gains(table, tasks, discipline)
    twins = _twins(gains)
    gains = {key: gain for key, gain in gains.items() if key not in twins}
    where = f"suite {suite.id}" + (f", {discipline}" if discipline else "")
    _check_enough(gains, lacking, where)
    held = [r for r in results if suite.holds(r) and r["cell"]["task"] in tasks and _key(r["cell"]) in gains]
    taken = [m for m in measurements if _key(m["probe"]["model"]) in gains]
    probed = [m for m in taken if m["probe"]["task"] in tasks]
    named = told_apart((row["checkpoint"], row["revision"]) for row in table["checkpoints"])
    found = {each.name: predictors.values(each, held, probed, known) for each in PREDICTORS}
    order = rank.orders(len(gains))
    tried, untested = _judged(gains, found, named, order)
    return {
        "format": FORMAT,
        "version": VERSION,
        "suite": suite.id,
        "discipline": discipline,
        "checkpoints": _points(gains, found, named),
        "incomplete": sorted(named[key] for key in lacking),
        "orders": len(order),
        "twins": {named[key]: named[other] for key, other in twins.items()},
        "predictors": tried,
        "untested": untested,
        "elsewhere": sorted({m["probe"]["task"] for m in taken} - tasks),
        "verdict": verdict.of_all(tried, len(gains), where),
    }


def _points(gains: Mapping[Key, float], found: Mapping[str, Found], named: Mapping[Key, str]) -> list[Record]:
    """Return each checkpoint's gain and its number of every predictor, None where it is not known."""
    return [
        {
            "checkpoint": key[0],
            "revision": key[1],
            "name": named[key],
            "gain": gain,
            "values": {name: of.values.get(key) for name, of in found.items()},
        }
        for key, gain in gains.items()
    ]


def _key(of: Record) -> Key:
    return of["checkpoint"], of["revision"]


def _tasks(suite: Suite, discipline: str | None) -> set[str]:
    there = sorted({task.split(".")[0] for task in suite.tasks})
    if discipline is not None and discipline not in there:
        near = did_you_mean(discipline, there, "there are " + ", ".join(there))
        raise UserError(f"suite {suite.id} has no discipline {discipline!r}{near}")
    return {task for task in suite.tasks if discipline in {None, task.split(".")[0]}}


def _gains(table: Record, tasks: set[str], discipline: str | None) -> tuple[dict[Key, float], list[Key]]:
    """Return the gain of each checkpoint that is complete on these tasks, and those that are not or have none."""
    gains: dict[Key, float] = {}
    lacking: list[Key] = []
    for row in table["checkpoints"]:
        gain = row["adaptability"] if discipline is None else row["disciplines"].get(discipline)
        if gain is None or tasks & set(row["missing"]):
            lacking.append(_key(row))
        else:
            gains[_key(row)] = gain
    return gains, lacking


def _twins(gains: Mapping[Key, float]) -> dict[Key, Key]:
    """Return directories of one content under further names, and the first of each: the same weights count once."""
    first: dict[str, Key] = {}
    return {key: first[key[1]] for key in gains if key[1].startswith(LOCAL) and first.setdefault(key[1], key) != key}


def _check_enough(gains: Mapping[Key, float], lacking: Sequence[Key], where: str) -> None:
    rest = f" and {len(lacking)} incomplete" if lacking else ""
    if len(gains) < FEWEST:
        raise UserError(
            f"{where}: a rank correlation needs {FEWEST} complete checkpoints at least, but the store holds"
            f" {len(gains)}{rest}; `discbench eval --suite` completes them"
        )
    if max(gains.values()) - min(gains.values()) <= rank.ROUNDING:
        raise UserError(f"{where}: all {len(gains)} checkpoints have the same gain, so there is nothing to explain")


def _judged(
    gains: Mapping[Key, float], found: Mapping[str, Found], named: Mapping[Key, str], order: NDArray[np.int64]
) -> tuple[list[Record], list[Record]]:
    """Return what was found of each predictor that could be tried, and of the others why not."""
    keys, y = list(gains), list(gains.values())
    able: list[tuple[Predictor, list[float]]] = []
    untested = []
    for each in PREDICTORS:
        held = [found[each.name].values.get(key, float("nan")) for key in keys]
        known = [value for value in held if not np.isnan(value)]
        why = _unable(known)
        if why:
            untested.append({"name": each.name, "means": each.means, "n": len(known), "why": why})
        else:
            able.append((each, held))
    if not able:
        return [], untested
    null = rank.null(np.array([held for _, held in able]).T, np.array(y), order)
    chance = rank.chances(null)
    columns = zip(able, rank.corrected(chance), rank.needed(null, chance), strict=True)
    tried = [
        _of(each, held, y, [float(chance[0, i]), float(p), least], found[each.name].tasks)
        | {"missing": sorted(named[key] for key in keys if key not in found[each.name].values)}
        for i, ((each, held), p, least) in enumerate(columns)
    ]
    return sorted(tried, key=lambda row: (row["p"], -abs(row["rho"]))), untested


def _unable(known: list[float]) -> str:
    """Return why a predictor with these numbers cannot be tried, or an empty string; gains have no part in it."""
    if not known:
        return "not known of any checkpoint"
    if len(known) < FEWEST:
        return f"known of {len(known)} only, {FEWEST} checkpoints are needed"
    return f"{known[0]:.6g} in all {len(known)} checkpoints" if len(set(known)) == 1 else ""


def _of(each: Predictor, held: list[float], gains: list[float], chance: list[float | None], tasks: list[str]) -> Record:
    pairs = [(x, y) for x, y in zip(held, gains, strict=True) if not np.isnan(x)]
    x, y = [a for a, _ in pairs], [b for _, b in pairs]
    bounds = rank.interval(x, y)
    error, of_mean = rank.left_out(np.log10(x).tolist() if each.log else x, y)
    plain, p, least = chance
    row = {
        "name": each.name,
        "means": each.means,
        "log": each.log,
        "n": len(x),
        "rho": rank.spearman(x, y),
        "low": bounds and bounds[0],
        "high": bounds and bounds[1],
        "p_alone": plain,
        "p": p,
        "needed": least,
        "error": error,
        "error_of_mean": of_mean,
        "tasks": tasks,
    }
    return {**row, "significant": verdict.significant(row), "verdict": verdict.in_words(row)}
