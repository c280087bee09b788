"""What can be checked of one result by itself: its form, its names, and whether its parts agree.

Each check yields (word, message); the words are those of `findings.CHECKS`. What needs predictions, rows or a
vocabulary is in `recount`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from discbench.errors import UserError
from discbench.results import store
from discbench.submissions.findings import shown
from discbench.values import cells
from discbench.values.cells import NOTHING
from discbench.values.recipes import LATER, parse, recipe_for
from discbench.values.types import Task

Record = dict[str, Any]
Found = Iterator[tuple[str, str]]
CELL_SCHEMA = Path(store.__file__).parent / "schemas" / "cell-1.schema.json"
SUBMISSION_SCHEMA = Path(__file__).parent / "submission-1.0.schema.json"


@cache
def _validator(path: Path) -> Any:  # noqa: ANN401 - jsonschema's validator
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))


def fits(record: Any, schema: Path) -> str | None:  # noqa: ANN401 - JSON
    """Return None if JSON fits a schema, else what is wrong with it."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator(schema).iter_errors(record))
    if error is None:
        return None
    return f"{shown(error.json_path, 80)}: {shown(error.message)}"


def identity(record: Record, name: str) -> Found:
    """Check that the id is the hash of the cell, and that the file is where the cell says."""
    wanted = cells.cell_id(record["cell"])
    if record["id"] != wanted:
        yield "id", f"its id is not {wanted}, the hash of its cell"
    if name != store.place(record["cell"]):
        yield "id", f"its cell's file is {shown(store.place(record['cell']))}"
    if record["status"] == "finished" and record["predictions"]["file"] != f"{record['id']}.predictions.parquet":
        yield "id", f"it names {shown(record['predictions']['file'])} for its predictions"


def about(record: Record, task: Task) -> Found:
    """Check what the result says of its task."""
    facts = cells.facts(task)
    for name, said in record["task"].items():
        if name not in facts:
            yield "task", f"it says {shown(name)} of {task.id}, which tasks do not have"
        elif said != facts[name]:
            yield "task", f"it says that the {name} of {task.id} is {shown(said)}, but it is {shown(facts[name])}"


def recipe(record: Record, task: Task) -> Found:
    """Check that the recipe is the named one for this init, with the changes that the cell names."""
    cell = record["cell"]
    if (cell["init"] == NOTHING) != cell["checkpoint"].startswith("baseline:"):
        yield "recipe", f"init {cell['init']!r} does not go with model {shown(cell['checkpoint'])}"
        return
    if cell["init"] == NOTHING:
        bare = (cell["recipe"], cell["changed"], cell["mapping"], cell["mapping_seed"], cell["specials"])
        if bare != ({"name": NOTHING, "lr": None}, {}, NOTHING, 0, {}):
            yield "recipe", "a baseline has neither recipe nor mapping"
        return
    try:
        named = asdict(recipe_for(cell["recipe"]["name"], cell["init"], {}))
        told = {**cell["changed"], **{name: value for name, value in cell["recipe"].items() if name in LATER}}
        odd = [field for field, value in told.items() if not _same(parse(field, str(value)), value)]
    except UserError as error:
        yield "recipe", str(error)
        return
    if odd:
        yield "recipe", f"{shown(told[odd[0]])} is no value for {shown(odd[0])}"
        return
    wanted = {**{name: value for name, value in named.items() if name not in LATER}, **cell["changed"]}
    wanted |= {name: told[name] for name in LATER if told.get(name, LATER[name]) != LATER[name]}
    if task.scored_on_validation:
        wanted["select"] = "last"
    wrong = sorted(f for f, value in cell["recipe"].items() if f not in wanted or not _same(wanted[f], value))
    wrong += sorted(f for f in cell["changed"] if f in LATER or f not in cell["recipe"])
    if wrong:
        field = wrong[0]
        yield (
            "recipe",
            (
                f"recipe {cell['recipe']['name']!r} for {cell['init']} with its changes has {shown(field)}"
                f" {shown(wanted.get(field))}, not {shown(cell['recipe'].get(field))}"
            ),
        )


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Tell whether two values are equal, a truth value being no number."""
    return bool(one == other and isinstance(one, bool) == isinstance(other, bool))


def dataset(record: Record, task: Task) -> Found:
    """Check that the rows are not said to be those that the task names where they are others.

    Rows that are said to be unverified, and that the task names now, are verified: the task was pinned since.
    """
    said, rows = record["dataset"], record["cell"]["rows"]
    if said["sha256"] != rows:
        yield "dataset", "the rows that were read are not those of its cell"
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
    steps = len(found["loss"])
    if counts["steps"] != steps:
        yield "counts", f"it counts {counts['steps']} steps, but its loss curve has {steps}"
    if cell["init"] == NOTHING:
        if steps or found["validation"] or found["best_step"] or record.get("dynamics"):
            yield "curve", "a baseline has no curve"
        return
    trained = cell["recipe"]
    epoch, whole = cells.steps_per_epoch(counts["train"], trained), cells.steps_of(counts["train"], trained)
    early = trained.get("stop_below") is not None and steps <= whole and steps % epoch == 0
    if steps != whole and not early:
        yield "counts", f"{counts['train']} rows by recipe {shown(trained['name'])} are {whole} steps, not {steps}"
        return
    every = trained.get("evaluate_every") or epoch
    wanted = sorted({*range(every, steps + 1, every), steps})
    if [step for step, _ in found["validation"]] != wanted:
        yield "curve", "its validations are not at the steps that the recipe says"
        return
    values = dict(found["validation"])
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
    if last and scores["test"] != scores["test_of_last_state"]:
        yield "curve", "the last state was scored, but its test scores differ from those of the last state"


def parameters(record: Record) -> Found:
    """Check that all parameters learnt unless the body was frozen."""
    counts, init = record["counts"], record["cell"]["init"]
    whole, trained = counts["parameters"], counts["trained_parameters"]
    if trained > whole or (init != "frozen" and trained != whole):
        yield "counts", f"{trained} of {whole} parameters learnt with init {init}"


def scored(record: Record, task: Task) -> Found:
    """Check that the scores are those of the task's metrics."""
    wanted = {metric.name for metric in task.metrics}
    for split, scores in record["scores"].items():
        if set(scores) != wanted:
            yield "scores", f"{split} scores are {shown(sorted(scores))}, but {task.id} has {sorted(wanted)}"
    if record["cell"]["init"] == NOTHING and record["scores"]["test"] != record["scores"]["test_of_last_state"]:
        yield "scores", "a baseline has one state, but two test scores"
