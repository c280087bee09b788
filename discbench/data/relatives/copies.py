"""Near copies: how many validation and test rows a model may have seen in train, all but the same.

Three ways of being one, each counted by itself:

- stretch: a row of symbols shares a stretch of `Dataset.shared` with a train row; a shorter row is equal to one.
- text: a text (both of a pair) is a train row's but for letter case, punctuation and white space.
- form: a row has the form of a train row (`Dataset.form`): the molecule of another SMILES string.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discbench.data.relatives.groups import of_names
from discbench.data.relatives.pieces import Keys, stretches
from discbench.data.rows import SPLITS, Encoded
from discbench.errors import DiscbenchError, PluginError
from discbench.values.types import Classes, Scalar, Splits, Task
from discbench.words.foreign import raised

Record = dict[str, Any]
WORDS = re.compile(r"[\W_]+")
FEW = 10
"""Rows that a correlation needs."""


def count(task: Task, splits: Splits, encoded: dict[str, Encoded]) -> list[Record]:
    """Return, for each way that applies to the task, how many validation and test rows are near copies of a train row.

    Args:
        task: Whose rows.
        splits: The rows as they were read: forms are made of whole symbols.
        encoded: The same rows by split, after the task's cut: stretches are looked for in what a model gets.

    Returns:
        One record a way: `by`; `length` in symbols (of stretches); `what` such a copy is, in words; `apart`, the task
        whose split keeps these on one side, where there is one; `validation` and `test`, each with `rows`, `near` (the
        copies), and how their labels agree with those of the train rows that they are copies of, each train row
        weighing as many stretches as they share: `same_label`, the share of copies whose own class is among the most
        frequent there (classes), or `correlation`, Spearman's, of their own label with the mean there (numbers). None
        where nothing can be said. A way that cannot be counted has `why` instead of the two.
    """
    ways = [_texts(encoded)] if encoded["train"].texts is not None else [_stretches(task, encoded)]
    if task.dataset.form is not None:
        ways.append(_forms(task, splits))
    ways[-1][0]["apart"] = task.dataset.apart
    return [{**about, **(_both(task, keys, encoded) if keys else {})} for about, keys in ways]


def _stretches(task: Task, encoded: dict[str, Encoded]) -> tuple[Record, dict[str, Keys]]:
    length = task.dataset.shared
    keys = {name: stretches(split.codes, split.offsets, length) for name, split in encoded.items()}
    longest = max(int(split.lengths.max()) for split in encoded.values())
    what = f"share {length} symbols with a train row" if longest >= length else "equal a train row"
    return {"by": "stretch", "length": length, "what": what, "apart": ""}, keys


def _texts(encoded: dict[str, Encoded]) -> tuple[Record, dict[str, Keys]]:
    names = {name: [(plain(a), plain(b or "")) for a, b in split.texts or ()] for name, split in encoded.items()}
    what = "are the text of a train row but for case and punctuation"
    return {"by": "text", "length": None, "what": what, "apart": ""}, _of(names)


def _forms(task: Task, splits: Splits) -> tuple[Record, dict[str, Keys]]:
    form = task.dataset.form
    assert form is not None
    about = {"by": "form", "length": None, "what": f"are {form.name} of train, in any spelling", "apart": ""}
    if form.missing:
        return {**about, "why": form.missing}, {}
    try:
        return about, _of({name: [form.of(row.symbols) for row in getattr(splits, name)] for name in SPLITS})
    except DiscbenchError:
        raise
    except Exception as error:
        raise PluginError(f"{task.name}: the function of Dataset(form=...) failed: {raised(error)}") from error


def plain(text: str) -> str:
    """Return a text in lower case with single spaces and without punctuation; if nothing is left, as it is."""
    return WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip() or text


def _of(names: dict[str, list[Any]]) -> dict[str, Keys]:
    whole = of_names([name for split in SPLITS for name in names[split]])
    ends = np.cumsum([0, *(len(names[split]) for split in SPLITS)])
    found = {}
    for split, start, end in zip(SPLITS, ends, ends[1:], strict=False):
        mine = (whole.row >= start) & (whole.row < end)
        found[split] = Keys(whole.key[mine], (whole.row[mine] - start).astype(np.int32))
    return found


def _both(task: Task, keys: dict[str, Keys], encoded: dict[str, Encoded]) -> Record:
    order = np.argsort(keys["train"].key)  # bisection is fast where one search ends near the next
    train = Keys(keys["train"].key[order], keys["train"].row[order])
    return {name: _compared(task, keys[name], train, encoded[name], encoded["train"]) for name in SPLITS[1:]}


def _compared(task: Task, asked: Keys, train: Keys, split: Encoded, learnt: Encoded) -> Record:
    """Return the near copies of one split: no pair of rows is looked at, equal keys are found by bisection."""
    known, at = np.unique(asked.key, return_inverse=True)
    place = np.minimum(np.searchsorted(known, train.key), len(known) - 1)
    met = known[place] == train.key if len(known) else np.zeros(len(train.key), dtype=bool)
    mine = np.zeros(len(known), dtype=bool)
    mine[place[met]] = True
    hit = mine[at]
    near = np.unique(asked.row[hit])
    found: Record = {"rows": len(split), "near": len(near), "same_label": None, "correlation": None}
    if not len(near):
        return found
    labels = learnt.targets[train.row[met]]
    carried = [
        np.bincount(place[met], weights=column, minlength=len(known)) for column in _columns(task.target, labels)
    ]
    copied = _sums(asked.row[hit], at[hit], carried, len(split))[near]
    return found | _agreement(task.target, copied, split.targets[near])


def _columns(target: Classes | Scalar, labels: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Yield what is added up of labels: of classes 1 in the column of each, of numbers 1 and the number."""
    if isinstance(target, Classes):
        yield from ((labels == one).astype(np.float64) for one in range(target.n))
    else:
        yield from (np.ones(len(labels)), labels.astype(np.float64))


def _sums(rows: NDArray[Any], keys: NDArray[Any], carried: list[NDArray[Any]], count: int) -> NDArray[np.float64]:
    """Return (count, columns): for each row, the sum of what its keys carry."""
    return np.stack([np.bincount(rows, weights=column[keys], minlength=count) for column in carried], axis=1)


def _agreement(target: Classes | Scalar, copied: NDArray[np.float64], own: NDArray[Any]) -> Record:
    if isinstance(target, Classes):
        same = copied[np.arange(len(own)), own] == copied.max(axis=1)
        return {"same_label": round(float(same.mean()), 4)}
    means = copied[:, 1] / copied[:, 0]
    if len(own) < FEW or np.ptp(means) == 0 or np.ptp(own) == 0:
        return {}
    from scipy.stats import spearmanr

    return {"correlation": round(float(spearmanr(means, own).statistic), 4)}
