"""What code of a plugin does, returned or raised: held apart, as Python's own values, or told in one line."""

import contextlib
import math
import os
import sys
import traceback
from collections.abc import Iterator
from functools import cache
from typing import Any

QUOTED = 80
"""Characters that a message quotes of a value."""


@contextlib.contextmanager
def staying() -> Iterator[None]:
    """Come back to the current folder, wherever foreign code went: paths that a user gave begin there."""
    here = None
    with contextlib.suppress(OSError):  # it may have been removed
        here = os.getcwd()  # noqa: PTH109 - Path.cwd() is slower by an object, and metrics are called often
    try:
        yield
    finally:
        if here is not None:
            with contextlib.suppress(OSError):
                os.chdir(here)


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Run foreign code: what it prints goes to stderr, since stdout is for --json, and `staying`."""
    with staying(), contextlib.redirect_stdout(sys.stderr):
        yield


@cache
def warn(line: str) -> None:
    """Print a warning on stderr, once a process."""
    sys.stderr.write(f"warning: {line}\n")


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
    return f"{ended(error)} ({file}, line {last.lineno})"


def ended(error: BaseException) -> str:
    """Return an error in one line; a call of `sys.exit` as that."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({quoted(error.code) if error.code is not None else ''})"
    return " ".join(repr(error).split())
