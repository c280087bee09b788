"""Pack a store's results as a submission: cells, predictions and where they come from, in a zip with fixed bytes."""

import hashlib
import io
import json
import shlex
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from discbench.errors import StoreError, UserError
from discbench.results.store import Store, place
from discbench.submissions import claims, intake
from discbench.submissions.findings import shown
from discbench.values.cells import NOTHING
from discbench.values.checkpoints import told_apart
from discbench.values.recipes import changes
from discbench.values.version import __version__

Record = dict[str, Any]
MOMENT = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive: the earliest that zip can say."""
LEVEL = 6


def pack(
    root: Path, named: Mapping[str, str | None] | None = None, *, allow_marked: bool = False
) -> tuple[bytes, Record]:
    """Return (archive, manifest) of all cells of a store; the same store gives the same bytes.

    Args:
        root: The store.
        named: As of `Store`.
        allow_marked: Whether marked cells are taken.

    Raises:
        StoreError: There is no store, or a file of it is damaged.
        UserError: It holds what cannot be accepted: no cell, failed or marked cells, runs without a control.
    """
    results = {place(result["cell"]): result for result in Store(root, named).results()}
    check(results, allow_marked=allow_marked)
    files: dict[str, bytes] = {}
    cells = []
    for name, result in results.items():
        content, answers = (root / name).read_bytes(), _predictions(root, name, result)
        files[name], files[f"{name.removesuffix(intake.JSON)}{intake.PREDICTIONS}"] = content, answers
        cells.append(
            {
                "id": result["id"],
                "path": name,
                "sha256": hashlib.sha256(content).hexdigest(),
                "predictions": hashlib.sha256(answers).hexdigest(),
            }
        )
    manifest = {
        "format": "discbench-submission",
        "version": "1.0",
        "discbench": __version__,
        "cells": cells,
        "versions": versions(list(results.values())),
        "commands": commands([result["cell"] for result in results.values()]),
    }
    files[intake.MANIFEST] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    return _zipped(files), manifest


def check(results: dict[str, Record], *, allow_marked: bool) -> None:
    """Raise UserError for the first reason why results cannot be accepted."""
    if not results:
        raise UserError("there is no result of a cell to submit; run `discbench eval --results DIR` first")
    if len(results) > intake.MOST_CELLS:
        raise UserError(f"a submission holds at most {intake.MOST_CELLS} cells, not {len(results)}; split the store")
    failed = [r for r in results.values() if r["status"] != "finished"]
    if failed:
        raise UserError(
            f"{len(failed)} of {len(results)} cells failed, the first is {_words(failed[0]['cell'])}"
            f" ({shown(failed[0]['cause'], 80)}); run them again, or remove their files"
        )
    marked = [r for r in results.values() if r["marks"]]
    if marked and not allow_marked:
        raise UserError(
            f"{len(marked)} of {len(results)} cells are marked, the first is {_words(marked[0]['cell'])}"
            f" ({', '.join(marked[0]['marks'])}); run on whole, verified rows, or pack them with --allow-marked"
        )
    lonely = claims.lonely((name, result["cell"]) for name, result in results.items())
    if lonely:
        raise UserError(
            f"{len(lonely)} of {len(results)} cells have no scratch control, the first is {_words(lonely[0][1])};"
            " run the same with --inits scratch"
        )


def _words(cell: Record) -> str:
    return shown(f"{cell['checkpoint']} {cell['task']} {cell['init']} seed {cell['seed']}", 200)


def _predictions(root: Path, name: str, result: Record) -> bytes:
    path = root / f"{name.removesuffix(intake.JSON)}{intake.PREDICTIONS}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read ({error.strerror}); remove the result beside it to have the cell run again"
        ) from error
    if hashlib.sha256(content).hexdigest() != result["predictions"]["sha256"]:
        raise StoreError(f"{path} was altered: it has not the SHA-256 that its result names; have the cell run again")
    return content


def versions(results: list[Record]) -> dict[str, list[str]]:
    """Return the versions of each library that the cells ran with."""
    found: dict[str, set[str]] = defaultdict(set)
    for result in results:
        for library, version in result["run"]["versions"].items():
            found[library].add(version)
    return {library: sorted(found[library]) for library in sorted(found)}


def commands(cells: list[Record]) -> list[str]:
    """Return commands that run these cells, derived from the cells themselves."""
    groups: dict[str, list[Record]] = defaultdict(list)
    names = told_apart((cell["checkpoint"], cell["revision"]) for cell in cells)
    for cell in cells:
        shared = {k: v for k, v in cell.items() if k not in {"task", "rows", "init", "seed", "mapping_seed", "recipe"}}
        tied = cell["init"] == NOTHING or cell["mapping_seed"] == cell["seed"]
        shared["changed"] = changes(cell)
        way = [shared, cell["recipe"]["name"], None if tied else cell["mapping_seed"]]
        groups[json.dumps(way, sort_keys=True)].append(cell)
    return [_command(groups[way], json.loads(way)[2], names) for way in sorted(groups)]


def _command(cells: list[Record], mapping_seed: int | None, names: dict[tuple[str, str], str]) -> str:
    cell = cells[0]
    name, revision = cell["checkpoint"], cell["revision"]
    if len(revision) == len("0" * 40):
        name = f"{name}@{revision}"
    elif not name.startswith(("builtin:", "baseline:")):
        name = f"{name}=DIRECTORY{names[name, revision].removeprefix(name)}"  # of one name: DIRECTORY@1f2e3d4
    words = ["discbench", "eval", "--model", name, "--tasks", _listed(c["task"].split("@")[0] for c in cells)]
    words += ["--seeds", str(max(c["seed"] for c in cells) + 1)]
    if cell["init"] != NOTHING:
        words += ["--inits", _listed(c["init"] for c in cells), "--recipe", cell["recipe"]["name"]]
        words += ["--mapping", cell["mapping"]]
        words += ["--map-specials" if cell.get("map_specials") else "--keep-specials"]
        words += [] if mapping_seed is None else ["--mapping-seed", str(mapping_seed)]
    for field, value in sorted(changes(cell).items()):
        words += ["--set", f"{field}={value}"]
    for field, value in sorted(cell["specials"].items()):
        words += ["--special", f"{field}={value}"]
    if cell["fraction"] < 1:
        words += ["--fraction", str(cell["fraction"]), "--subset", cell.get("subset", "drawn")]
    words += [] if cell["limit"] is None else ["--limit", str(cell["limit"])]
    return shlex.join(words)


def _listed(names: Any) -> str:  # noqa: ANN401 - an iterable of words
    return ",".join(sorted(set(names)))


def _zipped(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", allowZip64=False) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, MOMENT)
            info.create_system = 3  # whatever machine packs it
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_STORED if name.endswith(intake.PREDICTIONS) else zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name], compresslevel=LEVEL)
    return sink.getvalue()
