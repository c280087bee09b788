"""Files in the making, and what is left of them when whoever made them was killed.

A part is locked by its maker as long as it is written. A lock that is free says that the maker is gone, on another
machine too; where the file system has no locks, parts stay.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

PREFIX, SUFFIX = ".", ".part"


def begun(folder: Path) -> tuple[int, str]:
    """Return a new open file in a folder and its path, as `tempfile.mkstemp` does, locked until it is closed.

    Move it to its place before it is closed, or `clear` may come between.
    """
    while True:
        handle, part = tempfile.mkstemp(dir=folder, prefix=PREFIX, suffix=SUFFIX)
        try:
            mine = _lock(handle)
        except OSError:
            return handle, part
        if mine and os.fstat(handle).st_nlink:
            return handle, part
        os.close(handle)  # it was just cleared


def clear(parts: Iterable[Path]) -> None:
    """Remove the parts whose makers are gone; those of a living process, or of another user, stay."""
    for part in parts:
        with contextlib.suppress(OSError):
            handle = os.open(part, os.O_RDWR | os.O_CLOEXEC)
            try:
                if _lock(handle):
                    part.unlink()
            finally:
                os.close(handle)


def _lock(handle: int) -> bool:
    """Tell whether the lock of an open file is ours now; it goes with the process that opened it.

    Raises:
        OSError: The file system has no locks.
    """
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
