"""The store: one JSON file a cell, written whole or not at all, predictions beside it.

`RESULTS/<org__model>/<revision>/<task@version>/<cell id>.json` and `<cell id>.predictions.parquet`; of probes
`RESULTS/<org__model>/<revision>/probe.<probe@version>/<id>.json`.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from discbench.errors import StoreError
from discbench.results.forms.result import FORMAT, result_fault
from discbench.results.marks import marked_now
from discbench.values.cells import Cell, cell_id
from discbench.values.measurement import Measurement
from discbench.words import parts

DEPTH = 4
"""Parts of a result's path: checkpoint, revision, task, file."""
RECORD = re.compile(r"[0-9a-f]{16}\.json")
"""What a result's file is called."""
PROBES = "probe."
"""What folders of probes begin with; no discipline is called so."""
Result = dict[str, Any]
Predictions = tuple[NDArray[Any], NDArray[np.float32], NDArray[Any]]
"""(rows,), (rows, outputs), (rows,): row numbers, outputs and targets."""
NUMBERS = re.compile(r"\[(\n[-+\d.eE,\s]*)\]")
"""A list of numbers as `json` spreads it; a string never holds a bare newline, so none is touched."""


def folder_name(text: str) -> str:
    """Return a name that is safe as one folder: `google/bert` -> `google__bert`."""
    return re.sub(r"[^\w.@+-]+", "__", text).lstrip(".") or "_"


def as_text(record: Result) -> str:
    """Return a record as JSON with sorted keys, one field a line, lists of numbers on one line."""
    text = json.dumps(record, indent=1, sort_keys=True, allow_nan=False)
    return NUMBERS.sub(lambda m: "[" + re.sub(r"\s+", "", m.group(1)) + "]", text) + "\n"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, whatever is killed when."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = parts.begun(path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(part).chmod(0o644)  # mkstemp makes files that only their owner reads
            os.replace(part, path)  # still open: its lock says that we live
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def place(cell: Result) -> str:
    """Return the one path below a store at which a cell's result counts, the cell given as its record."""
    folders = [folder_name(cell[name]) for name in ("checkpoint", "revision", "task")]
    return "/".join([*folders, f"{cell_id(cell)}.json"])


def probe_place(measured: Result) -> str:
    """Return the one path below a store at which a measurement's result counts, given its record."""
    side = measured["model"]
    folders = [folder_name(side["checkpoint"]), folder_name(side["revision"])]
    return "/".join([*folders, f"{PROBES}{folder_name(measured['probe'])}", f"{cell_id(measured)}.json"])


class Store:
    """A results directory.

    A result counts where its cell's path is, and once: a record of ours anywhere else, such as in a copied folder, is
    an error that names it.

    Args:
        root: The directory.
        named: Task id -> SHA-256 that the task names for its rows now, or None. Results of these tasks are given with
            the marks that they earn by it, whatever the task named when they were made.
    """

    def __init__(self, root: Path, named: Mapping[str, str | None] | None = None) -> None:
        self.root = root
        self.named = named or {}

    def check_writable(self) -> None:
        """Raise StoreError unless results can be written here."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise StoreError(
                f"--results {str(self.root)!r} cannot be written ({error.strerror}); choose another directory"
            ) from error

    def clear(self) -> None:
        """Remove what processes that were killed have left half written; what a living one writes stays."""
        parts.clear(self.root.glob(f"*/*/*/{parts.PATTERN}"))

    def path(self, cell: Cell) -> Path:
        """Return where the cell's result is, or would be."""
        return self.root / place(cell.record)

    def lock(self, cell: Cell) -> FileLock:
        """Return the lock that whoever runs the cell holds."""
        folder = self.root / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{cell.id}.lock")

    def get(self, cell: Cell) -> Result | None:
        """Return the cell's result, finished or failed, or None."""
        path = self.path(cell)
        return marked_now(read_result(path), self.named) if path.is_file() else None

    def finished(self, cell: Cell) -> bool:
        """Tell whether the cell need not be run again."""
        result = self.get(cell)
        return result is not None and result["status"] == "finished"

    def put(self, cell: Cell, result: Result, predictions: bytes | None) -> None:
        """Write a result; predictions first, so that a result that is there is complete.

        Raises:
            StoreError: Nothing is written, for the result could not be read again.
        """
        path, name = self.path(cell), f"{cell.id}.predictions.parquet"
        if predictions is not None:
            result = {**result, "predictions": {"file": name, "sha256": hashlib.sha256(predictions).hexdigest()}}
        if wrong := result_fault(result):
            raise StoreError(f"{path} is not written, for no reader would take it ({wrong})")
        if predictions is not None:
            write_whole(path.with_name(name), predictions)
        write_whole(path, as_text(result).encode())

    def results(self) -> Iterator[Result]:
        """Yield all results in the order of their paths."""
        for path in self.paths():
            yield self._read(path)

    def paths(self) -> list[Path]:
        """Return the files of all cells' results, sorted.

        Raises:
            StoreError: There is no store, or a record lies where no cell's path is.
        """
        if not self.root.is_dir():
            raise StoreError(f"--results {str(self.root)!r} is no directory; run `discbench eval --results DIR` first")
        for path in sorted(self.root.rglob("*.json")):
            if len(path.relative_to(self.root).parts) != DEPTH and RECORD.fullmatch(path.name):
                raise StoreError(_astray(path))
        there = sorted(self.root.glob("*/*/*/*.json"))  # folders may be links to another disk
        return [path for path in there if not path.parent.name.startswith(PROBES)]

    def _read(self, path: Path) -> Result:
        result = read_result(path)
        wanted = self.root / place(result["cell"])
        if path != wanted:
            raise StoreError(_astray(path, wanted))
        return marked_now(result, self.named)

    def answers(self, result: Result) -> Predictions:
        """Return the predictions of a result of this store."""
        return unpack_predictions(self.path(Cell(**result["cell"])).with_name(result["predictions"]["file"]))

    def examples(self, task: str) -> Iterator[Result]:
        """Yield a finished result of the task (`name@version`) of each checkpoint that has one."""
        for folder in sorted(self.root.glob(f"*/*/{folder_name(task)}")):
            results = map(self._read, sorted(folder.glob("*.json")))
            yield from islice((result for result in results if result["status"] == "finished"), 1)

    def probe_path(self, measurement: Measurement) -> Path:
        """Return where a measurement's result is, or would be."""
        return self.root / probe_place(measurement.record)

    def get_probe(self, measurement: Measurement) -> Result | None:
        """Return a measurement's result, finished or failed, or None."""
        path = self.probe_path(measurement)
        return read_probe(path) if path.is_file() else None

    def put_probe(self, measurement: Measurement, result: Result) -> None:
        """Write a measurement's result."""
        write_whole(self.probe_path(measurement), as_text(result).encode())

    def forget_probe(self, measurement: Measurement) -> None:
        """Remove a measurement's result, if there is one."""
        self.probe_path(measurement).unlink(missing_ok=True)

    def probes(self) -> Iterator[Result]:
        """Yield the results of all measurements in the order of their paths."""
        for path in sorted(self.root.glob(f"*/*/{PROBES}*/*.json")):
            result = read_probe(path)
            wanted = self.root / probe_place(result["probe"])
            if path != wanted:
                raise StoreError(_astray(path, wanted))
            yield result


def _astray(path: Path, wanted: Path | None = None) -> str:
    """Return what is wrong with a record that lies elsewhere than its name says."""
    if wanted is None:
        return f"{path} is a result in a place where none counts; move the folder that it came with out of the store"
    other = f"it counts as {wanted} only" if wanted.is_file() else f"its place is {wanted}"
    return f"{path} is a result out of its place: {other}; move the copy out of the store, or the file to its place"


def read_probe(path: Path) -> Result:
    """Read one result of a probe.

    Raises:
        StoreError: It is no such result, or its id is not the hash of what was measured.
    """
    try:
        result: Result = json.loads(path.read_text(encoding="utf-8"))
        whole = result["id"] == path.stem == cell_id(result["probe"]) and result["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is no result of a probe ({error!r}); remove it to have it measured again") from error
    if not whole:
        raise StoreError(f"{path} was altered: its id is not the hash of what was measured; remove it")
    return result


def read_result(path: Path) -> Result:
    """Read one result.

    Raises:
        StoreError: It is no result as discbench writes it (`results.forms`), its id is not the hash of its cell, or its
            name is not its id.
    """
    try:
        result: Result = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
        altered = result["id"] != cell_id(result["cell"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{path} is no result of a cell ({error!r}); remove it to have the cell run again") from error
    if altered:
        raise StoreError(
            f"{path} was altered: its id is not the hash of its cell; remove it to have the cell run again"
        )
    wrong = result_fault(result)
    if wrong:
        raise StoreError(f"{path} is no result as discbench writes it ({wrong}); remove it to have the cell run again")
    if path.stem != result["id"]:
        raise StoreError(_astray(path, path.with_name(f"{result['id']}.json")))
    return result


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these pairs, as `json.loads` asks for it.

    Raises:
        ValueError: It has a key twice, so that readers could disagree on it.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def pack_predictions(rows: NDArray[Any], outputs: NDArray[np.float32], targets: NDArray[Any]) -> bytes:
    """Return the answers to the test rows as a parquet file: row, outputs, target."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "row": pa.array(rows, pa.int32()),
            "outputs": pa.array(list(outputs), pa.list_(pa.float32())),
            "target": pa.array(targets),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def unpack_predictions(path: Path | BinaryIO) -> Predictions:
    """Return (rows, outputs, targets) as they were packed."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        outputs = np.array(table["outputs"].to_pylist(), dtype=np.float32)
        return table["row"].to_numpy(), outputs, table["target"].to_numpy()
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path} holds no predictions ({error!r}); remove its cell to have it run again") from error
