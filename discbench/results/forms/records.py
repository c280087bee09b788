"""Records as they are read: one file of JSON, and all that can be wrong with it told in one line."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discbench.errors import StoreError, place_fault
from discbench.results.forms.result import FORMAT, result_fault
from discbench.values.cells import Cell, cell_id
from discbench.words.names import one_line

Result = dict[str, Any]
RECORD = re.compile(r"[0-9a-f]{16}\.json")
"""What a result's file is called."""
MOST_CAUSE = 500
"""Characters of why a cell failed."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What a reader of a store went on without, a line each."""

    records: list[str] = field(default_factory=list)
    """Of files that are called as records are: results are missing from what is built."""
    others: list[str] = field(default_factory=list)
    """Of files that no store writes: nothing is missing."""

    def take(self, path: Path, error: StoreError) -> None:
        """Take note of a file that cannot be read."""
        (self.records if RECORD.fullmatch(path.name) else self.others).append(str(error))


class OutOfPlace(StoreError):  # noqa: N818 - it is what the name says
    """A sound record lies where none counts, or where another counts: never passed over, for it may be a copy."""


class Unreadable(Exception):  # noqa: N818 - it is what the name says
    """A file holds no JSON; the text says what it is, in words that follow its path."""


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON
    """Return what a file of JSON holds.

    Raises:
        Unreadable: It is no file, no text, empty, cut off, nested without end, or has an object with a key twice.
    """
    if path.is_symlink() and not path.exists():
        raise Unreadable("is a link that leads to no file")
    if path.exists() and not path.is_file():
        raise Unreadable("is a folder, no file" if path.is_dir() else "is no file")
    try:
        content = path.read_bytes()
        if not content.strip():
            raise Unreadable("is empty")
        return json.loads(content.decode("utf-8"), object_pairs_hook=once)
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise Unreadable("is no text in UTF-8") from error
    except RecursionError as error:
        raise Unreadable("is nested too deep") from error
    except ValueError as error:
        raise Unreadable(f"is no JSON, or was cut off ({error})") from error


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these pairs, as `json.loads` asks for it.

    Raises:
        ValueError: It has a key twice, so that readers could disagree on it.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def read_result(path: Path) -> Result:
    """Read one result.

    Raises:
        StoreError: It is no result as discbench writes it (`results.forms`), its id is not the hash of its cell, or its
            name is not its id.
    """
    result = _record(path, "cell", "a cell", "have the cell run again")
    wrong = result_fault(result)
    if wrong:
        raise StoreError(f"{path} is no result as discbench writes it ({wrong}); remove it to have the cell run again")
    if path.stem != result["id"]:
        raise astray(path, path.with_name(f"{result['id']}.json"))
    return result


def read_probe(path: Path) -> Result:
    """Read one result of a probe.

    Raises:
        StoreError: It is no such result, or its id is not the hash of what was measured.
    """
    result = _record(path, "probe", "a probe", "have it measured again")
    states, parts = {"finished", "failed"}, {"values", "figure", "warnings", "run"}
    sound = result.get("format") == FORMAT and result.get("status") in states and parts <= set(result)
    if path.stem != result["id"] or not sound:
        raise StoreError(f"{path} is no result of a probe as discbench writes it; remove it to have it measured again")
    return result


def _record(path: Path, part: str, of: str, to: str) -> Result:
    """Return a record whose id is the hash of this part of it."""
    try:
        result = read_json(path)
    except Unreadable as error:
        raise StoreError(f"{path} is no result of {of}: it {error}; {_way_out(path, to)}") from error
    try:
        altered = result["id"] != cell_id(result[part])
    except (KeyError, TypeError, ValueError) as error:
        found = f"an object with {part!r} and 'id' was expected"
        raise StoreError(f"{path} is no result of {of}: {found}; {_way_out(path, to)}") from error
    if altered:
        what = "its cell" if part == "cell" else "what was measured"
        raise StoreError(f"{path} was altered: its id is not the hash of {what}; remove it to {to}")
    return dict(result)


def _way_out(path: Path, to: str) -> str:
    return f"remove it to {to}" if RECORD.fullmatch(path.name) else "move it out of the store"


def astray(path: Path, wanted: Path | None = None) -> OutOfPlace:
    """Return what is wrong with a record that lies elsewhere than its name says."""
    if wanted is None:
        found = "is a result in a place where none counts; move the folder that it came with out of the store"
        return OutOfPlace(f"{path} {found}")
    other = f"it counts as {wanted} only" if wanted.is_file() else f"its place is {wanted}"
    what_to_do = "move the copy out of the store, or the file to its place"
    return OutOfPlace(f"{path} is a result out of its place: {other}; {what_to_do}")


def failed(cell: Cell, cause: str) -> Result:
    """Return the result of a cell of which nothing is known but why it failed."""
    about = {"format": FORMAT, "id": cell.id, "cell": cell.record, "task": {}}
    return {**about, "status": "failed", "cause": one_line(cause, MOST_CAUSE), "marks": []}


def unwritten(path: Path, error: OSError) -> StoreError:
    """Return what to say of a file of a store that could not be written; what was written before is whole."""
    return StoreError(f"{place_fault(error, path)}; what was finished is kept: run again to go on")
