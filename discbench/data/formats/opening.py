"""Open a file, plain or compressed, within bounds; whatever is wrong with it becomes one line that names it."""

import bz2
import csv
import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from discbench.data.formats.bounds import Bounded
from discbench.errors import DataError

BROKEN = (OSError, EOFError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error)


def _open_zstandard(path: Path, mode: str) -> Any:  # noqa: ANN401, ARG001 - pyarrow is untyped
    """Open a Zstandard file to read, as the standard library's modules open theirs (it has none before Python 3.14)."""
    import pyarrow as pa

    return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")


OPENERS: dict[str, Callable[..., Any]] = {
    ".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open, ".zst": _open_zstandard
}  # fmt: skip


def cache_directory() -> Path:
    """Return the directory of downloads and prepared rows.

    Raises:
        DataError: Nobody says where it is, and the user has no home directory.
    """
    given, shared = os.environ.get("DISCBENCH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(given) if given else Path(shared or Path.home() / ".cache") / "discbench"
    except RuntimeError as error:
        raise DataError("no home directory is known, so none for the cache; set DISCBENCH_CACHE to a folder") from error


@contextmanager
def open_text(path: Path, encoding: str = "utf-8") -> Iterator[IO[str]]:
    """Open a text file, plain or compressed; whatever is wrong with it becomes one DataError that names it."""
    with open_binary(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as file:
        yield file


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes, decompressed."""
    with open_binary(path) as file:
        return file.read()


@contextmanager
def open_binary(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file, plain or compressed; one that unpacks to far more than its size is refused."""
    opener: Any = OPENERS.get(path.suffix, open)
    try:
        with opener(path, "rb") as file:
            yield file if opener is open else io.BufferedReader(Bounded(file, path), 1 << 16)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DataError(f"{path} is no file; is its path right?") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} cannot be read ({cause(error)}); save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path} cannot be read ({cause(error)})") from error
    except BROKEN as error:
        raise DataError(f"{path} cannot be read ({cause(error)}); {again(path)}") from error


def again(path: Path) -> str:
    """Return what to do about a broken file: only one that was fetched can be fetched again."""
    fetched = path.resolve().is_relative_to((cache_directory() / "downloads").resolve())
    return "is it whole? remove it to have it fetched again" if fetched else "is it whole?"


def plain_name(path: Path) -> str:
    """Return a file's name in lower case, without the ending of its compression."""
    name = path.name.lower()
    return name.removesuffix(path.suffix.lower()) if path.suffix in OPENERS else name


def cause(error: BaseException) -> str:
    """Return an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
