"""Cells of searches for rates: counted again from their predictions, and whether what they choose is what runs have."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from discbench.data import heldout, rows
from discbench.results import rates
from discbench.submissions import recount
from discbench.submissions.recount import CLOSE, Answers, Known
from discbench.training.outcomes.targets import unit_of
from discbench.values.rates import SEARCH, TUNED, held_out
from discbench.values.types import Task
from discbench.words.names import printable

Record = dict[str, Any]
Found = Iterator[tuple[str, str]]
NAMED = 3
"""So many missing cells are named."""


def of_search(record: Record) -> bool:
    """Tell whether a result is of a search."""
    return bool(record["cell"].get("rate") == SEARCH)


def together(results: Mapping[str, Record]) -> Iterator[tuple[str, str, str]]:
    """Yield (file, word, message) where the rate of tuned runs does not follow from the search that came with them.

    One for each search and rate, at the first run by file.
    """
    searches = rates.grouped(rates.apart(results.values())[1])
    told = set[tuple[str, float]]()
    for name in sorted(results):
        cell = results[name]["cell"]
        key, lr = rates.key(cell), cell["recipe"]["lr"]
        if cell.get("rate") != TUNED or results[name]["status"] != "finished" or (key, lr) in told:
            continue
        told.add((key, lr))
        found = rates.search(rates.own(cell), searches.get(key, {}))
        if found.missing:
            some = ", ".join(f"lr {rate:g} seed {seed}" for rate, seed in found.missing[:NAMED])
            more = ", …" if len(found.missing) > NAMED else ""
            yield name, "rates", f"{len(found.missing)} cells of the search for its rate are missing: {some}{more}"
        elif found.lr is None:
            yield name, "rates", f"it has lr {lr:g}, but no rate of its search finished with every seed"
        elif found.lr != lr:
            yield name, "rates", f"it has lr {lr:g}, but its search chooses {found.lr:g}"


def recounted(record: Record, task: Task, known: Known, answers: Answers | None) -> Found:
    """Check a cell of a search against the task's rows: what was learnt from, compared on and answered."""
    cell, counts = record["cell"], record["counts"]
    chosen = {
        n: recount.kept(cell, n, size, known.numbers) for n, size in zip(rows.SPLITS[:2], known.sizes, strict=False)
    }
    apart = held_out(scored_on_validation=task.scored_on_validation, fraction=cell["fraction"])
    learnt, split, places = heldout.searched(known.loaded, chosen, apart=apart)
    for name, wanted in (("train", len(learnt)), ("validation", len(places))):
        if counts[name] != wanted:
            yield "counts", f"{name} has {wanted} rows for this cell of a search, but {counts[name]} are counted"
    labels = known.train_targets[learnt]
    base = recount.reference(task, unit_of(cell["recipe"], task.target, labels).given(labels))
    if not math.isclose(record["dynamics"]["reference"], base, rel_tol=1e-5):
        yield "dynamics", f"the loss of guessing is {base:.6g}, not {record['dynamics']['reference']}"
    if answers is None:
        return
    compared = getattr(known.loaded, split)
    if not np.array_equal(answers.row, places):
        yield "rows", f"the rows that were answered are not those of {split} that a search compares on"
    elif not np.array_equal(answers.target, compared.targets[places]):
        yield "targets", f"labels are not the task's own, those of {split}"
    else:
        groups = compared.groups and tuple(compared.groups[row] for row in places)
        yield from _scores(record, task, answers, groups)


def _scores(record: Record, task: Task, answers: Answers, groups: tuple[str, ...] | None) -> Found:
    from discbench.training.outcomes import score

    voted = score.vote(task.target, answers.outputs, answers.target, groups)
    for name, value in recount.measured(task, voted).items():
        said = record["scores"]["validation"].get(name)
        if said is None or not math.isclose(said, value, rel_tol=CLOSE, abs_tol=CLOSE):
            yield "scores", f"validation {name} is {value!r} by its predictions, not {printable(said)}"
    if record["collapsed"] != score.collapsed(task.metric, task.target, voted):
        yield "scores", f"collapsed is {not record['collapsed']} by its predictions, not {record['collapsed']}"
