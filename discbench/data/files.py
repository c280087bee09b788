"""Find, download, check, unpack and read the files that rows come from.

Every file is looked for in this order: the data directory (`--data-dir`, else `DISCBENCH_DATA`), the cache
(`DISCBENCH_CACHE`, else `~/.cache/discbench`), its address. In the data directory and in the cache a file may
lie as it is or compressed (`.xz`, `.gz`).
"""

import bz2
import csv
import fnmatch
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from discbench.data.bounds import Bounded, allowed, check_unpacked
from discbench.errors import DataError, NotAtHand
from discbench.values.types import Row

OPENERS = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
BROKEN = (
    OSError, EOFError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error, csv.Error, UnicodeDecodeError
)  # fmt: skip


@dataclass
class Reading:
    """Where one load may look, and which files it used."""

    directory: Path | None = None
    download: bool = True
    used: list[Path] = field(default_factory=list)


_reading: ContextVar[Reading] = ContextVar("reading")


def current() -> Reading:
    """Return the reading that is going on, or one that follows the environment."""
    given = os.environ.get("DISCBENCH_DATA")
    return _reading.get(None) or Reading(Path(given) if given else None)


@contextmanager
def reading(directory: Path | None = None, *, download: bool = True) -> Iterator[Reading]:
    """Let `fetch` and `local` look into `directory` first, and note the files that they hand out."""
    now = Reading(directory or current().directory, download)
    token = _reading.set(now)
    try:
        yield now
    finally:
        _reading.reset(token)


def cache_directory() -> Path:
    """Return the directory of downloads and prepared rows."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "discbench"
    return Path(os.environ.get("DISCBENCH_CACHE") or default)


def local(name: str) -> Path | None:
    """Return the file `name` (a path relative to the data directory), plain or compressed, if it is there."""
    now = current()
    if now.directory is None:
        return None
    for candidate in (now.directory / (name + suffix) for suffix in ("", *OPENERS)):
        if candidate.is_file():
            now.used.append(candidate)
            return candidate
    return None


def fetch(url: str, *, sha256: str | None = None, name: str | None = None, max_bytes: int = 2 << 30) -> Path:
    """Return the file of an address: from the data directory, the cache, or downloaded.

    Args:
        url: Where the publisher keeps the file.
        sha256: Of the file as downloaded; checked before the file is used.
        name: Path below the data directory under which a local copy is accepted; by default the address's last part.
        max_bytes: A download larger than this is refused.

    Raises:
        DataError: No such file, no network, too large, or another SHA-256 than expected.
    """
    from discbench.data.download import download

    basename = url.rstrip("/").rsplit("/", 1)[-1]
    found = local(name or basename)
    if found is None:
        found = cache_directory() / "downloads" / hashlib.sha256(url.encode()).hexdigest()[:12] / basename
        if not found.is_file():
            if not current().download:
                raise NotAtHand(f"{basename} of {url} is not at hand; fetch it with `discbench data fetch`")
            download(url, found, max_bytes)
        current().used.append(found)
    _check_sha256(found, sha256, url)
    return found


def _check_sha256(path: Path, expected: str | None, url: str) -> None:
    if expected is None:
        return
    found = file_sha256(path)
    if found != expected and path.suffix in OPENERS:
        found = hashlib.sha256(read_bytes(path)).hexdigest()
    if found != expected:
        raise DataError(
            f"{path} has SHA-256 {found[:12]}…, but the task was written for {expected[:12]}… of {url};"
            " remove the file to have it fetched again"
        )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    except BROKEN as error:
        raise DataError(
            f"{path} cannot be read ({_cause(error)}); is it whole? replace it or fetch it again"
        ) from error


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def unpack(archive: Path) -> Path:
    """Extract a tar or zip archive into the cache, once; return the directory.

    Members that would land outside that directory, links out of it and devices are refused.
    """
    where = cache_directory() / "unpacked" / file_sha256(archive)[:16]
    if where.is_dir():
        return where
    where.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=where.parent))
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, part)
        else:
            _untar(archive, part)
        part.rename(where)
    except BROKEN as error:
        shutil.rmtree(part, ignore_errors=True)
        if where.is_dir():
            return where
        raise DataError(f"{archive} cannot be unpacked ({_cause(error)}); replace it or fetch it again") from error
    return where


def _untar(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as tar:
        size = 0
        for member in tar:
            size += member.size
            check_unpacked(size, allowed(archive))
        tar.extractall(into, filter="data")


def _unzip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        check_unpacked(sum(member.file_size for member in file.infolist()), allowed(archive))
        for name in file.namelist():
            if not (into / name).resolve().is_relative_to(into.resolve()):
                raise zipfile.BadZipFile(f"member {name!r} leads outside the archive's folder")
        file.extractall(into)  # noqa: S202 - every member was checked


def find_member(folder: Path, pattern: str) -> Path:
    """Return the one file below `folder` whose name matches `pattern`."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and fnmatch.fnmatch(path.name, pattern))
    if len(found) != 1:
        raise DataError(f"{folder} should hold one {pattern!r}, found {[p.name for p in found]}; fetch it again")
    return found[0]


def read_table(
    path: Path, *, delimiter: str | None = None, quoting: Literal[0, 1, 2, 3] = csv.QUOTE_MINIMAL
) -> list[dict[str, str]]:
    """Read a CSV or TSV file with a header, plain or compressed, into one dict a row."""
    plain = path.name.removesuffix(path.suffix) if path.suffix in OPENERS else path.name
    separator = delimiter or ("\t" if plain.endswith((".tsv", ".txt")) else ",")
    with open_text(path, "utf-8-sig") as file:
        rows = list(csv.DictReader(file, delimiter=separator, quoting=quoting, strict=quoting != csv.QUOTE_NONE))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise DataError(
                f"{path}, line {number}: {len(row)} columns were expected; is the file whole? fetch it again"
            )
    return rows


def read_parquet(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Read the named columns of a parquet file into one dict a row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(read_bytes(path)))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} is no parquet file ({_cause(error)}); is it whole? fetch it again") from error
    if missing := sorted(set(columns) - set(table.column_names)):
        raise DataError(f"{path} has no column {missing}; it has {table.column_names}")
    found: list[dict[str, Any]] = table.select(list(columns)).to_pylist()
    return found


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the publisher wrote
    """Read a JSON file, or JSON lines, plain or compressed."""
    with open_text(path) as file:
        text = file.read()
    try:
        return (
            json.loads(text)
            if text.lstrip()[:1] in "[{" and "\n{" not in text
            else [json.loads(x) for x in text.splitlines()]
        )
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not valid JSON ({error}); is it whole? replace it or fetch it again") from error


def read_rows(path: Path, *, symbols: str, label: str, group: str | None = None) -> list[Row]:
    """Read the rows of a CSV, TSV, JSON or JSON-lines table from its named columns.

    A label that is a whole number becomes a class, any other number a scalar.
    """
    plain = path.name.removesuffix(path.suffix) if path.suffix in OPENERS else path.name
    records = read_json(path) if plain.endswith((".json", ".jsonl")) else read_table(path)
    missing = {symbols, label, *([group] if group else [])} - set(records[0] if records else ())
    if missing:
        raise DataError(
            f"{path} has no column {sorted(missing)}; it has {sorted(records[0]) if records else 'no rows'}"
        )
    return [Row(r[symbols], number(r[label], path), str(r[group]) if group else None) for r in records]


def number(text: Any, path: Path) -> int | float:  # noqa: ANN401 - a cell of somebody's table
    """Return a label as int where it is written as one, else as float."""
    value = text[0] if isinstance(text, list) else text
    try:
        return int(value) if str(value).lstrip("+-").isdigit() else float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: label {value!r} is not a number; fetch the file again") from error
