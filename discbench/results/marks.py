"""Marks: why a cell must not share a mean with whole ones. Whether rows are verified is what their task says now."""

from collections.abc import Mapping
from typing import Any

Result = dict[str, Any]
UNVERIFIED, FLOAT32 = "unverified", "float32"


def marks(limit: int | None, sizes: tuple[int, ...], partial: str, status: str, *, widened: bool = False) -> list[str]:
    """Return the marks of a cell, in the order in which they are stored.

    Args:
        limit: At most so many rows of every split.
        sizes: Rows of each split.
        partial: What is missing of the rows.
        status: `verified` or `unverified`.
        widened: Whether it was trained in 32 bits, for in the 16 that were asked its loss was not finite.
    """
    limited = limit is not None and limit < max(sizes)
    reasons = {"limited": limited, "partial": bool(partial), FLOAT32: widened, UNVERIFIED: status != "verified"}
    return [name for name, holds in reasons.items() if holds]


def marked_now(result: Result, named: Mapping[str, str | None]) -> Result:
    """Return a result with the marks that its rows earn by the hash that its task names now.

    Args:
        result: Of a cell, finished or not.
        named: Task id -> SHA-256 of the task's rows, or None where it names none. A task that is not in it says
            nothing, and the result stays as it is.
    """
    task = result["cell"]["task"]
    if result["status"] != "finished" or task not in named:
        return result
    data = result["dataset"]
    status = "verified" if named[task] == result["cell"]["rows"] and not data["partial"] else UNVERIFIED
    if status == data["status"]:
        return result
    kept = [mark for mark in result["marks"] if mark != UNVERIFIED]
    earned = kept if status == "verified" else [*kept, UNVERIFIED]
    return {**result, "dataset": {**data, "status": status}, "marks": earned}
