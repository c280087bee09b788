"""Pack a store's results as a submission: cells, predictions and where they come from, in a zip with fixed bytes."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from discbench.errors import StoreError, UserError
from discbench.results import rates
from discbench.results.store import Store, place
from discbench.submissions import claims, intake, manifest
from discbench.submissions.recount import searches
from discbench.words.names import printable

Record = dict[str, Any]
MOMENT = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive: the earliest that zip can say."""
LEVEL = 6


def pack(
    root: Path, named: Mapping[str, str | None] | None = None, *, allow_marked: bool = False
) -> tuple[bytes, Record]:
    """Return (archive, manifest) of all cells of a store that count; the same store gives the same bytes.

    Args:
        root: The store.
        named: As of `Store`.
        allow_marked: Whether marked cells are taken.

    Raises:
        StoreError: There is no store, or a file of it is damaged.
        UserError: It holds what cannot be accepted: no cell, failed or marked cells, runs without a control.
    """
    held = list(Store(root, named).results())
    old = rates.superseded(held, held)
    results = {place(result["cell"]): result for result in held if result["id"] not in old}
    check(results, allow_marked=allow_marked)
    files: dict[str, bytes] = {}
    cells: list[Record] = []
    for name, result in results.items():
        content, answers = (root / name).read_bytes(), _predictions(root, name, result)
        files[name] = content
        if answers is not None:
            files[f"{name.removesuffix(intake.JSON)}{intake.PREDICTIONS}"] = answers
        cells.append(
            {
                "id": result["id"],
                "path": name,
                "sha256": hashlib.sha256(content).hexdigest(),
                "predictions": "" if answers is None else hashlib.sha256(answers).hexdigest(),
            }
        )
    made = manifest.manifest(
        cells,
        [result["cell"] for result in results.values()],
        [r["run"]["versions"] for r in results.values() if "run" in r],
    )
    files[intake.MANIFEST] = manifest.as_bytes(made)
    return _zipped(files), made


def check(results: dict[str, Record], *, allow_marked: bool) -> None:
    """Raise UserError for the first reason why results cannot be accepted."""
    if not results:
        raise UserError("there is no result of a cell to submit; run `discbench eval --results DIR` first")
    if len(results) > manifest.MOST_CELLS:
        raise UserError(f"a submission holds at most {manifest.MOST_CELLS} cells, not {len(results)}; split the store")
    searched, results = results, {name: result for name, result in results.items() if not searches.of_search(result)}
    failed = [r for r in results.values() if r["status"] != "finished"]
    if failed:
        raise UserError(
            f"{len(failed)} of {len(results)} cells failed, the first is {_words(failed[0]['cell'])}"
            f" ({printable(failed[0]['cause'], 80)}); run them again, or remove their files"
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
    for name, seeds in claims.selected((name, result["cell"]) for name, result in results.items()):
        raise UserError(
            f"{_words(results[name]['cell'])} and its like have seeds {', '.join(map(str, seeds[:20]))}, a selection;"
            f" run 0 to {len(seeds) - 1}, and keep other runs in another store"
        )
    for name, _, wrong in searches.together(searched):
        raise UserError(f"{_words(results[name]['cell'])}: {wrong}; run it again with --rates tuned")


def _words(cell: Record) -> str:
    return printable(f"{cell['checkpoint']} {cell['task']} {cell['init']} seed {cell['seed']}", 200)


def _predictions(root: Path, name: str, result: Record) -> bytes | None:
    """Return the predictions beside a result; None for a cell of a search that failed, which is an outcome."""
    if "predictions" not in result:
        return None
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
