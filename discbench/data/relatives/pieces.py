"""Stretches of symbols as 64-bit hashes: which rows have one in common is a question of equal numbers.

A hash of 2m symbols is made of the two hashes of m, so that a stretch of any length costs a few passes over them.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FIRST, SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
"""Odd, so that a product modulo 2^64 loses nothing."""
SHIFT = np.uint64(31)


class Keys(NamedTuple):
    """What rows have: two rows with a key in common are related."""

    key: NDArray[np.uint64]
    """(keys,): equal where what they stand for is equal, but for one chance in 2^64."""
    row: NDArray[np.int32]
    """(keys,): the row that each belongs to."""


def _mixed(one: NDArray[np.uint64], other: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    found = one * FIRST
    found ^= found >> SHIFT
    found += other
    found *= SECOND
    found ^= found >> SHIFT
    return found


def flat(sequences: Iterable[Sequence[object]]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return all symbols as numbers in one array, (symbols,), and where each sequence begins and ends, (rows + 1,).

    Equal symbols have equal numbers within one call.
    """
    place: dict[object, int] = {}
    codes = [[place.setdefault(symbol, len(place)) for symbol in sequence] for sequence in sequences]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in codes])]).astype(np.int64)
    return np.fromiter((code for row in codes for code in row), dtype=np.uint32, count=int(offsets[-1])), offsets


def stretches(codes: NDArray[np.unsignedinteger], offsets: NDArray[np.int64], length: int) -> Keys:
    """Return a key for every stretch of `length` symbols; of a shorter row, one of the whole.

    Args:
        codes: (symbols,): the symbols of all rows, one row after another.
        offsets: (rows + 1,): row i is codes[offsets[i]:offsets[i + 1]].
        length: Symbols of a stretch, 1 or more.
    """
    starts, lengths = offsets[:-1], np.diff(offsets)
    now, width = _mixed(codes.astype(np.uint64), np.uint64(1)), 1
    found: list[Keys] = []
    while True:
        short = np.flatnonzero((lengths >= width) & (lengths < min(2 * width, length)))
        ends = lengths[short].astype(np.uint64)
        whole = _mixed(now[starts[short]], now[starts[short] + lengths[short] - width])
        found.append(Keys(_mixed(whole, ends), short.astype(np.int32)))
        if 2 * width > length:
            break
        now, width = _mixed(now[:-width], now[width:]), 2 * width
    step = length - width
    rows = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    inside = np.flatnonzero(np.arange(len(codes)) + length <= np.repeat(offsets[1:], lengths))
    found.append(Keys(_mixed(_mixed(now[inside], now[inside + step]), np.uint64(length)), rows[inside]))
    return Keys(np.concatenate([keys.key for keys in found]), np.concatenate([keys.row for keys in found]))
