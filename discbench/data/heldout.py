"""Train rows that a search for rates holds out, where it may not see validation."""

import numpy as np
from numpy.typing import NDArray

from discbench.data.rows import SPLITS, Encoded, Loaded
from discbench.values.rates import SHARE

Places = NDArray[np.int64]


def cut(train: Encoded, chosen: Places) -> tuple[Places, Places]:
    """Return (places to learn from, places held out), both sorted.

    A tenth is held out, at least one: the last of these rows by their hashes. Rows of one group or family stay on one
    side; whichever comes first by its first row's hash is learnt from.

    Args:
        train: All train rows, in their canonical order, which is that of their hashes.
        chosen: Places of those that a cell takes.
    """
    names = train.groups or train.families
    labels = [names[row] if names else None for row in chosen]
    own = [str(row) if label is None else f"={label}" for row, label in zip(chosen, labels, strict=True)]
    order = {name: place for place, name in enumerate(dict.fromkeys(own))}
    member = np.array([order[name] for name in own])
    first = len(order) - max(1, round(SHARE * len(order)))
    return chosen[member < first], chosen[member >= first]


def searched(loaded: Loaded, chosen: dict[str, Places], *, apart: bool) -> tuple[Places, str, Places]:
    """Return (train rows to learn from, the split that is compared on, its rows) of a cell of a search.

    Args:
        loaded: All rows.
        chosen: Split -> places that the cell takes, of train, and of validation unless rows are held out.
        apart: Whether held-out train rows stand for validation.
    """
    if not apart:
        return chosen[SPLITS[0]], SPLITS[1], chosen[SPLITS[1]]
    learnt, kept = cut(loaded.train, chosen[SPLITS[0]])
    return learnt, SPLITS[0], kept
