"""Arrays of cells that were submitted to Slurm: `RESULTS/.slurm/<name>/array.json`, so that any command finds them.

The record says which element has which cells, and what lay at their places before, so that an old failure is told from
a new one. Beside it lie what Slurm was given and what the elements print.
"""

import contextlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FOLDER, RECORD = ".slurm", "array.json"
Stamp = tuple[int, int]
"""When a file was written (nanoseconds), and its number: another one whenever a record is written anew."""


def stamp(path: Path) -> Stamp | None:
    """Return what tells a file from the one that replaces it; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


@dataclass(frozen=True, slots=True)
class Array:
    """One array job: its elements and their cells."""

    name: str
    """Of the job and of its folder."""
    job: str
    """Slurm's number."""
    host: str
    """Where it was submitted."""
    submitted: float
    """Seconds since 1970."""
    minutes: int
    """Its time limit."""
    elements: dict[str, list[str]]
    """Slurm's number of each element (`12_3`; of a single one `12`) -> ids of its cells."""
    paths: dict[str, str]
    """Cell id -> its place below the store."""
    before: dict[str, Stamp]
    """Cell id -> the stamp of the record that lay there, where one did."""

    def folder(self, root: Path) -> Path:
        """Return where its files are."""
        return root / FOLDER / self.name

    def ended(self, root: Path, cell: str) -> bool:
        """Tell whether there is a result of a cell that is newer than the array."""
        found = stamp(root / self.paths[cell])
        return found is not None and found != self.before.get(cell)

    def told(self, root: Path) -> dict[str, Any]:
        """Return what the store alone tells of it."""
        done = sum(self.ended(root, cell) for cell in self.paths)
        counts = {"cells": len(self.paths), "done": done, "elements": len(self.elements)}
        return {"job": self.job, "name": self.name, "host": self.host, "submitted": self.submitted, **counts}

    def write(self, root: Path) -> None:
        """Keep it in the store."""
        path = self.folder(root) / RECORD
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        part.replace(path)

    def remove(self, root: Path) -> None:
        """Remove it and all its files, once nothing more comes of it."""
        shutil.rmtree(self.folder(root), ignore_errors=True)
        with contextlib.suppress(OSError):
            (root / FOLDER).rmdir()


def read(root: Path) -> list[Array]:
    """Return the arrays that a store knows of, by name; what is no such record is passed over."""
    found = []
    for path in sorted((root / FOLDER).glob(f"*/{RECORD}")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            said = json.loads(path.read_text(encoding="utf-8"))
            said["before"] = {cell: (at[0], at[1]) for cell, at in said["before"].items()}
            found.append(Array(**said))
    return found


def ended(root: Path, arrays: Iterable[Array]) -> set[str]:
    """Return the ids of the cells of arrays that have new results."""
    return {cell for array in arrays for cell in array.paths if array.ended(root, cell)}
