"""Load a task's rows: read, check, encode, and keep on disk as Arrow through `datasets` (parsed once).

One entry per (task id, data directory). An entry is good as long as its reader is the same, and all that it was made
from has the same size and time of change: files that were handed out or opened by path, folders that they lie in or
that were listed (a whole file put beside a part of it is seen), files that were looked for in vain, and the reader's
code with the modules that it imports. The rows' SHA-256 is written beside them, and a seal over all of it: an entry
that was cut off or altered is none. Without a cache that can be written, rows are read anew each time.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from discbench.data import provenance
from discbench.data.classes import words
from discbench.data.files import file_sha256, reading
from discbench.data.loading import read
from discbench.data.relatives.copies import count
from discbench.data.rows import (
    SPLITS,
    Encoded,
    Loaded,
    encode,
    fresh_directory,
    prepared_directory,
    replace_directory,
)
from discbench.errors import DataError, place_fault
from discbench.values.types import Classes, Task
from discbench.words.foreign import warn

FORMAT = 3
NOTE, SEAL = "note.json", "seal"


def load(
    task: Task,
    directory: Path | None = None,
    *,
    download: bool = True,
    unverified: bool = False,
    anew: bool = False,
) -> Loaded:
    """Return the task's rows from the cache, or read, check and cache them.

    Args:
        task: Whose rows.
        directory: Where to look for files first; else `DISCBENCH_DATA`.
        download: Whether files that are not at hand may be downloaded.
        unverified: Accept rows whose SHA-256 differs from the one that the task names; they are marked.
        anew: Whether to read the files themselves, whatever the cache holds.

    Raises:
        DataError: A file is missing or broken, or the rows are not the expected ones.
        PluginError: The task's reader failed, or returned anything but splits of rows.
    """
    with reading(directory, download=download) as now:
        known = None if anew else recall(task, now.directory)
        if known is not None and (known.partial or task.dataset.rows_sha256 in {None, known.sha256}):
            return _check(task, known, unverified=unverified)
        with provenance.opened() as opened:
            splits, sha256 = read(task)
        encoded = {name: encode(task, getattr(splits, name)) for name in SPLITS}
        loaded = Loaded(
            **encoded,
            sha256=sha256,
            status="unverified",
            partial=splits.partial,
            words=words(splits, task.name),
            copies=count(task, splits, encoded),
        )
        if now.used:
            remember(task, now.directory, [*now.used, *now.missed, *map(Path, opened)], loaded)
    return _check(task, loaded, unverified=unverified, files=now.used)


def _check(task: Task, loaded: Loaded, *, unverified: bool, files: Iterable[Path] = ()) -> Loaded:
    expected = task.dataset.rows_sha256
    if expected == loaded.sha256 and not loaded.partial:
        return loaded._replace(status="verified")
    if expected is None or unverified or loaded.partial:
        return loaded._replace(status="unverified")
    names = ", ".join(str(f) for f in files) or "the cached rows"
    raise DataError(
        f"{names}: the rows of {task.id} have SHA-256 {loaded.sha256}, but the task was written for"
        f" {expected[:12]}…; fetch the files again, or run on them as they are with --unverified (scores are marked)"
    )


def entry(task: Task, directory: Path | None) -> Path:
    """Return the entry's directory."""
    where = hashlib.sha256(str(directory and directory.resolve()).encode()).hexdigest()[:12]
    return prepared_directory() / task.id / where


def _stamp(path: Path) -> list[Any]:
    """Return what shows that a file or folder changed; one that is not there has nothing."""
    try:
        state = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), state.st_size, state.st_mtime_ns, state.st_ino]


def _made_from(paths: Iterable[Path]) -> list[Path]:
    """Return files, and the folders of those that are there; of the one for temporary files nothing can be said."""
    files = {path.absolute() for path in paths}
    folders = {path.parent for path in files if path.exists()} - {Path(tempfile.gettempdir()).absolute()}
    return sorted(files | folders)


def _shape(task: Task) -> list[Any]:
    data = task.dataset
    form = data.form and [data.form.name, data.form.missing]
    read_by = provenance.described(data.load)
    return [FORMAT, repr(task.mapping), task.max_symbols, str(task.target), read_by, data.shared, form]


def summary(task: Task, directory: Path | None) -> dict[str, Any] | None:
    """Return what is known of the task's rows without reading them: hash, sizes, mean length; None if nothing is."""
    try:
        note: dict[str, Any] = json.loads((entry(task, directory) / NOTE).read_text(encoding="utf-8"))
        if note.pop(SEAL) != _seal(note):
            return None
        fresh = all(_stamp(Path(stamp[0])) == stamp for stamp in note["files"])
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None
    return note if fresh and note["shape"] == _shape(task) else None


def _seal(note: dict[str, Any]) -> str:
    """Return the SHA-256 of all that a note says, which tells one that was damaged."""
    return hashlib.sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()


def _contents(arrow: Path) -> dict[str, str]:
    """Return path -> SHA-256 of all files below a folder."""
    return {str(path.relative_to(arrow)): file_sha256(path) for path in sorted(arrow.rglob("*")) if path.is_file()}


def remember(task: Task, directory: Path | None, files: Sequence[Path], loaded: Loaded) -> None:
    """Write an entry, whole or not at all; none where the reader's code was changed while this process ran.

    A cache that cannot be written is told once, as a warning: the rows are at hand all the same.
    """
    code = provenance.code_of(task.dataset.load)
    if provenance.changed_since_began(code):
        return
    final = entry(task, directory)
    try:
        part = fresh_directory(final.parent)
        try:
            _fill(part, task, [*_made_from(files), *code], loaded)
            replace_directory(part, final)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        said = place_fault(error, final)
        warn(f"rows are not kept in the cache: {said} (DISCBENCH_CACHE); without it they are read anew each time")


def _fill(part: Path, task: Task, files: Sequence[Path], loaded: Loaded) -> None:
    import datasets

    datasets.disable_progress_bars()
    datasets.DatasetDict({name: _to_arrow(task, getattr(loaded, name)) for name in SPLITS}).save_to_disk(
        str(part / "arrow")
    )
    note = {
        "shape": _shape(task),
        "files": [_stamp(path) for path in files],
        "arrow": _contents(part / "arrow"),
        "sha256": loaded.sha256,
        "partial": loaded.partial,
        "words": list(loaded.words),
        "copies": list(loaded.copies),
        "sizes": list(loaded.sizes),
        "mean_symbols": float(np.concatenate([getattr(loaded, n).lengths for n in SPLITS]).mean()),
    }
    (part / NOTE).write_text(json.dumps({**note, SEAL: _seal(note)}), encoding="utf-8")


def recall(task: Task, directory: Path | None) -> Loaded | None:
    """Return the cached rows if their files are unchanged."""
    note = summary(task, directory)
    if note is None:
        return None
    import datasets

    arrow = entry(task, directory) / "arrow"
    try:
        if note["arrow"] != _contents(arrow):
            return None
        stored = datasets.load_from_disk(str(arrow))
    except (OSError, ValueError):
        return None
    return Loaded(
        **{name: _from_arrow(task, stored[name]) for name in SPLITS},
        sha256=note["sha256"],
        status="unverified",
        partial=note["partial"],
        words=tuple(note["words"]),
        copies=note["copies"],
    )


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
    if split.numbers is not None:
        columns["number"], features["number"] = split.numbers, datasets.Value("int64")
    if split.families is not None:
        columns["family"], features["family"] = list(split.families), datasets.Value("string")
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def _from_arrow(task: Task, stored: Any) -> Encoded:  # noqa: ANN401 - datasets is untyped
    table = stored.data.table.combine_chunks()
    targets = table["target"].to_numpy().astype(np.int64 if isinstance(task.target, Classes) else np.float32)
    groups, families = (
        tuple(table[name].to_pylist()) if name in table.column_names else None for name in ("group", "family")
    )
    numbers = table["number"].to_numpy().astype(np.int64) if "number" in table.column_names else None
    if "text" in table.column_names:
        texts = tuple(zip(table["text"].to_pylist(), table["pair"].to_pylist(), strict=True))
        empty = np.zeros(0, np.uint16), np.zeros(len(targets) + 1, np.int64)
        return Encoded(*empty, targets, groups, texts, numbers, families)
    lists = table["symbols"].combine_chunks()
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Encoded(lists.flatten().to_numpy().astype(np.uint16), offsets, targets, groups, None, numbers, families)


def forget(task: Task, directory: Path | None) -> None:
    """Remove the entry, so that the rows are read anew."""
    shutil.rmtree(entry(task, directory), ignore_errors=True)
