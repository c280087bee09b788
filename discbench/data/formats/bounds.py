"""Bounds on what compressed files may unpack to, against decompression bombs."""

import io
from pathlib import Path
from typing import Any

TIMES, HARMLESS = 100, 16 << 20
"""A file may unpack to so many times its size, or to so many bytes where that is more."""


def allowed(path: Path) -> int:
    """Return how many bytes a file may unpack to."""
    return max(HARMLESS, TIMES * path.stat().st_size)


def check_unpacked(size: int, most: int) -> None:
    """Raise OSError if `size` bytes are more than a file may unpack to."""
    if size > most:
        raise OSError(f"it unpacks to more than {TIMES} times its size and {HARMLESS >> 20} MiB")


class Bounded(io.RawIOBase):
    """A decompressed stream that fails once it has given too much for the size of its file."""

    def __init__(self, file: Any, path: Path) -> None:  # noqa: ANN401 - each compression has a class of its own
        self.file, self.most, self.given = file, allowed(path), 0

    def readable(self) -> bool:
        """Tell that bytes can be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - buffers have no public type before Python 3.12
        """Read the next bytes."""
        count = int(self.file.readinto(buffer))
        self.given += count
        check_unpacked(self.given, self.most)
        return count
