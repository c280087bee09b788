"""What can be checked of one result by its task and recipe: its place, its facts, and whether its parts agree.

Its form has been checked (`results.forms`).

Each check yields (word, message); the words are those of `findings.CHECKS`. What needs predictions, rows or a
vocabulary is in `recount`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from discbench.errors import UserError
from discbench.results import rates, store
from discbench.results.forms import result as form
from discbench.values import cells
from discbench.values.cells import NOTHING
from discbench.values.metrics import ROUNDING
from discbench.values.recipes import LATER, parse, recipe_for
from discbench.values.types import Task
from discbench.words.names import printable

Record = dict[str, Any]
Found = Iterator[tuple[str, str]]


def identity(record: Record, name: str) -> Found:
    """Check that the file is where the cell says."""
    wanted = store.place(record["cell"])
    if name != wanted:
        yield "id", f"its cell's file is {printable(wanted)}"


def about(record: Record, task: Task) -> Found:
    """Check what the result says of its task."""
    facts = cells.facts(task)
    for name, said in record["task"].items():
        if not _same(said, facts[name]):
            wanted = printable(facts[name])
            yield "task", f"it says that the {name} of {task.id} is {printable(said)}, but it is {wanted}"


def recipe(record: Record, task: Task) -> Found:
    """Check that the recipe is the named one for this init, with the changes that the cell names."""
    cell = record["cell"]
    if cell["init"] == NOTHING:
        return
    try:
        named = asdict(recipe_for(cell["recipe"]["name"], cell["init"], {}))
        told = {**cell["changed"], **{name: value for name, value in cell["recipe"].items() if name in LATER}}
        odd = [field for field, value in told.items() if not _same(parse(field, str(value)), value)]
    except UserError as error:
        yield "recipe", str(error)
        return
    if odd:
        yield "recipe", f"{printable(told[odd[0]])} is no value for {printable(odd[0])}"
        return
    wanted = {**{name: value for name, value in named.items() if name not in LATER}, **cell["changed"]}
    wanted |= {name: told[name] for name in LATER if told.get(name, LATER[name]) != LATER[name]}
    if task.scored_on_validation:
        wanted["select"] = "last"
    if "rate" in cell and rates.on_grid(cell):
        wanted["lr"] = cell["recipe"]["lr"]
    wrong = sorted(f for f, value in cell["recipe"].items() if f not in wanted or not _same(wanted[f], value))
    wrong += sorted(f for f in cell["changed"] if f in LATER or f not in cell["recipe"])
    if wrong:
        field = wrong[0]
        yield (
            "recipe",
            (
                f"recipe {cell['recipe']['name']!r} for {cell['init']} with its changes has {printable(field)}"
                f" {printable(wanted.get(field))}, not {printable(cell['recipe'].get(field))}"
            ),
        )


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Tell whether two values are one value in JSON: 1, 1.0 and true are three."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def dataset(record: Record, task: Task) -> Found:
    """Check that the rows are not said to be those that the task names where they are others.

    Rows that are said to be unverified, and that the task names now, are verified: the task was pinned since.
    """
    said, rows = record["dataset"], record["cell"]["rows"]
    named = task.dataset.rows_sha256
    if said["status"] == "verified" and (rows != named or said["partial"]):
        yield (
            "dataset",
            (
                f"its rows are said to be {said['status']}, but {task.id} names"
                f" {f'{named[:12]}…' if named else 'no hash'} and they have {rows[:12]}…"
            ),
        )


def curve(record: Record, task: Task) -> Found:
    """Check that validations lie where the recipe puts them, and that the scored step is the one that it selects."""
    cell, found, counts = record["cell"], record["curve"], record["counts"]
    steps = counts["steps"]
    if cell["init"] == NOTHING:
        return
    trained = cell["recipe"]
    epoch, whole = cells.steps_per_epoch(counts["train"], trained), cells.steps_of(counts["train"], trained)
    early = trained["stop_below"] is not None and steps <= whole and steps % epoch == 0
    if steps != whole and not early:
        yield "counts", f"{counts['train']} rows by recipe {printable(trained['name'])} are {whole} steps, not {steps}"
        return
    every = trained["evaluate_every"] or epoch
    wanted = sorted({*range(every, steps + 1, every), steps})
    if [step for step, _ in found["validation"]] != wanted:
        yield "curve", "its validations are not at the steps that the recipe says"
        return
    values = dict(found["validation"])
    least, most = form.bounds(task.metric.least, task.metric.most, higher_is_better=task.metric.higher_is_better)
    if not all(least - ROUNDING <= value <= most + ROUNDING for value in values.values()):
        yield "curve", f"validation {task.metric.name} is from {least:g} to {most:g}, but others occur"
    best = max(wanted, key=lambda step: (values[step], -step)) if trained["select"] == "best" else steps
    if found["best_step"] != best:
        yield (
            "curve",
            f"select {trained['select']!r} takes step {best}, but step {found['best_step']} is said to be scored",
        )
    yield from _held(record, task, values.get(found["best_step"]))


def _held(record: Record, task: Task, value: float | None) -> Found:
    exact = task.metric.needs == "prediction"  # ranks of raw outputs move with their precision
    sign = 1.0 if record["task"]["higher_is_better"] else -1.0
    said = record["scores"]["validation"].get(record["task"]["metric"])
    if value is None or said is None or abs(sign * said - value) > (1e-9 if exact else 1e-3):
        yield "curve", f"validation {record['task']['metric']} {said} is not that of the scored step, {value}"
    scores, last = record["scores"], record["curve"]["best_step"] == len(record["curve"]["loss"])
    if last and "test" in scores and scores["test"] != scores["test_of_last_state"]:
        yield "curve", "the last state was scored, but its test scores differ from those of the last state"


def parameters(record: Record) -> Found:
    """Check that all parameters learnt unless the body was frozen."""
    counts, init = record["counts"], record["cell"]["init"]
    whole, trained = counts["parameters"], counts["trained_parameters"]
    if init != "frozen" and trained != whole:
        yield "counts", f"{trained} of {whole} parameters learnt with init {init}"


def scored(record: Record, task: Task) -> Found:
    """Check that the scores are those of the task's metrics."""
    known = {metric.name: metric for metric in task.metrics}
    for split, scores in record["scores"].items():
        if set(scores) != set(known):
            yield "scores", f"{split} scores are {printable(sorted(scores))}, but {task.id} has {sorted(known)}"
            continue
        for name, value in scores.items():
            if not known[name].allows(value):
                least, most = known[name].least, known[name].most
                yield "scores", f"{split} {name} is from {least:g} to {most:g}, not {value:g}"
    if record["cell"]["init"] == NOTHING and record["scores"]["test"] != record["scores"]["test_of_last_state"]:
        yield "scores", "a baseline has one state, but two test scores"
