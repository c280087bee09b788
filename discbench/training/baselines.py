"""Baselines: what a trivial model scores, as checkpoints by name. scikit-learn only, no network, no mapping, no init.

`baseline:majority`  the most frequent class of the train rows, or their mean.
`baseline:kmer`      counts of all runs of 1..n symbols (words of texts) into a linear model: logistic regression for
                     classes, ridge regression for numbers; n and the regularisation are chosen on validation.

Both are deterministic. Their outputs have the form of a model's, so groups are put to the vote in the same room.
"""

import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from discbench.data.rows import LEAST, Encoded, constant
from discbench.values.checkpoints import MAJORITY
from discbench.values.mapping import shuffled
from discbench.values.types import Classes, Task

COLUMNS = 1 << 18
"""Runs of one length are counted in so many columns at most; above that they share columns by hash."""
KEPT = 20_000
"""So many columns are kept, those that most train rows have."""
WORDS = 30_000
TRIED_ROWS = 6000
"""n and the regularisation are chosen with at most so many train rows; the chosen model learns from all."""
STRENGTHS = (0.1, 1.0, 10.0, 100.0)
MANY_CLASSES = 20

Outputs = NDArray[np.float32]
Score = Callable[[Outputs, Encoded], float]
"""The primary metric of outputs on rows, turned so that higher is better."""


class Answers(NamedTuple):
    """A baseline's outputs, (rows, outputs) each, and what was chosen on validation."""

    validation: Outputs
    test: Outputs
    chosen: dict[str, Any]
    parameters: int


def answer(name: str, task: Task, train: Encoded, validation: Encoded, test: Encoded, score: Score) -> Answers:
    """Return a baseline's answers to validation and test rows.

    Args:
        name: One of `checkpoints.BASELINES`.
        task: For its target and alphabet.
        train: Rows to learn from.
        validation: Rows to choose on; where they are the test rows too, a tenth of train is chosen on instead.
        test: Rows to answer.
        score: The primary metric.
    """
    if name == MAJORITY or (isinstance(task.target, Classes) and len(np.unique(train.targets)) == 1):
        held, asked = (constant(task, train, len(split)) for split in (validation, test))
        return Answers(held, asked, {}, task.target.outputs)
    return _kmer(task, train, validation, test, score)


def _kmer(task: Task, train: Encoded, validation: Encoded, test: Encoded, score: Score) -> Answers:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the sums are small: threads only wait for each other
        return _chosen_and_fitted(task, train, validation, test, score)


def _chosen_and_fitted(task: Task, train: Encoded, validation: Encoded, test: Encoded, score: Score) -> Answers:
    n, strength = _choose(task, *_for_choosing(task, train, validation), score)
    symbols, splits = in_codes(task, (train, validation, test))
    known, held, asked = _tables(splits, symbols, n)
    fitted = _fit(task, known, train.targets, strength)
    chosen = {"n": n, "strength": strength, "columns": int(known.shape[1])}
    parameters = int(np.size(fitted.coef_) + np.size(fitted.intercept_))
    return Answers(_outputs(task, fitted, held), _outputs(task, fitted, asked), chosen, parameters)


def _for_choosing(task: Task, train: Encoded, validation: Encoded) -> tuple[Encoded, Encoded]:
    """Return (rows to fit, rows to choose on)."""
    if task.scored_on_validation and len(train) > 1:
        order = np.array(shuffled(range(len(train)), 0))
        cut = max(1, len(train) // 10)
        train, validation = train.take(order[cut:]), train.take(order[:cut])
    some = np.unique(np.linspace(0, len(train) - 1, min(len(train), TRIED_ROWS)).astype(np.int64))
    return train.take(some), validation


def _choose(task: Task, train: Encoded, validation: Encoded, score: Score) -> tuple[int, float]:
    symbols, splits = in_codes(task, (train, validation))
    best, choice = -math.inf, (1, 1.0)
    for n in lengths(task, symbols):
        known, held = _tables(splits, symbols, n)
        for strength in STRENGTHS:
            found = score(_outputs(task, _fit(task, known, train.targets, strength), held), validation)
            if found > best:
                best, choice = found, (n, strength)
    return choice


def lengths(task: Task, symbols: int) -> tuple[int, ...]:
    """Return the greatest run lengths to try: longer for smaller alphabets."""
    if not task.mapping.symbols:
        return (1, 2)
    return (2, 4, 6) if symbols <= 8 else (1, 2, 3) if symbols <= 40 else (1, 2)  # noqa: PLR2004 - DNA, amino acids


class Codes(NamedTuple):
    """Rows as whole numbers, all in one flat array."""

    codes: NDArray[np.int64]
    offsets: NDArray[np.int64]


def in_codes(task: Task, splits: Sequence[Encoded]) -> tuple[int, list[Codes]]:
    """Return how many symbols there are, and the rows in them; of texts the words of train, others as 0."""
    if task.mapping.symbols:
        return task.mapping.symbols, [Codes(s.codes.astype(np.int64), s.offsets) for s in splits]
    counted = Counter(word for row in splits[0].texts or () for word in _words(row))
    place = {word: i for i, (word, _) in enumerate(counted.most_common(WORDS), start=1)}
    rows = [[[place.get(word, 0) for word in _words(row)] for row in split.texts or ()] for split in splits]
    made = [
        Codes(
            np.fromiter((code for row in split for code in row), dtype=np.int64),
            np.concatenate([[0], np.cumsum([len(row) for row in split])]).astype(np.int64),
        )
        for split in rows
    ]
    return len(place) + 1, made


def _words(texts: tuple[str, str | None]) -> list[str]:
    first, second = texts
    return first.lower().split() + [f"2:{word}" for word in (second or "").lower().split()]


def runs(split: Codes, symbols: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return (row, column) of every run of `length` symbols, and how many columns there are."""
    rows = np.repeat(np.arange(len(split.offsets) - 1), np.maximum(np.diff(split.offsets) - length + 1, 0))
    first = np.arange(len(rows)) - np.repeat(
        np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(split.offsets) - 1))[:-1]]),
        np.bincount(rows, minlength=len(split.offsets) - 1),
    )
    start = split.offsets[rows] + first
    found = np.zeros(len(rows), dtype=np.uint64)
    for place in range(length):
        found = found * np.uint64(symbols) + split.codes[start + place].astype(np.uint64)
    width = symbols**length
    if width > COLUMNS:
        found = (found * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - COLUMNS.bit_length() + 1)
        width = COLUMNS
    return rows, found.astype(np.int64), width


def _tables(splits: Sequence[Codes], symbols: int, n: int) -> list[Any]:
    """Return a sparse table of each split: log counts of runs of 1..n symbols, each row of length 1."""
    from scipy.sparse import coo_array, hstack
    from sklearn.preprocessing import normalize

    tables = []
    for split in splits:
        parts = []
        for length in range(1, n + 1):
            rows, columns, width = runs(split, symbols, length)
            shape = (len(split.offsets) - 1, width)
            parts.append(coo_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape).tocsr())
        tables.append(hstack(parts, format="csr"))
    seen = np.bincount(tables[0].indices, minlength=tables[0].shape[1])
    kept = np.sort(np.argsort(-seen, kind="stable")[: min(KEPT, int((seen > 0).sum()))])
    return [normalize(table[:, kept].log1p()) for table in tables]


def _fit(task: Task, table: Any, targets: NDArray[Any], strength: float) -> Any:  # noqa: ANN401 - sparse; scikit-learn
    from sklearn.linear_model import LogisticRegression, Ridge

    if isinstance(task.target, Classes):
        most = 100 if task.target.n < MANY_CLASSES else 40
        model = LogisticRegression(C=10 * strength, max_iter=most, tol=1e-3)
    else:
        model = Ridge(alpha=1 / strength, solver="sparse_cg", tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a baseline that stops before it converged is still one
        return model.fit(table, targets)


def _outputs(task: Task, fitted: Any, table: Any) -> Outputs:  # noqa: ANN401 - scikit-learn; sparse
    if not isinstance(task.target, Classes):
        return np.asarray(fitted.predict(table), dtype=np.float32)[:, None]
    shares = np.zeros((table.shape[0], task.target.n), dtype=np.float32)
    shares[:, fitted.classes_] = fitted.predict_proba(table)
    return np.log(np.maximum(shares, LEAST))
