"""Which rows belong together: those with the same sequence, or with a long piece in common.

A random split of overlapping windows puts nearly the same row on both sides. A grouped split keeps every such family on
one side; the difference between the two scores is leakage.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discbench.data.files import shuffle
from discbench.values.types import Row, Splits

PRIME = np.uint64(0x9E3779B97F4A7C15)  # odd, so that a product modulo 2^64 loses nothing


def pieces(symbols: str, length: int) -> NDArray[np.uint64]:
    """Return a 64-bit hash of every piece of `length` symbols; of a shorter row, the hash of the whole."""
    codes = np.frombuffer(symbols.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    width = min(length, len(codes))
    count = len(codes) - width + 1
    mixed = np.full(count, width, dtype=np.uint64)
    for place in range(width):
        mixed ^= mixed >> np.uint64(29)
        mixed *= PRIME
        mixed += codes[place : place + count]
    return mixed


def families(sequences: Sequence[str], shared: int | None) -> NDArray[np.int64]:
    """Return the family of each sequence, numbered in the order of first members.

    Args:
        sequences: The rows' symbols.
        shared: Sequences with a common piece of so many symbols are of one family, and so on through their relatives
            (connected components of the pieces, sorted by hash). None for identical sequences only.
    """
    if shared is None:
        _, family = np.unique(np.asarray(sequences, dtype=object), return_inverse=True)
        return _numbered(family)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    hashed = [pieces(s, shared) for s in sequences]
    owner = np.repeat(np.arange(len(sequences), dtype=np.int32), [len(h) for h in hashed])
    whole = np.concatenate(hashed)
    order = np.argsort(whole, kind="stable")
    same = np.flatnonzero(whole[order][1:] == whole[order][:-1])
    first, second = owner[order[same]], owner[order[same + 1]]
    count = len(sequences)
    _, family = connected_components(
        coo_matrix((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count)), directed=False
    )
    return _numbered(family)


def _numbered(family: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(family, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[inverse].astype(np.int64)


def grouped_split(
    rows: Sequence[Row], *, shared: int | None, parts: tuple[float, float, float], seed: int, partial: str = ""
) -> Splits:
    """Cut rows so that no family is on two sides: families in shuffled order fill test, then validation, then train.

    The shares are kept as nearly as whole families allow; a family larger than a tenth of all rows goes to train.
    """
    family = families([str(row.symbols) for row in rows], shared)
    members: list[list[int]] = [[] for _ in range(int(family.max()) + 1)]
    for row, number in enumerate(family):
        members[number].append(row)
    wanted = {"test": parts[2] * len(rows), "validation": parts[1] * len(rows)}
    sides: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for number in shuffle(range(len(members)), seed):
        fits = (s for s in ("test", "validation") if len(sides[s]) + len(members[number]) <= wanted[s])
        sides[next(fits, "train")].extend(members[number])
    chosen = {side: [rows[i] for i in sorted(numbers)] for side, numbers in sides.items()}
    return Splits(train=chosen["train"], validation=chosen["validation"], test=chosen["test"], partial=partial)
