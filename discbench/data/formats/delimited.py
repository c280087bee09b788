"""Tables of lines: CSV, TSV and their kin, as programs and spreadsheets write them."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from discbench.data.formats.cells import Table, decoded
from discbench.data.formats.opening import plain_name
from discbench.errors import DataError

Quoting = Literal[0, 1, 2, 3]
COMMON = (",", ";", "\t", "|")
LONGEST = 2**31 - 1
"""Characters of one field: the csv module stops at 131,072, which a chromosome does not."""
LINE_END = re.compile(r'"[^"]*"|\r\n|\n|\r')
"""A line end, or what stands between quotes."""
HEADER = 1 << 20
"""Characters in which a header ends."""


def read(path: Path, wanted: Sequence[str] = (), delimiter: str | None = None, quoting: Quoting | None = None) -> Table:
    """Read a table of lines.

    Args:
        path: The file, plain or compressed.
        wanted: Columns that must be there. They tell the delimiter where neither it nor a first line `sep=;` does.
        delimiter: Of one character; by default a tab in .tsv, .tab and .txt files, else a comma.
        quoting: As the csv module has it; by default quotes hold what they enclose.

    Raises:
        DataError: It is no such table; the message names the line.
    """
    text, head = decoded(path)
    skipped, told, body = _told(text)
    separator = delimiter or told or _delimiter(path, body[:HEADER], wanted, quoting)
    with _any_length():
        try:
            found = list(_lines(path, body, separator, quoting, skipped))
        except csv.Error as error:
            raise DataError(f"{path} cannot be read as a table ({error})") from error
    (_, names), rows = found[0], _without_blank_end(found[1:])
    for place, (line, cells) in enumerate(rows):
        if len(cells) != len(names):
            last = "; is the file whole?" if place == len(rows) - 1 else ""
            raise DataError(
                f"{path}, line {line}: {len(names)} columns were expected, as in its first line,"
                f" but there are {len(cells)}{last}"
            )
    return Table(
        path=path, unit="line", names=names, rows=[cells for _, cells in rows], places=[line for line, _ in rows],
        head=head,
    )  # fmt: skip


def _told(text: str) -> tuple[int, str | None, str]:
    """Return the lines to skip, the delimiter that a spreadsheet's first line `sep=;` names, and the rest."""
    first, _, rest = text.partition("\n")
    if first[:4].lower() == "sep=" and len(first.rstrip("\r")) == len("sep=;"):
        return 1, first[4], rest
    return 0, None, text


def _delimiter(path: Path, start: str, wanted: Sequence[str], quoting: Quoting | None) -> str:
    usual = "\t" if plain_name(path).endswith((".tsv", ".tab", ".txt")) else ","
    if not wanted:
        return usual
    headers = {mark: _header(start, mark, quoting) for mark in (usual, *COMMON)}
    fitting = [mark for mark, names in headers.items() if set(wanted) <= set(names)]
    return fitting[0] if fitting else max(headers, key=lambda mark: len(headers[mark]))


def _header(start: str, delimiter: str, quoting: Quoting | None) -> list[str]:
    with _any_length():
        try:
            return next(filter(None, _reader(start, delimiter, quoting)), [])
        except csv.Error:
            return []


def _reader(text: str, delimiter: str, quoting: Quoting | None) -> Any:  # noqa: ANN401 - the type has no public name
    kind = csv.QUOTE_MINIMAL if quoting is None else quoting
    return csv.reader(_cut(text), delimiter=delimiter, quoting=kind, strict=kind != csv.QUOTE_NONE)


def _cut(text: str) -> Iterator[str]:
    """Yield lines, cut where the header's is: writers that end lines by one sign leave the other unquoted in a cell.

    The csv module then refuses the cell; cut at both, it would be two rows.
    """
    ends = (found.group()[-1] for found in LINE_END.finditer(text))
    end, start = next((end for end in ends if end != '"'), "\n"), 0
    while start < len(text):
        stop = text.find(end, start) + 1 or len(text)
        yield text[start:stop]
        start = stop


def _lines(
    path: Path, text: str, delimiter: str, quoting: Quoting | None, skipped: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row begins, and its cells; empty lines are left out."""
    reader, line, width = _reader(text, delimiter, quoting), skipped + 1, 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path}, line {line}: it cannot be read ({error}); if quotes are part of the text,"
                " say quoting=csv.QUOTE_NONE"
            ) from error
        end = reader.line_num + skipped
        if delimiter == "\t" and quoting is None and end > line and any("\t" in cell for cell in cells):
            raise DataError(
                f"{path}, line {line}: one cell would reach to line {end} and hold tabs, by its quotes; if quotes are"
                " part of the text, say quoting=csv.QUOTE_NONE"
            )
        if cells and (width <= 1 or len(cells) > 1 or cells[0].strip()):
            width = width or len(cells)
            yield line, cells
        line = end + 1


def _without_blank_end(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Drop the rows of empty cells that spreadsheets write below a table."""
    end = len(rows)
    while end and not any(cell.strip() for cell in rows[end - 1][1]):
        end -= 1
    return rows[:end]


@contextmanager
def _any_length() -> Iterator[None]:
    before = csv.field_size_limit(LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
