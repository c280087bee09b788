"""Tables in JSON: an array of records, lines of them, and the forms that pandas writes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from discbench.data.formats import kinds
from discbench.data.formats.cells import MISSING, Table, decoded, near
from discbench.data.formats.opening import again, plain_name
from discbench.errors import DataError

LINES = (".jsonl", ".ndjson")
BLANK = " \t\r\n"
"""What may stand between values; a line separator U+2028 within a text is none of it."""


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the publisher wrote
    """Read a JSON file, plain or compressed: its value, or the list of its values if it is JSON lines.

    Raises:
        DataError: It is not valid JSON, or an object has a key twice.
    """
    found = _values(path)
    if len(found) == 1 and (isinstance(found[0][1], list) or not plain_name(path).endswith(LINES)):
        return found[0][1]
    return [value for _, value in found]


def read(path: Path, wanted: Sequence[str], split: str | None = None) -> Table:
    """Read a table out of JSON: records in an array, one a line, or pandas' orient columns, index, split or table.

    Args:
        path: The file, plain or compressed.
        wanted: Columns that must be there; they tell the forms apart.
        split: Which one of the tables that an object holds, as in {"train": [...], "test": [...]}.

    Raises:
        DataError: It is not valid JSON, or no such table.
    """
    found = _values(path)
    if len(found) > 1 or (plain_name(path).endswith(LINES) and _is_record(found[0][1], wanted)):
        return _of_records(path, [value for _, value in found], [line for line, _ in found], "line")
    return _of_value(path, found[0][1], wanted, split)


def _is_record(value: object, wanted: Sequence[str]) -> bool:
    return isinstance(value, dict) and not any(isinstance(value.get(name, {}), dict) for name in wanted)


def _values(path: Path) -> list[tuple[int, Any]]:
    """Return the values of a file, each with the line on which it begins."""
    text, head = decoded(path)
    decoder, place, line, seen = json.JSONDecoder(object_pairs_hook=_object), 0, 1, 0
    found: list[tuple[int, Any]] = []
    try:
        while (place := _next(text, place)) < len(text):
            line, seen = line + text.count("\n", seen, place), place
            value, place = decoder.raw_decode(text, place)
            found.append((line, value))
    except json.JSONDecodeError as error:
        cut = f"; {again(path)}" if error.pos >= len(text.rstrip()) - 1 or "Unterminated" in error.msg else ""
        told = kinds.told(head, but="JSON") or cut
        raise DataError(
            f"{path}, line {error.lineno}, column {error.colno}: it is not valid JSON ({error.msg}){told}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {line}: it cannot be read as JSON ({error})") from error
    return found


def _next(text: str, place: int) -> int:
    while place < len(text) and text[place] in BLANK:
        place += 1
    return place


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the key {twice!r} twice; name them apart")
    return made


def _of_records(path: Path, records: Sequence[Any], places: Sequence[int], unit: str) -> Table:
    for place, record in zip(places, records, strict=True):
        if not isinstance(record, dict):
            kind = "rows without names of columns (pandas' orient='values')" if isinstance(record, list) else "values"
            raise DataError(
                f"{path}, {unit} {place}: an object of named fields was expected, but {record!r:.40} stands there;"
                f" {kind} do not say what they are: write them with orient='records'"
            )
    if not records:
        raise DataError(f"{path} holds no record")
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [[record.get(name, MISSING) for name in names] for record in records]
    return Table(path=path, unit=unit, names=names, rows=rows, places=places)


def _of_value(path: Path, value: Any, wanted: Sequence[str], split: str | None) -> Table:  # noqa: ANN401
    if isinstance(value, list):
        return _of_records(path, value, range(1, len(value) + 1), "record")
    if not isinstance(value, dict):
        raise DataError(f"{path}: records were expected, but {value!r:.40} was found")
    if split is None:
        for form in (_of_columns, _of_split, _of_schema, _of_index):
            records = form(path, value, wanted)
            if records is not None:
                return _of_records(path, records, range(1, len(records) + 1), "record")
    return _of_value(path, value[_chosen(path, value, wanted, split)], wanted, None)


def _chosen(path: Path, value: Mapping[str, Any], wanted: Sequence[str], split: str | None) -> str:
    """Return the key of the one table that is meant."""
    tables = [name for name, found in value.items() if _holds(found, wanted)]
    if split is not None and split in value:
        return split
    if split is not None or len(tables) > 1:
        asked = f"no split {split!r}" if split is not None else f"{len(tables)} tables"
        raise DataError(f"{path} has {asked}; say split= with one of {', '.join(map(repr, tables or value))}")
    if not tables:
        names = list(dict.fromkeys(_names(value)))
        missing = next((name for name in wanted if name not in names), wanted[0])
        raise DataError(f"{path} has no column {missing!r}{near(missing, names)}")
    return tables[0]


def _names(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield what may have been meant as columns: the keys, or those of the records below them."""
    below = [found[0] if isinstance(found, list) and found else found for found in value.values()]
    if below and all(isinstance(found, dict) for found in below):
        yield from (name for found in below for name in found)
    else:
        yield from value


def _holds(value: object, wanted: Sequence[str]) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, dict):
        return False
    return set(wanted) <= set(first) or (not isinstance(value, list) and any(_holds(v, wanted) for v in first.values()))


def _of_columns(path: Path, value: Mapping[str, Any], wanted: Sequence[str]) -> list[dict[str, Any]] | None:
    """Return the records of {column: {index: value}}, of {column: [values]}, or of one record."""
    if not set(wanted) <= set(value):
        return None
    columns = {name: value[name] for name in value if isinstance(value[name], type(value[wanted[0]]))}
    if not set(wanted) <= set(columns) or not isinstance(value[wanted[0]], list | dict):
        return [dict(value)]
    if isinstance(value[wanted[0]], list):
        columns = {name: dict(enumerate(found)) for name, found in columns.items()}
    order = columns[wanted[0]]
    for name in wanted:
        if columns[name].keys() != order.keys():
            raise DataError(
                f"{path}: columns have a value for each row, but {wanted[0]!r} has {len(order)} and {name!r} has"
                f" {len(columns[name])}, or for others"
            )
    return [{name: found.get(key, MISSING) for name, found in columns.items()} for key in order]


def _of_split(path: Path, value: Mapping[str, Any], wanted: Sequence[str]) -> list[dict[str, Any]] | None:  # noqa: ARG001
    """Return the records of {"columns": [names], "data": [[values]]}."""
    names, data = value.get("columns"), value.get("data")
    if not isinstance(names, list) or not isinstance(data, list):
        return None
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: {names.count(twice)} columns are called {twice!r}; name them apart")
    for number, row in enumerate(data, start=1):
        if not isinstance(row, list) or len(row) != len(names):
            raise DataError(f"{path}, record {number}: {len(names)} values were expected, but {row!r:.40} was found")
    return [dict(zip(map(str, names), row, strict=True)) for row in data]


def _of_schema(path: Path, value: Mapping[str, Any], wanted: Sequence[str]) -> list[Any] | None:  # noqa: ARG001
    """Return the records of {"schema": {...}, "data": [records]}."""
    return value["data"] if "schema" in value and isinstance(value.get("data"), list) else None


def _of_index(path: Path, value: Mapping[str, Any], wanted: Sequence[str]) -> list[dict[str, Any]] | None:  # noqa: ARG001
    """Return the records of {index: {column: value}}."""
    records = list(value.values())
    fits = all(isinstance(r, dict) and set(wanted) <= set(r) for r in records)
    scalar = fits and any(not isinstance(r[name], list | dict) for r in records for name in wanted)
    return records if scalar else None
