"""Load a task's rows: read, check, encode, and keep on disk as Arrow through `datasets` (parsed once).

One entry per (task id, data directory). An entry is good as long as the files that it was made from, the folders that
they lie in (a whole file put beside a part of it is seen) and the reader's own file have the same size and time of
change; the rows' SHA-256 is written beside them.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from discbench.data.copies import count
from discbench.data.files import reading
from discbench.data.loading import SPLITS, read
from discbench.data.rows import (
    Encoded,
    Loaded,
    digest,
    encode,
    fresh_directory,
    prepared_directory,
    replace_directory,
)
from discbench.errors import DataError
from discbench.values.types import Classes, Task

FORMAT = 2


def load(task: Task, directory: Path | None = None, *, download: bool = True, unverified: bool = False) -> Loaded:
    """Return the task's rows from the cache, or read, check and cache them.

    Args:
        task: Whose rows.
        directory: Where to look for files first; else `DISCBENCH_DATA`.
        download: Whether files that are not at hand may be downloaded.
        unverified: Accept rows whose SHA-256 differs from the one that the task names; they are marked.

    Raises:
        DataError: A file is missing or broken, or the rows are not the expected ones.
        PluginError: The task's reader failed, or returned anything but splits of rows.
    """
    with reading(directory, download=download) as now:
        known = recall(task, now.directory)
        if known is not None and (known.partial or task.dataset.rows_sha256 in {None, known.sha256}):
            return _check(task, known, unverified=unverified)
        splits = read(task)
        encoded = {name: encode(task, getattr(splits, name)) for name in SPLITS}
        copies = count(task, splits, encoded)
        loaded = Loaded(**encoded, sha256=digest(splits), status="unverified", partial=splits.partial, copies=copies)
        if now.used:
            remember(task, now.directory, now.used, loaded)
    return _check(task, loaded, unverified=unverified, files=now.used)


def _check(task: Task, loaded: Loaded, *, unverified: bool, files: Iterable[Path] = ()) -> Loaded:
    expected = task.dataset.rows_sha256
    if expected == loaded.sha256 and not loaded.partial:
        return loaded._replace(status="verified")
    if expected is None or unverified or loaded.partial:
        return loaded._replace(status="unverified")
    names = ", ".join(str(f) for f in files) or "the cached rows"
    raise DataError(
        f"{names}: the rows of {task.id} have SHA-256 {loaded.sha256[:12]}…, but the task was written for"
        f" {expected[:12]}…; fetch the files again, or run on them as they are with --unverified (scores are marked)"
    )


def entry(task: Task, directory: Path | None) -> Path:
    """Return the entry's directory."""
    where = hashlib.sha256(str(directory and directory.resolve()).encode()).hexdigest()[:12]
    return prepared_directory() / task.id / where


def _stamp(path: Path) -> list[Any]:
    state = path.stat()
    return [str(path.resolve()), state.st_size, state.st_mtime_ns]


def _reader(task: Task) -> list[Path]:
    """Return the file that the task's loader is written in."""
    loader = getattr(task.dataset.load, "func", task.dataset.load)
    file = getattr(sys.modules.get(loader.__module__), "__file__", None)
    return [Path(file)] if file else []


def _shape(task: Task) -> list[Any]:
    data = task.dataset
    form = data.form and [data.form.name, data.form.missing]
    return [FORMAT, repr(task.mapping), task.max_symbols, str(task.target), data.shared, form]


def summary(task: Task, directory: Path | None) -> dict[str, Any] | None:
    """Return what is known of the task's rows without reading them: hash, sizes, mean length; None if nothing is."""
    try:
        note: dict[str, Any] = json.loads((entry(task, directory) / "note.json").read_text(encoding="utf-8"))
        fresh = all(_stamp(Path(path)) == [path, size, time] for path, size, time in note["files"])
    except (OSError, ValueError, KeyError):
        return None
    return note if fresh and note["shape"] == _shape(task) else None


def remember(task: Task, directory: Path | None, files: Sequence[Path], loaded: Loaded) -> None:
    """Write an entry, whole or not at all."""
    import datasets

    final = entry(task, directory)
    part = fresh_directory(final.parent)
    datasets.disable_progress_bars()
    datasets.DatasetDict({name: _to_arrow(task, getattr(loaded, name)) for name in SPLITS}).save_to_disk(
        str(part / "arrow")
    )
    note = {
        "shape": _shape(task),
        "files": [_stamp(path) for path in sorted({*files, *(path.parent for path in files), *_reader(task)})],
        "sha256": loaded.sha256,
        "partial": loaded.partial,
        "copies": list(loaded.copies),
        "sizes": list(loaded.sizes),
        "mean_symbols": float(np.concatenate([getattr(loaded, n).lengths for n in SPLITS]).mean()),
    }
    (part / "note.json").write_text(json.dumps(note), encoding="utf-8")
    replace_directory(part, final)


def recall(task: Task, directory: Path | None) -> Loaded | None:
    """Return the cached rows if their files are unchanged."""
    note = summary(task, directory)
    if note is None:
        return None
    import datasets

    try:
        stored = datasets.load_from_disk(str(entry(task, directory) / "arrow"))
    except (OSError, ValueError):
        return None
    train, validation, test = (_from_arrow(task, stored[name]) for name in SPLITS)
    return Loaded(train, validation, test, note["sha256"], "unverified", note["partial"], note["copies"])


def _to_arrow(task: Task, split: Encoded) -> Any:  # noqa: ANN401 - datasets is untyped
    import datasets

    kind = "int64" if isinstance(task.target, Classes) else "float32"
    columns: dict[str, Any] = {"target": split.targets}
    features = {"target": datasets.Value(kind)}
    if split.texts is None:
        columns["symbols"] = [split.codes[a:b] for a, b in zip(split.offsets, split.offsets[1:], strict=False)]
        features["symbols"] = datasets.List(datasets.Value("uint16"))
    else:
        columns |= {"text": [a for a, _ in split.texts], "pair": [b for _, b in split.texts]}
        features |= {"text": datasets.Value("large_string"), "pair": datasets.Value("large_string")}
    if split.groups is not None:
        columns["group"], features["group"] = list(split.groups), datasets.Value("string")
    if split.families is not None:
        columns["family"], features["family"] = list(split.families), datasets.Value("string")
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def _from_arrow(task: Task, stored: Any) -> Encoded:  # noqa: ANN401 - datasets is untyped
    table = stored.data.table.combine_chunks()
    targets = table["target"].to_numpy().astype(np.int64 if isinstance(task.target, Classes) else np.float32)
    groups, families = (
        tuple(table[name].to_pylist()) if name in table.column_names else None for name in ("group", "family")
    )
    if "text" in table.column_names:
        texts = tuple(zip(table["text"].to_pylist(), table["pair"].to_pylist(), strict=True))
        return Encoded(np.zeros(0, np.uint16), np.zeros(len(targets) + 1, np.int64), targets, groups, texts, families)
    lists = table["symbols"].combine_chunks()
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Encoded(lists.flatten().to_numpy().astype(np.uint16), offsets, targets, groups, None, families)


def forget(task: Task, directory: Path | None) -> None:
    """Remove the entry, so that the rows are read anew."""
    shutil.rmtree(entry(task, directory), ignore_errors=True)
