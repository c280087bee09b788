"""Rows: find, fetch, check, read, hash and cache them; families of rows; a task's card.

Others take `rowcache.load` (a task's rows, checked and cached), `rows.Encoded`, `card.card`. Authors of tasks
import the names below from here.
Uses `values`, `words`.
"""

from discbench.data.files import (
    fetch,
    find_member,
    local,
    reading,
    unpack,
)
from discbench.data.formats.jsontables import read_json
from discbench.data.formats.opening import cache_directory, open_text
from discbench.data.labels import number
from discbench.data.relatives.splits import grouped_split, numbered, shuffle, split
from discbench.data.tables import read_parquet, read_rows, read_table

__all__ = [
    "cache_directory",
    "fetch",
    "find_member",
    "grouped_split",
    "local",
    "number",
    "numbered",
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
