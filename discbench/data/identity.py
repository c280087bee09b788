"""What identifies a dataset: its rows in an order of their own, whatever file, container or order they came in.

Each row is one canonical line of JSON. A split is ordered by the SHA-256 of its rows' lines, so that places in it,
draws, batches and stored predictions mean the same rows wherever they are loaded. The dataset's SHA-256 is over those.
"""

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np

from discbench.values.types import Row, Splits

SPLITS = ("train", "validation", "test")
GIVEN = ("group", "pair", "number")
"""Parts that all rows of a split have, or none has."""
IN_LINE = (*GIVEN, "family")
"""Parts of a row that stand in its line where they are given."""
_line = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def canonical(row: Row) -> str:
    """Return a row as one line of JSON; scalars rounded to float32."""
    symbols = row.symbols if isinstance(row.symbols, str) else list(row.symbols)
    target = int(row.target) if isinstance(row.target, int) else float(np.float32(row.target))
    given = {name: value for name in IN_LINE if (value := getattr(row, name)) is not None}
    return _line([symbols, target, given] if given else [symbols, target])


def identified(splits: Splits) -> tuple[Splits, str]:
    """Return the rows in their canonical order, and the SHA-256 that identifies them in whatever order they come.

    A split is ordered by the SHA-256 of its rows' lines; copies, being equal, stand side by side.
    """
    whole = hashlib.sha256()
    ordered: dict[str, Any] = {}
    for name in SPLITS:
        rows = getattr(splits, name)
        keys = [hashlib.sha256(canonical(row).encode("utf-8", "surrogatepass")).digest() for row in rows]
        order = sorted(range(len(rows)), key=keys.__getitem__)
        ordered[name] = [rows[place] for place in order]
        whole.update(f"{name} {len(rows)}\n".encode())
        whole.update(b"".join(keys[place] for place in order))
    return replace(splits, **ordered), whole.hexdigest()


def digest(splits: Splits) -> str:
    """Return the SHA-256 that identifies the rows, in whatever order they are given."""
    return identified(splits)[1]
