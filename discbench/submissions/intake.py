"""Take in results that others made: a packed submission or a store, read within bounds, never unpacked to disk.

Nothing here trusts a name, a size or a number. An archive that could be read in two ways (`archive`) is refused as a
whole; files are read into memory one at a time.
"""

import json
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from discbench.data.formats.bounds import allowed, check_unpacked
from discbench.errors import UserError
from discbench.results.forms.records import once
from discbench.results.store import PROBES
from discbench.submissions.archive import MOST_NAME, Ambiguous, Archive, listed
from discbench.submissions.findings import Unfit
from discbench.submissions.manifest import MOST_CELLS
from discbench.words.names import printable

MANIFEST = "submission.json"
MOST_JSON = 8 << 20
MOST_PREDICTIONS = 128 << 20
MOST_TOTAL = (4 << 30) - 1
MOST_DEPTH = 24
MOST_NUMBER = 2**53 - 1
"""Whole numbers beyond it are not the same in every reader of JSON."""
PLACE = 4
"""Parts of the path of a cell's file: checkpoint, revision, task, file."""
SAFE = re.compile(r"[\w.@+-]+")
JSON, PREDICTIONS = ".json", ".predictions.parquet"


@dataclass(frozen=True, slots=True)
class Parcel:
    """Results that were handed in, file by file."""

    path: Path
    names: tuple[str, ...]
    """Paths of files in it, sorted, `/` between the parts."""
    archive: Archive | None
    probes: int = 0
    """Results of probes that lie beside the cells."""

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a file of this path."""
        if self.archive is None:
            return (self.path / name).is_file()
        return name in self.archive.members

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
                content = self.archive.read(name, most)
        except (KeyError, FileNotFoundError):
            raise Unfit("is not there") from None
        except (OSError, ValueError, zlib.error) as error:
            raise Unfit(f"cannot be read ({type(error).__name__}: {printable(str(error))})") from error
        if len(content) > most:
            raise Unfit(f"is larger than {most >> 20} MiB")
        return content


def opened(path: Path) -> Parcel:
    """Open a submission or a store.

    Raises:
        UserError: It is not there, is neither, or is refused as a whole.
    """
    try:
        return _directory(path) if path.is_dir() else _archive(path)
    except Ambiguous as error:
        _refuse(path, str(error))
    except OSError as error:
        raise UserError(
            f"{printable(str(path))} cannot be read ({printable(str(error))}); give a file made by `discbench"
            " submit`, or a results directory"
        ) from error


def _archive(path: Path) -> Parcel:
    archive = listed(path, 2 * MOST_CELLS + 1)
    for name in archive.members:
        _check_name(path, name)
    total = sum(member.size for member in archive.members.values())
    if total > MOST_TOTAL:
        _refuse(path, f"it unpacks to more than {MOST_TOTAL >> 20} MiB")
    try:
        check_unpacked(total, allowed(path))
    except OSError as error:
        _refuse(path, str(error))
    return Parcel(path, tuple(sorted(archive.members)), archive)


def _refuse(path: Path, found: str) -> NoReturn:
    raise UserError(
        f"{printable(str(path))} is refused: {found}; pack results with `discbench submit --results DIR --out FILE.zip`"
    )


def _check_name(path: Path, name: str) -> None:
    parts = name.split("/")
    safe = all(SAFE.fullmatch(part) and not part.startswith(".") for part in parts)
    if not safe or len(name) > MOST_NAME or len(parts) > PLACE:
        _refuse(path, f"it holds a file named {printable(name)!r}, which no store has")


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
            _refuse(root, f"{printable(name)!r} is a link")
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
            object_pairs_hook=once,
        )
        deep = _deeper(found, MOST_DEPTH)
        if b"\\u" in content:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        deep = True
    except ValueError as error:
        raise Unfit(f"is no strict JSON: {printable(str(error))}") from error
    if deep:
        raise Unfit(f"is no strict JSON: it is nested more than {MOST_DEPTH} deep")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"it holds {text}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number {printable(text, 30)} is too large")
    return value


def _whole(text: str) -> int:
    if len(text) > len(str(MOST_NUMBER)) + 1 or abs(int(text)) > MOST_NUMBER:
        raise ValueError(f"number {printable(text, 30)} is too large")
    return int(text)


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
