"""Rows: find, fetch, check, read, hash and cache them; families of rows; a task's card.

Others take `rowcache.load` (a task's rows, checked and cached), `rows.Encoded`, `card.card`, and `bounds` for any
archive. Authors of tasks import the names below from here. Uses `values`.
"""

from discbench.data.files import (
    cache_directory,
    fetch,
    find_member,
    local,
    number,
    open_text,
    read_json,
    read_parquet,
    read_rows,
    read_table,
    reading,
    unpack,
)
from discbench.data.splits import grouped_split, shuffle, split

__all__ = [
    "cache_directory",
    "fetch",
    "find_member",
    "grouped_split",
    "local",
    "number",
    "open_text",
    "read_json",
    "read_parquet",
    "read_rows",
    "read_table",
    "reading",
    "shuffle",
    "split",
    "unpack",
]
