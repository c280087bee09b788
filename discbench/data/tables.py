"""Rows out of tables: which columns hold symbols, label and item, whatever the format of the file."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from discbench.data import labels
from discbench.data.formats import delimited, jsontables, kinds
from discbench.data.formats.cells import Table, as_list, shown
from discbench.data.formats.delimited import Quoting
from discbench.data.formats.opening import again, plain_name, read_bytes
from discbench.errors import DataError
from discbench.values.types import Row

PARQUET = (".parquet", ".pq")


def read_rows(
    path: str | Path,
    *,
    symbols: str,
    label: str,
    group: str | None = None,
    family: str | None = None,
    classes: Sequence[object] | None = None,
    separator: str | None = None,
    split: str | None = None,
    quoting: Quoting | None = None,
) -> list[Row]:
    """Read the rows of a table from its named columns.

    CSV, TSV, JSON (records, one a line, or as pandas writes it) and Parquet, by the file's name; the first three in
    UTF-8 or with a byte-order mark, and plain or compressed.

    Args:
        path: The file.
        symbols: The column of symbols: a text, or a list of texts or whole numbers. A column of which every cell is
            the text of a list, as pandas writes lists into CSV, is read as lists.
        label: The column of labels. Where all are whole numbers (1 or 1.0) they are classes, other numbers are scalars,
            words and booleans are classes.
        group: The column that names the item which a row is a segment of.
        family: The column that names what a row shares with its relatives, which a split keeps on one side; a row with
            an empty cell has none.
        classes: The labels in the order of classes 0, 1, ...; without it numbers stay as they are, and words are
            numbered in the order of `sorted`. The card tells that order, and the kit asks for it.
        separator: What stands between symbols of several characters in one cell, as in "A1 B2 C3"; a blank for any
            white space.
        split: Which of the tables that a JSON object holds.
        quoting: Of CSV and TSV, as the csv module has it: csv.QUOTE_NONE where quotes are part of the text.

    Raises:
        DataError: The file cannot be read, a column is missing or there twice, or a cell is not of that form. The
            message names file, line, column and what stands there.
    """
    path = Path(path)
    wanted = [symbols, label, *(name for name in (group, family) if name)]
    table = _table(path, wanted, split, quoting)
    columns = {name: table.column(name) for name in wanted}
    read = _symbols(table, symbols, columns[symbols], separator)
    targets = labels.targets(columns[label], lambda row: table.where(row, label), classes)
    items = _items(table, group, columns[group]) if group else [None] * len(read)
    relatives = _families(table, family, columns[family]) if family else [None] * len(read)
    rows = zip(read, targets, items, relatives, strict=True)
    return [Row(cells, target, item, family=of) for cells, target, item, of in rows]


def read_table(
    path: Path, *, columns: Sequence[str] = (), delimiter: str | None = None, quoting: Quoting | None = None
) -> list[dict[str, str]]:
    """Read a CSV or TSV file with a header, plain or compressed, into one dict a row.

    Args:
        path: The file.
        columns: The columns to read; by default all, and then no two may have one name.
        delimiter: Of one character; else what the file's name or a first line `sep=;` says, or what the columns tell.
        quoting: As the csv module has it.

    Raises:
        DataError: The file cannot be read, a row has more or fewer cells than the header, or a column is missing or
            there twice.
    """
    table = delimited.read(path, columns, delimiter, quoting)
    names = list(columns) or list(dict.fromkeys(table.names))
    found = [table.column(name) for name in names]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*found, strict=True)]


def read_parquet(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Read the named columns of a parquet file into one dict a row.

    Raises:
        DataError: It is no such file, or a column is missing or there twice.
    """
    table = _of_parquet(path)
    found = [table.column(name) for name in columns]
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*found, strict=True)]


def _table(path: Path, wanted: Sequence[str], split: str | None, quoting: Quoting | None) -> Table:
    name = plain_name(path)
    if name.endswith((".json", *jsontables.LINES)):
        return jsontables.read(path, wanted, split)
    if split is not None:
        raise DataError(f"{path}: split={split!r} names a table within a JSON object, but this is one table")
    return _of_parquet(path) if name.endswith(PARQUET) else delimited.read(path, wanted, None, quoting)


def _of_parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = read_bytes(path)
    try:
        table = pq.ParquetFile(io.BytesIO(content)).read()  # read_table has no two columns of one name
        cells = [column.to_pylist() for column in table.columns]
    except (OSError, pa.ArrowException) as error:
        told = kinds.told(content, but="a Parquet file") or f"; {again(path)}"
        raise DataError(f"{path} is no parquet file ({' '.join(str(error).split())}){told}") from error
    rows = list(zip(*cells, strict=True))
    return Table(path=path, unit="row", names=table.column_names, rows=rows, places=range(1, len(rows) + 1))


def _symbols(table: Table, name: str, cells: Sequence[Any], separator: str | None) -> list[str | list[str] | list[int]]:
    lists = [as_list(cell) for cell in cells]
    found: list[Any] = list(cells)
    if separator is not None:
        found = [_separated(cell, separator) if isinstance(cell, str) else cell for cell in cells]
    elif all(cell is not None for cell in lists):
        found = lists
    for row, symbols in enumerate(found):
        if not _are_symbols(symbols):
            raise DataError(
                f"{table.where(row, name)}: symbols are a text, or a list of texts or whole numbers, but"
                f" {shown(cells[row])} stands there"
            )
    return found


def _separated(cell: str, separator: str) -> list[str]:
    return cell.split() if separator == " " else [symbol.strip() for symbol in cell.split(separator)]


def _are_symbols(found: object) -> bool:
    if isinstance(found, str):
        return bool(found.strip())
    return (
        isinstance(found, list)
        and bool(found)
        and all(isinstance(s, str | int) and not isinstance(s, bool) and s != "" for s in found)
    )


def _items(table: Table, name: str, cells: Sequence[Any]) -> list[str]:
    for row, cell in enumerate(cells):
        if not isinstance(cell, str | int | float) or cell != cell or str(cell).strip() == "":  # noqa: PLR0124 - NaN
            raise DataError(
                f"{table.where(row, name)}: the name of the item that this row is a segment of was expected, but"
                f" {shown(cell)} stands there; give each row one, its own if it belongs to no other"
            )
    return [str(cell) for cell in cells]


def _families(table: Table, name: str, cells: Sequence[Any]) -> list[str | None]:
    found = [None if cell is None or cell != cell or str(cell).strip() == "" else cell for cell in cells]  # noqa: PLR0124 - NaN
    for row, cell in enumerate(found):
        if cell is not None and not isinstance(cell, str | int | float):
            raise DataError(
                f"{table.where(row, name)}: the name of a family was expected, but {shown(cell)} stands there;"
                " leave it empty for a row without relatives"
            )
    return [None if cell is None else str(cell) for cell in found]
