"""Which rows belong together: those with the same sequence, a long stretch in common, or one family by name."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from discbench.data.relatives.pieces import Keys, flat, stretches


def families(sequences: Sequence[Sequence[object]], shared: int | None) -> NDArray[np.int64]:
    """Return the family of each sequence, numbered in the order of first members.

    Args:
        sequences: The rows' symbols.
        shared: Sequences with a common stretch of so many symbols are of one family, and so on through their relatives.
            None for identical sequences only.
    """
    return linked(len(sequences), of_sequences(sequences, shared))


def of_sequences(sequences: Sequence[Sequence[object]], shared: int | None) -> Keys:
    """Return the keys of rows by their symbols: of every stretch of `shared`, or with None of the whole row."""
    if shared is None:
        return of_names([sequence if isinstance(sequence, str) else tuple(sequence) for sequence in sequences])
    return stretches(*flat(sequences), shared)


def of_names(names: Sequence[Hashable]) -> Keys:
    """Return a key for every row that has a name; equal names have equal keys."""
    place: dict[Hashable, int] = {}
    pairs = [(place.setdefault(name, len(place)), row) for row, name in enumerate(names) if name is not None]
    keys, rows = zip(*pairs, strict=True) if pairs else ((), ())
    return Keys(np.array(keys, dtype=np.uint64), np.array(rows, dtype=np.int32))


def linked(count: int, *ties: Keys) -> NDArray[np.int64]:
    """Return the family of each of `count` rows, numbered in the order of first members.

    Rows that have a key in common are of one family, whichever of the `ties` it stands in, and so on through their
    relatives: connected components of the keys, sorted.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first, second = (np.concatenate(side) for side in zip(*map(_neighbours, ties), strict=True))
    links = coo_matrix((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    _, family = connected_components(links, directed=False)
    return _numbered(family)


def _neighbours(keys: Keys) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    order = np.argsort(keys.key, kind="stable")
    same = np.flatnonzero(keys.key[order][1:] == keys.key[order][:-1])
    return keys.row[order[same]], keys.row[order[same + 1]]


def _numbered(family: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(family, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[inverse].astype(np.int64)
