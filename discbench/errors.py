"""Every error that discbench raises on purpose, and the exit code it leads to.

DiscbenchError
├── UserError (2)        what was asked cannot be done as asked
│   ├── NoSuchName           a task, probe, model or field that does not exist
│   ├── DataError            a file is missing, truncated, altered or of another form
│   │   └── NotAtHand            a file is not here, and nothing may be downloaded
│   ├── CheckpointError      a checkpoint cannot be read or cannot be served
│   └── StoreError           a results directory or a result cannot be read or written
├── PluginError (3)      a plugin broke its side of the contract
├── CellError (1)        one cell could not be finished; the others go on
└── Detached (0)         cells go on elsewhere, as was asked; nothing is wrong

A message has three parts: what was asked, what was found, what to do.
"""

import difflib
import errno
import os
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """How a discbench command ends; by a signal, with 128 + its number (`discbench.words.interruption`)."""

    OK = 0
    CELL_FAILED = 1
    USER = 2
    PLUGIN = 3


class DiscbenchError(Exception):
    """Base of all errors raised on purpose; printed as one line, without a traceback."""

    exit_code = ExitCode.CELL_FAILED


class UserError(DiscbenchError):
    """What the user asked for cannot be done as asked."""

    exit_code = ExitCode.USER


class NoSuchName(UserError):  # noqa: N818 - it is what the name says
    """A name that nothing answers to."""


class DataError(UserError):
    """A data file is missing, truncated, altered or not in the expected form."""


class NotAtHand(DataError):  # noqa: N818 - it is what the name says
    """A data file is neither in the data directory nor in the cache, and nothing may be downloaded."""


class CheckpointError(UserError):
    """A checkpoint cannot be found, read, or fine-tuned as a sequence classifier."""


class StoreError(UserError):
    """A results directory or a stored result cannot be read or written."""


class PluginError(DiscbenchError):
    """A plugin broke its side of the contract."""

    exit_code = ExitCode.PLUGIN


class CellError(DiscbenchError):
    """One cell could not be finished; it is recorded as failed and the others go on."""


class Detached(DiscbenchError):  # noqa: N818 - it is what the name says
    """Cells were handed to others, who run them now: what was asked, told in the way of what ends a command.

    Args:
        told: Where they are, and what to do to see them.
        job: Their number there.
    """

    exit_code = ExitCode.OK

    def __init__(self, told: str, job: str) -> None:
        super().__init__(told)
        self.job = job


def did_you_mean(wrong: str, known: Iterable[str], advice: str) -> str:
    """Return `; did you mean 'x'? <advice>` with the nearest known name, or `; <advice>` if none is near."""
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}? {advice}" if near else f"; {advice}"


WAYS_OUT = {
    errno.ENOSPC: "free some space, or give another place",
    errno.EFBIG: "free some space, or give another place",
    errno.EDQUOT: "free some space, or give another place",
    errno.EROFS: "give a place that can be written",
    errno.EACCES: "give another place, or see whom it belongs to",
    errno.EPERM: "give another place, or see whom it belongs to",
    errno.ENOTDIR: "a part of this path is a file, no folder: move that file away, or give another place",
    errno.EEXIST: "something else has this name: move it away, or give another place",
    errno.ENOTEMPTY: "something else has this name: move it away, or give another place",
    errno.EISDIR: "a folder has this name: move it away, or give another place",
    errno.ENOENT: "is its path right, and the current folder still there?",
    errno.ELOOP: "its links lead in a circle: remove one of them",
    errno.ENAMETOOLONG: "give a shorter name",
}


def place_fault(error: OSError, at: os.PathLike[str] | str | None = None) -> str:
    """Return a fault of the place in one line: which file or folder, what the system says, what to do.

    Args:
        error: What was raised.
        at: The file that was meant, where the error does not name it.
    """
    named = error.filename or at
    what = os.fspath(named) if isinstance(named, str | os.PathLike) else "a file or the standard output"
    said = error.strerror or " ".join(str(error).split()) or type(error).__name__
    way_out = WAYS_OUT.get(error.errno or 0)
    return f"{what} cannot be read or written ({said})" + (f"; {way_out}" if way_out else "")
