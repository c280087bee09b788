"""Files in the making, and what is left of them when whoever made them was killed.

A part is locked by its maker as long as it is written. A lock that is free says that the maker is gone, on another
machine too; where the file system has no locks, parts stay.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

PREFIX, SUFFIX = ".", ".part"
PATTERN = f"{PREFIX}*{SUFFIX}"
"""Which parts a folder holds."""


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


def begun_folder(parent: Path) -> Path:
    """Return a new folder below another one, for what is moved to its place whole; what killed makers left is removed.

    It is locked until this process ends.
    """
    parent.mkdir(parents=True, exist_ok=True)
    clear(parent.glob(PATTERN))
    part = Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX, suffix=SUFFIX))
    with contextlib.suppress(OSError):
        _lock(os.open(part, os.O_RDONLY | os.O_CLOEXEC))
    return part


@contextlib.contextmanager
def passing_folder(parent: Path) -> Iterator[Path]:
    """Give a new folder below another one, locked while it is used; what is left in it goes with it.

    For libraries that write a file their own way: move what they made to its place before the end.
    """
    parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX, suffix=SUFFIX))
    try:
        handle = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):
                _lock(handle)
            yield part
        finally:
            os.close(handle)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def clear(parts: Iterable[Path]) -> None:
    """Remove the parts, files or folders, whose makers are gone; those of living processes, or of other users, stay."""
    for part in parts:
        with contextlib.suppress(OSError):
            handle = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if not _lock(handle):
                    continue
                if part.is_dir():
                    shutil.rmtree(part)
                else:
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
