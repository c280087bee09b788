"""Which learning rate a search chooses: a pure function of the results of its cells, the same for sweep, board, verify.

The best mean over the seeds on the rows that a search compares on; of equals the smaller rate; none of which a seed
failed. A best rate at the end of the grid widens it there by one step, again and again, within `rates.WIDER`, while the
score still rises towards that end: where a control answers the same at every rate, smaller ones tell nothing more.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from discbench.values.rates import SEARCH, SEEDS, STEPS, TUNED, WIDER, grid, listed, step_of
from discbench.values.recipes import RECIPES, recipe_for

Record = dict[str, Any]
Trials = dict[float, dict[int, Record]]
"""Rate -> seed -> result."""
OWN = ("seed", "mapping_seed", "rate")
"""Fields in which the cells of one search, and the runs that it is for, differ."""


def apart(results: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """Return (results of runs that count, results of cells of searches)."""
    runs, trials = list[Record](), list[Record]()
    for result in results:
        (trials if result["cell"].get("rate") == SEARCH else runs).append(result)
    old = superseded(runs, trials)
    return [run for run in runs if run["id"] not in old], trials


def superseded(runs: Iterable[Record], trials: Iterable[Record]) -> set[str]:
    """Return the ids of tuned runs at a rate that their search does not choose any more, where its choice was run too.

    A search changes its mind when cells of it that had failed are run again.
    """
    places: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for run in runs:
        if run["cell"].get("rate") == TUNED:
            places[key(run["cell"]), run["cell"]["seed"], run["cell"]["mapping_seed"]].append(run)
    twice = {place: held for place, held in places.items() if len(held) > 1}
    if not twice:
        return set()
    searches, old = grouped(trial for trial in trials if trial["cell"].get("rate") == SEARCH), set[str]()
    for (named, *_), held in twice.items():
        chosen = search(own(held[0]["cell"]), searches.get(named, {})).lr
        if any(run["cell"]["recipe"]["lr"] == chosen for run in held):
            old |= {run["id"] for run in held if run["cell"]["recipe"]["lr"] != chosen}
    return old


def key(cell: Record) -> str:
    """Return what the cells of one search share with the runs that it chooses for."""
    shared = {name: value for name, value in cell.items() if name not in OWN}
    recipe = {name: value for name, value in cell["recipe"].items() if name != "lr"}
    return json.dumps({**shared, "recipe": recipe}, sort_keys=True)


def grouped(trials: Iterable[Record]) -> dict[str, Trials]:
    """Return key -> the results of a search's cells."""
    found: dict[str, Trials] = defaultdict(lambda: defaultdict(dict))
    for result in trials:
        cell = result["cell"]
        found[key(cell)][cell["recipe"]["lr"]][cell["seed"]] = result
    return found


def own(cell: Record) -> float:
    """Return the rate that a cell's recipe has for its init, around which its grid lies."""
    name = cell["recipe"]["name"]
    return recipe_for(name, cell["init"], {}).lr if name in RECIPES else float(cell["recipe"]["lr"])


def on_grid(cell: Record) -> bool:
    """Tell whether a rate that was tuned, or is being searched for, is one that a search may come to."""
    return step_of(own(cell), cell["recipe"]["lr"]) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search's results say so far."""

    rates: tuple[float, ...]
    """That are asked for by what is known, from the smallest."""
    missing: tuple[tuple[float, int], ...]
    """(rate, seed) of those that no result is there for."""
    means: dict[float, float | None]
    """Rate -> mean score on the rows that are compared on; None where a seed failed or is missing."""
    lr: float | None
    """The choice; None if cells are missing, or if no rate finished with every seed."""
    edge: str | None
    """`lowest` or `highest` where the choice is the last that was tried, and better than the one beside it."""
    failed: int
    """Cells that failed."""
    cause: str
    """Why the first of them failed, or ""."""

    @property
    def compared(self) -> int:
        """How many rates finished with every seed."""
        return sum(mean is not None for mean in self.means.values())


def search(own_rate: float, trials: Trials) -> Search:
    """Return what a search's results say: which rates it asks for, what is missing, and the choice."""
    ladder, low, high = grid(own_rate), STEPS[0], STEPS[-1]
    while True:
        asked = {step: ladder[step] for step in range(low, high + 1)}
        means = {lr: _mean(trials.get(lr, {})) for lr in asked.values()}
        missing = tuple((lr, seed) for lr in asked.values() for seed in SEEDS if seed not in trials.get(lr, {}))
        worth = {step: mean[1] for step, lr in asked.items() if (mean := means[lr]) is not None}
        best = None if missing else _best(worth)
        edge = _edge(worth, best, low, high)
        if edge == "lowest" and low > STEPS[0] - WIDER:
            low -= 1
        elif edge == "highest" and high < STEPS[-1] + WIDER:
            high += 1
        else:
            break
    failures = [r for lr in asked.values() for r in trials.get(lr, {}).values() if r["status"] != "finished"]
    return Search(
        rates=tuple(asked.values()),
        missing=missing,
        means={lr: mean and mean[0] for lr, mean in means.items()},
        lr=None if best is None else asked[best],
        edge=edge,
        failed=len(failures),
        cause=failures[0]["cause"] if failures else "",
    )


def _mean(of: dict[int, Record]) -> tuple[float, float] | None:
    """Return (mean score, the same with higher as better); None unless every seed finished."""
    done = [of[seed] for seed in SEEDS if seed in of and of[seed]["status"] == "finished"]
    if len(done) < len(SEEDS):
        return None
    about = done[0]["task"]
    mean = float(np.mean([result["scores"]["validation"][about["metric"]] for result in done]))
    return mean, mean if about["higher_is_better"] else -mean


def _best(worth: dict[int, float]) -> int | None:
    """Return the step of the best rate, of equals the smaller."""
    return max(worth, key=lambda step: (worth[step], -step)) if worth else None


def _edge(worth: dict[int, float], best: int | None, low: int, high: int) -> str | None:
    """Return at which end of the grid the best rate is, if it is better than the one beside it."""
    for end, beside, name in ((low, low + 1, "lowest"), (high, high - 1, "highest")):
        if best == end and worth.get(beside) != worth[end]:
            return name
    return None


def of_runs(runs: Sequence[Record], searches: dict[str, Trials]) -> dict[str, Search]:
    """Return init -> what its search says, for the runs of one entry; {} where none has a tuned rate."""
    found = {run["cell"]["init"]: run["cell"] for run in runs if run["cell"].get("rate") == TUNED}
    return {
        init: search(own(cell), searches.get(key(cell), {}))
        for init, cell in sorted(found.items(), key=lambda pair: pair[0])
    }


def told(found: Search) -> Record:
    """Return a search as the board holds it."""
    return {
        "lr": found.lr,
        "rates": {f"{lr:g}": mean for lr, mean in found.means.items()},
        "seeds": len(SEEDS),
        "failed": found.failed,
        "missing": len(found.missing),
        "edge": found.edge,
    }


def entry(runs: Sequence[Record], searches: dict[str, Trials]) -> Record:
    """Return what an entry of the board says of the search for its rates; nothing, where they are the recipe's."""
    found = of_runs(runs, searches)
    had = {
        i: {r["cell"]["recipe"]["lr"] for r in runs if r["status"] == "finished" and r["cell"]["init"] == i}
        for i in found
    }
    return {"search": {i: told(of) for i, of in found.items()} or None, "rate_warnings": warnings(found, had)}


def warnings(searches: dict[str, Search], chosen: dict[str, set[float]], control: str = "scratch") -> list[str]:
    """Return what a reader of gains under tuned rates should know, a line each.

    Args:
        searches: Init -> its search.
        chosen: Init -> the rates that its finished runs have.
        control: The init that others are held against.
    """
    lines = []
    for init, found in searches.items():
        if found.missing:
            lines.append(f"{init}: {len(found.missing)} cells of its search are not here")
        elif chosen[init] - {found.lr}:
            choice = "none" if found.lr is None else f"{found.lr:g}"
            lines.append(f"{init}: runs have lr {listed(chosen[init])}, but its search chooses {choice}")
        if found.edge:
            lines.append(f"{init}: lr {found.lr:g} is the {found.edge} that was tried; a better one may lie beyond it")
    base = searches.get(control)
    for init, found in searches.items():
        if base is not None and init != control and base.compared < found.compared:
            lines.append(f"{control} was searched over {base.compared} rates, {init} over {found.compared}")
    return lines
