"""A table as it was read, whatever its format: columns by name, each cell with its place for messages."""

import ast
import codecs
import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from discbench.data.formats import kinds
from discbench.data.formats.opening import read_bytes
from discbench.errors import DataError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
"""Byte-order marks, longer ones first."""
ITEM = r"(?:'[^'\\]*'|\"[^\"\\]*\"|-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
PYTHON_LIST = re.compile(rf"\[\s*(?:{ITEM}(?:\s*,\s*{ITEM})*\s*,?)?\s*\]", re.ASCII)
FEW = 8
"""So many columns are listed."""


PART = 3
"""Characters that two names share wholly, as seq and sequence do, where they are not alike."""


class Nothing(Enum):
    """What stands where a record lacks a field."""

    MISSING = "nothing"


MISSING: Final = Nothing.MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells under names."""

    path: Path
    unit: str
    """What a row is in its file: `line`, `record` or `row`."""
    names: Sequence[str]
    rows: Sequence[Sequence[Any]]
    places: Sequence[int]
    """The number of each row in its file, from 1."""
    head: bytes = b""
    """The file's first bytes, to tell what it is if it is no table."""

    def where(self, row: int, column: str) -> str:
        """Return the place of a cell: `table.csv, line 7, column 'label'`."""
        return f"{self.path}, {self.unit} {self.places[row]}, column {column!r}"

    def column(self, name: str) -> list[Any]:
        """Return the cells of one column.

        Raises:
            DataError: There is none, or there are two of that name, or no rows.
        """
        if name not in self.names:
            raise DataError(f"{self.path} has no column {name!r}{kinds.told(self.head) or near(name, self.names)}")
        if self.names.count(name) > 1:
            places = " and ".join(str(i) for i, found in enumerate(self.names, start=1) if found == name)
            raise DataError(f"{self.path}: columns {places} are both called {name!r}; name them apart")
        if not self.rows:
            raise DataError(f"{self.path} has columns and no rows")
        place = self.names.index(name)
        return [row[place] for row in self.rows]


def near(name: str, names: Sequence[str]) -> str:
    """Return `; did you mean 'x'? it has 3 columns: 'x', 'y', 'z'`; of many columns only the number."""
    plain = {" ".join(known.casefold().split()): known for known in names}
    asked = " ".join(name.casefold().split())
    close = (
        difflib.get_close_matches(asked, list(plain), n=3)
        or [known for known in plain if min(len(known), len(asked)) >= PART and (known in asked or asked in known)][:3]
    )
    meant = f"; did you mean {' or '.join(repr(plain[found]) for found in close)}?" if close else ";"
    listed = f": {', '.join(repr(f'{known:.40}') for known in names)}" if len(names) <= FEW else ""
    return f"{meant} it has {len(names)} column{'s' * (len(names) != 1)}{listed}"


def shown(value: object) -> str:
    """Return a cell for a message, cut off."""
    if value is None or value is MISSING or (isinstance(value, str) and not value.strip()):
        return "nothing"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - a third of a line


def as_list(cell: Any) -> list[Any] | None:  # noqa: ANN401 - a cell
    """Return a cell that is a list, or the text of one as Python or JSON writes it, as a list; None for others."""
    if isinstance(cell, list | tuple):
        return list(cell)
    if not isinstance(cell, str) or cell[:1] != "[" or cell[-1:] != "]":
        return None
    if PYTHON_LIST.fullmatch(cell):
        found = ast.literal_eval(cell)
        return found if isinstance(found, list) else None
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def decoded(path: Path) -> tuple[str, bytes]:
    """Return the text of a file, plain or compressed, and its first bytes.

    It is UTF-8, or what its byte-order mark says (UTF-16 is what spreadsheets write as "Unicode text").

    Raises:
        DataError: It cannot be read, is empty, or is no such text.
    """
    content = read_bytes(path)
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    head = content[: kinds.MOST]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if kind := kinds.told(head, text=False):
            raise DataError(f"{path} is no text{kind}") from error
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not {encoding.upper()}; save the file as UTF-8"
        ) from error
    if not text.strip():
        raise DataError(f"{path} is empty")
    return text, head
