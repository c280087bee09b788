"""Take in results that others made: a packed submission or a store, read within bounds, never unpacked to disk.

Nothing here trusts a name, a size or a number. An archive that could be read in two ways (a prefix, a comment, zip64,
names twice) is refused as a whole; files are read into memory one at a time.
"""

import json
import math
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from discbench.data.formats.bounds import allowed, check_unpacked
from discbench.errors import UserError
from discbench.results.store import PROBES
from discbench.submissions.findings import Unfit, shown

MANIFEST = "submission.json"
MOST_CELLS = 30_000
MOST_JSON = 8 << 20
MOST_PREDICTIONS = 128 << 20
MOST_TOTAL = (4 << 30) - 1
MOST_DEPTH = 24
MOST_NAME = 600
MOST_NUMBER = 2**53 - 1
"""Whole numbers beyond it are not the same in every reader of JSON."""
PLACE = 4
"""Parts of the path of a cell's file: checkpoint, revision, task, file."""
SAFE = re.compile(r"[\w.@+-]+")
END, END64, LOCAL = b"PK\5\6", b"PK\6\7", b"PK\3\4"
END_SIZE = 22
JSON, PREDICTIONS = ".json", ".predictions.parquet"


@dataclass(frozen=True, slots=True)
class Parcel:
    """Results that were handed in, file by file."""

    path: Path
    names: tuple[str, ...]
    """Paths of files in it, sorted, `/` between the parts."""
    archive: zipfile.ZipFile | None
    probes: int = 0
    """Results of probes that lie beside the cells."""

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a file of this path."""
        if self.archive is None:
            return (self.path / name).is_file()
        return name in self.archive.NameToInfo

    @property
    def cells(self) -> Iterator[str]:
        """The paths of cells' results."""
        return (name for name in self.names if name != MANIFEST and name.endswith(JSON))

    @property
    def strangers(self) -> list[str]:
        """The paths of what is neither a result, nor predictions beside one, nor the manifest."""
        known = {f"{name.removesuffix(JSON)}{PREDICTIONS}" for name in self.cells}
        return [n for n in self.names if n not in known and not n.endswith(JSON)]

    def read(self, name: str, most: int) -> bytes:
        """Return a file's content.

        Raises:
            Unfit: It is not there, cannot be read, or is larger than `most` bytes.
        """
        try:
            if self.archive is None:
                with (self.path / name).open("rb") as plain:
                    content = plain.read(most + 1)
            else:
                with self.archive.open(name) as packed:
                    content = packed.read(most + 1)
        except (KeyError, FileNotFoundError):
            raise Unfit("is not there") from None
        except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as e:
            raise Unfit(f"cannot be read ({type(e).__name__}: {shown(str(e))})") from e
        if len(content) > most:
            raise Unfit(f"is larger than {most >> 20} MiB")
        return content


@contextmanager
def opened(path: Path) -> Iterator[Parcel]:
    """Open a submission or a store.

    Raises:
        UserError: It is not there, is neither, or is refused as a whole.
    """
    try:
        parcel = _directory(path) if path.is_dir() else _archive(path)
    except (OSError, zipfile.BadZipFile, struct.error, UnicodeDecodeError) as error:
        raise UserError(
            f"{shown(str(path))} cannot be read ({shown(str(error))}); give a file made by `discbench submit`, or a"
            " results directory"
        ) from error
    with parcel.archive or nullcontext():
        yield parcel


def _archive(path: Path) -> Parcel:
    with path.open("rb") as file:
        _check_archive(path, file)
    archive = zipfile.ZipFile(path)
    try:
        return Parcel(path, _members(path, archive), archive)
    except BaseException:
        archive.close()
        raise


def _refuse(path: Path, found: str) -> NoReturn:
    raise UserError(
        f"{shown(str(path))} is refused: {found}; pack results with `discbench submit --results DIR --out FILE.zip`"
    )


def _check_archive(path: Path, file: Any) -> None:  # noqa: ANN401 - a binary file
    """Bound the list of members before anything parses it, and leave one way only to read the archive."""
    size = path.stat().st_size
    start = file.read(len(LOCAL))
    if size < END_SIZE or start != LOCAL:
        _refuse(path, "it is no zip archive that begins with a file")
    file.seek(max(0, size - END_SIZE - 20))
    tail = file.read()
    end = tail[-END_SIZE:]
    if end[:4] != END or end[-2:] != b"\0\0":
        _refuse(path, "its end is not that of a whole zip archive without a comment")
    if tail[:4] == END64:
        _refuse(path, "it is a zip64 archive, of more than 65,535 files or 4 GiB")
    disk, first, here, count, length, offset = struct.unpack("<HHHHLL", end[4:20])
    if disk or first or here != count or offset + length != size - END_SIZE:
        _refuse(path, "its list of files is not where its end says")
    if count > 2 * MOST_CELLS + 1:
        _refuse(path, f"it lists {count} files, more than {MOST_CELLS} cells have; split it")
    if length > count * (46 + MOST_NAME):
        _refuse(path, f"its list of files is longer than {count} files need")


def _members(path: Path, archive: zipfile.ZipFile) -> tuple[str, ...]:
    names, total = [], 0
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() and not info.file_size:
            _check_name(path, info.filename.rstrip("/"))
            continue
        _check_name(path, info.orig_filename)
        if kind not in {0, stat.S_IFREG}:
            _refuse(path, f"{shown(info.filename)!r} is a link or a device, not a file")
        if info.flag_bits & 1 or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            _refuse(path, f"{shown(info.filename)!r} is encrypted, or packed by another method than deflate")
        total += info.file_size
        names.append(info.filename)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        _refuse(path, f"it holds {shown(min(twice))!r} twice")
    if total > MOST_TOTAL:
        _refuse(path, f"it unpacks to more than {MOST_TOTAL >> 20} MiB")
    try:
        check_unpacked(total, allowed(path))
    except OSError as error:
        _refuse(path, str(error))
    return tuple(sorted(names))


def _check_name(path: Path, name: str) -> None:
    parts = name.split("/")
    safe = all(SAFE.fullmatch(part) and not part.startswith(".") for part in parts)
    if not safe or len(name) > MOST_NAME or len(parts) > PLACE:
        _refuse(path, f"it holds a file named {shown(name)!r}, which no store has")


def _directory(root: Path) -> Parcel:
    """List the cells' files of a store; other files of a results directory are left alone."""
    names, probes = [], 0
    if (root / MANIFEST).is_file():
        names.append(MANIFEST)
    for file in root.glob("*/*/*/*"):
        name = file.relative_to(root).as_posix()
        parts = PurePosixPath(name).parts
        if any(part.startswith(".") for part in parts):
            continue
        if parts[2].startswith(PROBES):
            probes += 1
            continue
        linked = [place for place in (file, *file.parents[: PLACE - 1]) if place.is_symlink()]
        if linked:
            _refuse(root, f"{shown(name)!r} is a link")
        if file.is_file():
            names.append(name)
        if len(names) > 2 * MOST_CELLS + 1:
            _refuse(root, f"it holds more than {MOST_CELLS} cells; verify it in parts")
    return Parcel(root, tuple(sorted(names)), None, probes)


def read_json(content: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return strict JSON: UTF-8, no NaN, no key twice, no number beyond 2^53, no deep nesting.

    Raises:
        Unfit: It is anything else.
    """
    try:
        found = json.loads(
            content.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_once,
        )
        deep = _deeper(found, MOST_DEPTH)
        if b"\\u" in content:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        deep = True
    except ValueError as error:
        raise Unfit(f"is no strict JSON: {shown(str(error))}") from error
    if deep:
        raise Unfit(f"is no strict JSON: it is nested more than {MOST_DEPTH} deep")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"it holds {text}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number {shown(text, 30)} is too large")
    return value


def _whole(text: str) -> int:
    if len(text) > len(str(MOST_NUMBER)) + 1 or abs(int(text)) > MOST_NUMBER:
        raise ValueError(f"number {shown(text, 30)} is too large")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _deeper(value: Any, most: int) -> bool:  # noqa: ANN401 - JSON
    level = [value]
    for _ in range(most):
        level = [
            item
            for holder in level
            if isinstance(holder, (dict, list))
            for item in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return False
    return True
