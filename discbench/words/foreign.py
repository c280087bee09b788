"""What code of a plugin returned or raised: as Python's own values, or told in one line."""

import math
import traceback
from typing import Any

QUOTED = 80
"""Characters that a message quotes of a value."""


def number(value: object) -> float | None:
    """Return what may stand for a finite number as one: of Python, NumPy or torch; None if it may not."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):  # an array of several, an integer beyond any float
        return None
    return found if math.isfinite(found) else None


def plain(value: Any) -> Any:  # noqa: ANN401 - what a plugin has at hand
    """Return an array of NumPy, torch or pandas, a number of theirs, or a list of such numbers, as Python's own."""
    if isinstance(value, str | int | float):
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple) and value and hasattr(value[0], "item"):
        return [item.item() if hasattr(item, "item") else item for item in value]
    return value


def quoted(value: object) -> str:
    """Return a value's text without its line breaks, cut off."""
    return " ".join(repr(value).split())[:QUOTED]


def raised(error: BaseException) -> str:
    """Return an error, and the file and line that it comes from."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    file = last.filename.replace("\\", "/").rsplit("/", 1)[-1]
    return f"{' '.join(repr(error).split())} ({file}, line {last.lineno})"
