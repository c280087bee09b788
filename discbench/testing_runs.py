"""The part of the conformance kit that reads corpora and runs cells: corpora, executors, a task that can be learnt."""

import io
import math
import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from discbench.errors import CheckpointError
from discbench.jobs import Event, Executor, Job
from discbench.place import Place
from discbench.plan import Cell
from discbench.store import Store
from discbench.types import Classes, Corpus, Dataset, Row, Splits, Task

LINES = 20_000
"""Lines of a corpus that are looked at."""
LEARNT = 0.9
"""What `overfits` demands of a score whose best is 1; an error must fall to a tenth of that of the best constant."""


def check_corpus(corpus: Corpus) -> None:
    """Check every promise that a pre-training corpus makes, on its first 20,000 lines.

    Raises:
        AssertionError: The first promise that is broken, in words.
    """
    learnt, again, kept = (list(islice(lines(), LINES)) for lines in (corpus.lines, corpus.lines, corpus.held_out))
    for name, lines in (("lines", learnt), ("held_out", kept)):
        strange = next((line for line in lines if not isinstance(line, str)), "")
        _promise(corpus.name, f"{name}() yields text", isinstance(strange, str), f"it yields {strange!r}")
        broken = next((line for line in lines if "\n" in line or "\r" in line), None)
        _promise(corpus.name, f"a line of {name}() ends without a newline", broken is None, f"{broken!r:.60} does not")
        words = sum(len(line.split()) for line in lines)
        _promise(corpus.name, f"{name}() has words", words > 0, "there are none")
    _promise(corpus.name, "lines() is the same each time", learnt == again, _first_difference(learnt, again))
    paragraphs = [line for line in learnt if line.strip()]
    most = Counter(paragraphs).most_common(1)[0]
    _promise(
        corpus.name, "paragraphs differ", most[1] <= max(1, len(paragraphs) // 2), f"{most[0]!r:.60} is most of it"
    )
    shared = set(paragraphs) & {line for line in kept if line.strip()}
    _promise(corpus.name, "no held-out paragraph is learnt", not shared, f"{min(shared, default='')!r:.60} is")


def _promise(name: str, promise: str, kept: bool, found: object) -> None:  # noqa: FBT001 - reads as a sentence
    if not kept:
        raise AssertionError(f"{name}: {promise}, but {found}")


def _first_difference(first: Sequence[str], second: Sequence[str]) -> str:
    for number, (one, other) in enumerate(zip(first, second, strict=False), 1):
        if one != other:
            return f"line {number} was {one!r:.40} and then {other!r:.40}"
    return f"it had {len(first)} lines and then {len(second)}"


def check_executor(executor: Executor) -> None:
    """Check what an executor promises, on six cells of a tiny checkpoint, one of which fails.

    Every cell is told once and stored, with the scores and predictions that this process gives; a cell that fails stops
    no other; what a look at a checkpoint finds is raised before any cell is started; no process is left behind.

    Raises:
        AssertionError: The first promise that is broken, in words.
    """
    from discbench.executors.builtin import INPROCESS
    from discbench.testing import tiny_checkpoint

    before = set(multiprocessing.active_children())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = tiny_checkpoint(root / "tiny")
        jobs = _jobs(str(model))
        cells = [job.cell for job in jobs if job.cell is not None]
        told: list[Event] = []
        INPROCESS.run(jobs, Place(results=root / "expected"), 0, 1, lambda _: None)
        executor.run(jobs, Place(results=root / "found"), 2, 1, told.append)
        _check_told(executor.name, cells, told)
        _check_stored(executor.name, cells, Store(root / "expected"), Store(root / "found"))
        left = set(multiprocessing.active_children()) - before
        _promise(executor.name, "no process is left when it returns", not left, f"{len(left)} are")
        (model / "model.safetensors").unlink()
        started: list[Event] = []
        try:
            executor.run(jobs, Place(results=root / "refused"), 2, 1, started.append)
        except CheckpointError:
            pass
        except Exception as error:
            raise AssertionError(f"{executor.name}: what a check finds is raised, but {error!r} was") from error
        else:
            raise AssertionError(f"{executor.name}: what a check finds is raised, but nothing was")
        _promise(
            executor.name, "no cell is started when a check fails", not started, f"{len(started)} events were told"
        )


def _jobs(model: str) -> list[Job]:
    """Return a look at a checkpoint and six cells, the fourth of which diverges."""
    from discbench import registry, sweep
    from discbench.api import requested

    manager, jobs = registry.plugins(), []
    for seeds, changes in ((3, {"epochs": 1}), (1, {"epochs": 1, "lr": 1e30})):
        request = requested(
            inits="pretrained" if seeds == 1 else "pretrained,scratch",
            seeds=seeds,
            recipe="quick",
            set=changes,
            limit=16,
        )
        asked = sweep.prepare(
            manager,
            (model,),
            ("formal.factor",),
            request,
            directory=None,
            specials={},
            load=True,
            unverified=False,
            trust_remote_code=False,
        )
        jobs += sweep.jobs(asked, asked.cells)
    checks, cells = [job for job in jobs if job.cell is None], [job for job in jobs if job.cell is not None]
    return [*checks, *cells[:3], cells[-1], *cells[3:5]]


def _check_told(name: str, cells: Sequence[Cell], told: Sequence[Event]) -> None:
    for kind in ("start", "end"):
        counts = Counter(event.cell.id for event in told if event.kind == kind)
        wrong = [(cell.words, counts[cell.id]) for cell in cells if counts[cell.id] != 1]
        _promise(name, f"every cell is told by one event {kind!r}", not wrong, f"{wrong[:1]} times")
    strange = {event.cell.id for event in told} - {cell.id for cell in cells}
    _promise(name, "only cells that were given are told", not strange, f"{sorted(strange)} are")


def _check_stored(name: str, cells: Sequence[Cell], expected: Store, found: Store) -> None:
    for cell in cells:
        wanted, given = expected.get(cell), found.get(cell)
        _promise(name, "every cell has a result in the store", given is not None, f"{cell.words} has none")
        assert wanted is not None
        assert given is not None
        parts = ("status", "scores", "cause", "collapsed")
        differ = [part for part in parts if wanted.get(part) != given.get(part)]
        _promise(
            name,
            "a cell gives what it gives in this process",
            not differ,
            f"{differ} of {cell.words} differ: {[given.get(part) for part in differ]!r:.200}",
        )
        paths = [store.path(cell).with_suffix(".predictions.parquet") for store in (expected, found)]
        same = [path.read_bytes() if path.exists() else b"" for path in paths]
        _promise(name, "predictions lie beside the result", same[0] == same[1], f"those of {cell.words} differ")


def overfits(task: Task, *, rows: int = 32, steps: int = 150, max_tokens: int = 64) -> float:
    """Train `builtin:tiny` on a few rows until it knows them; return its score on these very rows.

    A task that fails cannot be learnt as it is: rows that read the same have different targets, symbols are lost in the
    mapping or cut away, or the metric is turned round. A task that passes may still be too hard, or have its targets
    shuffled: a few rows can be learnt by heart.

    Args:
        task: Whose train rows are taken, evenly from all classes or over all values.
        rows: How many.
        steps: Of training, all rows in each.
        max_tokens: Rows are cut after so many.

    Raises:
        AssertionError: The targets do not differ, or the score stays below what knowing the rows would give.
    """
    from discbench.api import evaluate

    chosen = _spread(task, rows)
    targets = {row.target for row in chosen}
    _promise(task.name, "targets differ", len(targets) > 1, f"all of {len(chosen)} rows have {min(targets)}")
    splits = Splits(train=chosen, validation=chosen, test=chosen)
    data = Dataset(lambda: splits, license=task.dataset.license, cite=task.dataset.cite, overlap="on purpose")
    with tempfile.TemporaryDirectory() as folder:
        board = evaluate(
            "builtin:tiny",
            replace(task, name=f"{task.name}-by-heart", dataset=data),
            inits="pretrained",
            seeds=1,
            recipe="quick",
            set={"epochs": steps, "batch": len(chosen), "max_tokens": max_tokens},
            results=folder,
            workers=0,
            threads=1,  # batches are small, and several of these may run at once
            unverified=True,
            stream=io.StringIO(),
        )
    (result,) = board.results
    _promise(task.name, "it can be trained on", result["status"] == "finished", result.get("cause"))
    score = float(result["scores"]["test"][task.metric.name])
    limit = LEARNT if task.metric.higher_is_better else (1 - LEARNT) * _of_constant(chosen)
    learnt = score >= limit if task.metric.higher_is_better else score <= limit
    _promise(
        task.name,
        f"{len(chosen)} rows can be learnt by heart ({task.metric.name} {limit:.2f})",
        learnt and math.isfinite(score),
        f"after {steps} steps it is {score:.3f}",
    )
    return score


def _spread(task: Task, count: int) -> list[Row]:
    """Return train rows of all classes in turn, or over all values; one a group, so that no vote decides."""
    alone: dict[Any, Row] = {}
    for number, row in enumerate(task.dataset.load().train):
        alone.setdefault(number if row.group is None else row.group, row)
    found = list(alone.values())
    if isinstance(task.target, Classes):
        by_class: dict[Any, list[Row]] = {}
        for row in found:
            by_class.setdefault(row.target, []).append(row)
        return list(islice(_in_turn(list(by_class.values())), count))
    ordered = sorted(found, key=lambda row: float(row.target))
    places = np.unique(np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int))
    return [ordered[place] for place in places]


def _in_turn(lists: Sequence[Sequence[Row]]) -> Iterator[Row]:
    for place in range(max(map(len, lists))):
        for rows in lists:
            if place < len(rows):
                yield rows[place]


def _of_constant(rows: Sequence[Row]) -> float:
    return float(np.std([row.target for row in rows]))
