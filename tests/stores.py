"""Stores of valid results without training: random outputs and curves through the code that makes real results."""

import functools
import time
from pathlib import Path

import numpy as np

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy
from discbench.data import rowcache
from discbench.data.rows import SPLITS, digest
from discbench.plugins import registry
from discbench.results.forms import result as form
from discbench.results.store import Store, pack_predictions
from discbench.submissions.recount import kept
from discbench.sweeps.plan import cells
from discbench.training import finetune, record, run
from discbench.training.outcomes import dynamics, score
from discbench.training.outcomes.targets import unit_of
from discbench.values.cells import Request, cell_id, steps_of, steps_per_epoch
from discbench.values.checkpoints import locate
from discbench.values.mapping import table_sha256
from discbench.values.place import Place
from discbench.values.recipes import as_record, recipe_for

VOTED = "test.voted"


@functools.cache
def tasks():
    """Task name -> task: the built-in ones, and one that puts groups of rows to the vote."""
    found = {task.name: task for task in registry.tasks(registry.plugins()).values()}
    return {**found, VOTED: voted_task()}


def load_voted():
    rows = [Row("ab" * (1 + i % 5), i // 3 % 2, group=f"item{i // 3}", number=i) for i in range(180)]
    return Splits(train=rows[:90], validation=rows[90:120], test=rows[120:])


def voted_task():
    """Sixty items of three rows each, in an order of their own."""
    dataset = Dataset(load_voted, license="CC0-1.0", cite="", rows_sha256=digest(load_voted()))
    return Task(name=VOTED, version=1, dataset=dataset, mapping=RandomTable("ab"), target=Classes(2), metric=accuracy)


def by_id():
    return {task.id: task for task in tasks().values()}


@functools.cache
def rows_of(name):
    return rowcache.load(tasks()[name])


@functools.cache
def tiny():
    """The shipped checkpoint, and a bench that has read its vocabulary."""
    return locate("builtin:tiny"), run.Bench(Place(results=Path()))


def write(root, names=("formal.factor",), *, inits=("pretrained", "scratch"), seeds=(0, 1), seed=0, **request):
    """Write a store and return the paths of its results."""
    checkpoint, _ = tiny()
    chosen = [tasks()[name] for name in names]
    asked = Request(inits=inits, seeds=seeds, recipe="quick", overrides=request.pop("overrides", {}), **request)
    random = np.random.default_rng(seed)
    store = Store(root)
    for cell in cells([checkpoint], chosen, {t.name: rows_of(t.name).sha256 for t in chosen}, asked):
        result, predictions = result_of(cell, by_id()[cell.task], random)
        store.put(cell, result, predictions)
    return sorted(root.glob("*/*/*/*.json"))


def result_of(cell, task, random):
    """Return (result, predictions) of a run that answers at random."""
    checkpoint, bench = tiny()
    loaded = rows_of(task.name)
    taken = {
        n: kept({**cell.recipe, **_fields(cell)}, n, len(getattr(loaded, n)), loaded.train.numbers) for n in SPLITS
    }
    splits = {n: getattr(loaded, n).take(taken[n]) for n in SPLITS}

    def voted(name):
        outputs = random.normal(size=(len(splits[name]), task.target.outputs)).astype(np.float32)
        return outputs, score.vote(task.target, outputs, splits[name].targets, splits[name].groups)

    steps = steps_of(len(splits["train"]), cell.recipe)
    every = cell.recipe["evaluate_every"] or steps_per_epoch(len(splits["train"]), cell.recipe)
    marks = sorted({*range(every, steps + 1, every), steps})
    held = {step: voted("validation")[1] for step in marks}
    values = {step: score.primary(task.metric, answer) for step, answer in held.items()}
    best = max(marks, key=lambda s: (values[s], -s)) if cell.recipe["select"] == "best" else steps
    loss = (0.2 + random.random(steps)).tolist()
    curve = finetune.Curve(loss=loss, validation=[(s, values[s]) for s in marks], best_step=best)
    labels = splits["train"].targets
    unit = unit_of(cell.recipe, task.target, labels)
    outputs, found = voted("test")
    last = found if best == steps else voted("test")[1]

    def measured(answer):
        return score.measure(task.metrics, task.target, answer)

    result = {
        **record.head(cell, task),
        "status": "finished",
        "scores": {"test": measured(found), "validation": measured(held[best]), "test_of_last_state": measured(last)},
        "resampled": score.resample(task.metric, found),
        "collapsed": score.collapsed(task.metric, task.target, found),
        "curve": record.curve_record(curve),
        "dynamics": dynamics.measure(loss, task.target, unit.given(labels)),
        "counts": {
            **{n: len(split) for n, split in splits.items()},
            "steps": steps,
            "parameters": 1000 + task.target.outputs,
            "trained_parameters": 1000 + task.target.outputs if cell.init != "frozen" else task.target.outputs,
        },
        "mapping_sha256": table_sha256(bench.mapped(task, cell, checkpoint)[0]),
        "dataset": record.dataset(task, loaded),
        "marks": record.marks(cell, loaded),
        "run": record.run_of(time.monotonic(), "cpu"),
    }
    return result, pack_predictions(taken["test"], outputs, splits["test"].targets)


def _fields(cell):
    return {name: getattr(cell, name) for name in ("limit", "fraction", "seed", "subset")}


def completed(bare):
    """Return a result that holds no more than a board reads as one that a store takes: a run of one step."""
    cell = {**bare["cell"], "recipe": as_record(recipe_for(bare["cell"]["recipe"]["name"], bare["cell"]["init"], {}))}
    metric, test = bare["task"]["metric"], bare["scores"]["test"]
    return {
        **bare,
        "id": cell_id(cell),
        "cell": cell,
        "task": {"definition": "0" * 12, **bare["task"]},
        "scores": {**bare["scores"], "test_of_last_state": test},
        "resampled": [test[metric]] * form.RESAMPLES,
        "curve": {"loss": [1.0], "validation": [[1, test[metric]]], "best_step": 1},
        "dynamics": dynamics.measure([1.0], Classes(2), np.array([0, 1])),
        "counts": {"train": 8, "validation": 8, "test": 8, "steps": 1, "parameters": 9, "trained_parameters": 9},
        "mapping_sha256": "0" * 64,
        "dataset": {"sha256": cell["rows"], "status": "verified", "partial": ""},
        "predictions": {"file": f"{cell_id(cell)}.predictions.parquet", "sha256": "0" * 64},
        "run": record.run_of(time.monotonic(), "cpu"),
    }
