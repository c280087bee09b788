"""The conformance kit for tasks: rows, splits, labels, mapping, metric."""

import contextlib
import io
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from discbench.data import rows
from discbench.data.classes import alphabetical, remarks, words
from discbench.data.loading import read
from discbench.data.rows import describe, encode
from discbench.testing.elsewhere import difference
from discbench.testing.promises import as_promised, promise
from discbench.values.mapping import RandomTable, Vocabulary, draw_table
from discbench.values.metrics import rehearse
from discbench.values.types import Classes, Splits, Task


def example_vocabulary(size: int = 2000) -> Vocabulary:
    """Return a vocabulary of the form of BERT's: ids 0..99 are special or unused."""
    return Vocabulary(
        size=size, regular=tuple(range(100, size)), unused=tuple(range(5, 100)), prefix=(2,), suffix=(3,), pad=0
    )


class Remark(UserWarning):
    """What no promise forbids, but an author should know: a split without a class, an order of classes nobody gave."""


def check_task(task: Task) -> Splits:
    """Check every promise that a task makes; return its rows. What is only remarkable is warned of as `Remark`.

    Raises:
        AssertionError: The first promise that is broken, in words.
    """
    before = "torch" in sys.modules
    with as_promised(task.name):
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed):  # where `read` sends it
            (first, sha256), (_, again) = read(task), read(task)
        promise(task.name, "loading it prints nothing", not printed.getvalue(), f"it prints {printed.getvalue()!r:.60}")
        promise(task.name, "two loads are equal", sha256 == again, "they are not")
        elsewhere = difference(task, sha256)
        promise(task.name, "another process loads the same rows", not elsewhere, elsewhere)
        _check_splits(task, first)
        for name in rows.SPLITS:
            encode(task, getattr(first, name))
        _check_apart(task, first)
        _check_answer(task, first)
    if isinstance(task.mapping, RandomTable):
        check_mapping(task)
    promise(task.name, "loading it does not import torch", before or "torch" not in sys.modules, "it does")
    for remark in _remarks(task, first):
        warnings.warn(f"{task.name}: {remark}", Remark, stacklevel=2)
    return first


def _remarks(task: Task, splits: Splits) -> Iterator[str]:
    labels = {name: describe(task.target, encode(task, getattr(splits, name)).targets) for name in rows.SPLITS}
    yield from remarks(task, labels)
    order = words(splits, task.name)
    if order and alphabetical(splits) and isinstance(task.target, Classes) and not task.target.names:
        yield (
            "its labels are words, and nobody gave their order: 0 is "
            + ", ".join(f"{place} {word!r}" for place, word in enumerate(order))[2:]
            + f"; say so with Classes({task.target.n}, names), or give read_rows another order by classes="
        )


def _check_splits(task: Task, splits: Splits) -> None:
    if task.dataset.sizes and not splits.partial:
        found = tuple(len(getattr(splits, name)) for name in rows.SPLITS)
        promise(
            task.name, f"its splits have {task.dataset.sizes} rows", found == task.dataset.sizes, f"they have {found}"
        )
    if task.dataset.rows_sha256 and not splits.partial:
        found_hash = rows.digest(splits)
        promise(
            task.name,
            f"its rows hash to {task.dataset.rows_sha256[:12]}…",
            found_hash == task.dataset.rows_sha256,
            f"they hash to {found_hash}",
        )
    learnt, asked = (
        {rows.canonical(replace(row, target=0, number=None, family=None)) for row in part}
        for part in (splits.train, splits.test)
    )
    shared = learnt & asked
    promise(
        task.name,
        "no row is in train and test unless Dataset(overlap=...) says why",
        not shared or bool(task.dataset.overlap),
        f"{len(shared)} are",
    )


def _check_apart(task: Task, splits: Splits) -> None:
    """Check that neither an item nor a family stands in two splits."""
    for kind, what, advice in (
        ("group", "no item has segments in two splits", "discbench.data.split"),
        ("family", "no family has rows in two splits", "discbench.data.grouped_split"),
    ):
        names = {split: {getattr(row, kind) for row in getattr(splits, split)} - {None} for split in rows.SPLITS}
        for one, other in combinations(rows.SPLITS, 2):
            both = names[one] & names[other]
            promise(
                task.name,
                f"{what} unless Dataset(overlap=...) says why",
                not both or bool(task.dataset.overlap),
                f"{len(both)} have in {one} and {other}, {min(both, key=str, default=None)!r} for one; see {advice}",
            )


def _check_answer(task: Task, splits: Splits) -> None:
    targets = np.array(
        [row.target for row in splits.test], dtype=np.int64 if isinstance(task.target, Classes) else np.float64
    )
    given = (
        np.eye(task.target.n)[targets]
        if isinstance(task.target, Classes) and task.metric.needs == "output"
        else targets
    )
    rehearse(task.metrics, targets, task.target.outputs)
    score = task.metric(targets, given)
    wanted = 1.0 if task.metric.higher_is_better else 0.0
    promise(task.name, f"a perfect answer scores {wanted:g}", abs(score - wanted) < 1e-9, f"it scores {score}")  # noqa: PLR2004


def check_mapping(task: Task) -> None:
    """Check that the task's table is one to one, repeats for a seed, differs between seeds and avoids special ids."""
    assert isinstance(task.mapping, RandomTable)
    vocabulary = example_vocabulary(max(2000, 2 * task.mapping.symbols))
    tables = [draw_table(task.mapping, task.mapping.kind, vocabulary, seed) for seed in (0, 0, 1)]
    promise(
        task.name, "its mapping is one to one", len(set(tables[0])) == task.mapping.symbols, "two symbols share an id"
    )
    promise(task.name, "its mapping repeats for a seed", tables[0] == tables[1], "it does not")
    promise(task.name, "its mapping differs between seeds", tables[0] != tables[2], "it does not")
    strange = sorted(set(tables[0]) - set(vocabulary.regular))
    promise(task.name, "its mapping avoids special ids", not strange, f"it uses {strange}")
