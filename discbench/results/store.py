"""The store: one JSON file a cell, written whole or not at all, predictions beside it.

`RESULTS/<org__model>/<revision>/<task@version>/<cell id>.json` and `<cell id>.predictions.parquet`; of probes
`RESULTS/<org__model>/<revision>/probe.<probe@version>/<id>.json`; of cells in the making, where that is asked for,
`RESULTS/.training/<cell id>.safetensors`; of controls `RESULTS/.controls/<hash of what training begins
with>`, which names the cell's file.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from discbench.errors import StoreError
from discbench.results.forms.records import (
    RECORD,
    OutOfPlace,
    PassedOver,
    Result,
    astray,
    failed,
    read_probe,
    read_result,
    unwritten,
)
from discbench.results.forms.result import result_fault
from discbench.results.locks.holder import FOLDER
from discbench.results.locks.holding import Holds
from discbench.results.marks import marked_now
from discbench.values.cells import Cell, cell_id
from discbench.values.measurement import Measurement
from discbench.words import parts

__all__ = ["Result", "read_result"]  # of `records`, offered here as well
DEPTH = 4
"""Parts of a result's path: checkpoint, revision, task, file."""
PROBES = "probe."
"""What folders of probes begin with; no discipline is called so."""
STATES, STATE = ".training", ".safetensors"
"""The folder of training states, and what a cell's id is followed by there."""
CONTROLS = ".controls"
"""The folder of what controls begin with."""
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
    """Write a file so that it is there whole or not at all, whatever is killed when.

    Raises:
        OSError: It cannot be written; it names the file, even where a full disk is the cause.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, part = parts.begun(path.parent)
        _fill(handle, Path(part), path, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _fill(handle: int, part: Path, path: Path, content: bytes) -> None:
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            part.chmod(0o644)  # mkstemp makes files that only their owner reads
            os.replace(part, path)  # still open: its lock says that we live
    except BaseException:
        part.unlink(missing_ok=True)
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
        passed: Told of each file that cannot be read as a record, which is passed over then; without it, one is a
            StoreError. A sound record out of its place is one in any case.
    """

    def __init__(
        self, root: Path, named: Mapping[str, str | None] | None = None, passed: PassedOver | None = None
    ) -> None:
        self.root = root
        self.named = named or {}
        self.passed = passed

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
        """Remove what processes that were killed have left half written, or lying about; what is in use stays."""
        for folder in ("*/*/*", FOLDER, STATES, CONTROLS):
            parts.clear(self.root.glob(f"{folder}/{parts.PATTERN}"))
        for path in self.root.glob(f"{STATES}/*{STATE}"):
            for record in self.root.glob(f"*/*/*/{path.name.removesuffix(STATE)}.json"):
                with suppress(StoreError, OSError):
                    if read_result(record)["status"] == "finished":
                        path.unlink(missing_ok=True)

    def state_path(self, cell: Cell) -> Path:
        """Return where the cell's training state is saved while it is trained; no result, and no part of one."""
        return self.root / STATES / f"{cell.id}{STATE}"

    def forget_state(self, cell: Cell) -> None:
        """Remove the cell's training state, if there is one."""
        with suppress(OSError):
            self.state_path(cell).unlink(missing_ok=True)

    def path(self, cell: Cell) -> Path:
        """Return where the cell's result is, or would be."""
        return self.root / place(cell.record)

    @property
    def holds(self) -> Holds:
        """The locks of cells and measurements: who runs which."""
        return Holds(self.root)

    def digest(self, cell: Cell) -> str:
        """Return the SHA-256 of what lies at the cell's place, or nothing; it tells a result from an earlier one."""
        try:
            return hashlib.sha256(self.path(cell).read_bytes()).hexdigest()
        except OSError:
            return ""

    def settled(self, cell: Cell, planned: str | None) -> Result | None:
        """Return the cell's result if it need not be run: finished, or failed since it was planned.

        Args:
            cell: Any.
            planned: What `digest` gave when the cell was planned to be run; None where any failure is tried again.
        """
        result = self.get(cell)
        if result is None or (result["status"] != "finished" and planned in {None, self.digest(cell)}):
            return None
        return result

    def get(self, cell: Cell) -> Result | None:
        """Return the cell's result, finished or failed, or None.

        Raises:
            StoreError: What lies at its place is no result.
        """
        path = self.path(cell)
        return marked_now(read_result(path), self.named) if os.path.lexists(path) else None

    def fault(self, cell: Cell) -> str | None:
        """Return what is wrong with what lies at the cell's place, if there is something that is no result."""
        try:
            self.get(cell)
        except StoreError as error:
            return str(error)
        return None

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
            _write(path.with_name(name), predictions)
        _write(path, as_text(result).encode())

    def fail(self, cell: Cell, cause: str, planned: str | None = None) -> Result:
        """Store that a cell failed, unless a result `settled` it meanwhile; return what lies there then."""
        known = self.settled(cell, planned)
        if known is None:
            self.put(cell, known := failed(cell, cause), None)
        return known

    def results(self) -> Iterator[Result]:
        """Yield all results in the order of their paths."""
        yield from self._sound(self.paths(), self._read)

    def _sound(self, paths: Iterable[Path], read: Callable[[Path], Result]) -> Iterator[Result]:
        """Yield what can be read; what cannot is raised, or told to whoever asked for that."""
        for path in paths:
            try:
                yield read(path)
            except OutOfPlace:
                raise
            except StoreError as error:
                if self.passed is None:
                    raise
                self.passed.take(path, error)

    def paths(self) -> list[Path]:
        """Return the files of all cells' results, sorted.

        Raises:
            StoreError: There is no store, or a record lies where no cell's path is.
        """
        if not self.root.is_dir():
            raise StoreError(f"--results {str(self.root)!r} is no directory; run `discbench eval --results DIR` first")
        for path in sorted(self.root.rglob("*.json")):
            inside = path.relative_to(self.root).parts
            if inside[0].startswith("."):  # of what runs, not of what is measured
                continue
            if len(inside) != DEPTH and RECORD.fullmatch(path.name):
                raise astray(path)
        there = sorted(self.root.glob("[!.]*/*/*/*.json"))  # folders may be links to another disk
        return [path for path in there if not path.parent.name.startswith(PROBES)]

    def _read(self, path: Path) -> Result:
        result = read_result(path)
        wanted = self.root / place(result["cell"])
        if path != wanted:
            raise astray(path, wanted)
        return marked_now(result, self.named)

    def answers(self, result: Result) -> Predictions:
        """Return the predictions of a result of this store."""
        return unpack_predictions(self.path(Cell(**result["cell"])).with_name(result["predictions"]["file"]))

    def examples(self, task: str) -> Iterator[Result]:
        """Yield a finished result of the task (`name@version`) of each checkpoint that has one."""
        for folder in sorted(self.root.glob(f"*/*/{folder_name(task)}")):
            results = self._sound(sorted(folder.glob("*.json")), self._read)
            yield from islice((result for result in results if result["status"] == "finished"), 1)

    def probe_path(self, measurement: Measurement) -> Path:
        """Return where a measurement's result is, or would be."""
        return self.root / probe_place(measurement.record)

    def get_probe(self, measurement: Measurement) -> Result | None:
        """Return a measurement's result, finished or failed, or None."""
        path = self.probe_path(measurement)
        return read_probe(path) if os.path.lexists(path) else None

    def put_probe(self, measurement: Measurement, result: Result) -> None:
        """Write a measurement's result."""
        _write(self.probe_path(measurement), as_text(result).encode())

    def forget_probe(self, measurement: Measurement) -> None:
        """Remove a measurement's result, if there is one."""
        self.probe_path(measurement).unlink(missing_ok=True)

    def probes(self) -> Iterator[Result]:
        """Yield the results of all measurements in the order of their paths."""
        yield from self._sound(sorted(self.root.glob(f"*/*/{PROBES}*/*.json")), self._read_probe)

    def _read_probe(self, path: Path) -> Result:
        result = read_probe(path)
        wanted = self.root / probe_place(result["probe"])
        if path != wanted:
            raise astray(path, wanted)
        return result


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise unwritten(path, error) from error


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

    if isinstance(path, Path) and not path.is_file():  # pyarrow would take a folder for a table in parts
        found = "it is a folder" if path.is_dir() else "it is not there"
        raise StoreError(f"{path} holds no predictions ({found}); remove its cell to have it run again")
    try:
        table = pq.read_table(path)
        outputs = np.array(table["outputs"].to_pylist(), dtype=np.float32)
        return table["row"].to_numpy(), outputs, table["target"].to_numpy()
    except (OSError, ValueError, KeyError) as error:
        said = " ".join(str(error).split())
        raise StoreError(f"{path} holds no predictions ({said}); remove its cell to have it run again") from error
