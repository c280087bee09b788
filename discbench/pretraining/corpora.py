"""From what the user wrote to text in files: corpora by name, one text file, or two. Without torch."""

import functools
import hashlib
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from discbench.data import loading, provenance
from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.plugins import registry
from discbench.pretraining.text import Text, divided, read_lines, sha256_of_lines
from discbench.values.pretrained.names import TEXT, MadeOf
from discbench.values.types import Corpus

OWN = "discbench."
"""How the modules of this package begin: a corpus of it is what its version says."""


def named(made_of: MadeOf, manager: Any) -> Corpus | Path:  # noqa: ANN401 - pluggy's manager
    """Return the corpus of a name, or the path of `text:FILE`.

    Raises:
        NoSuchName: There is no corpus of that name.
        DataError: There is no file at that path, or it is no text.
    """
    if made_of.file:
        path = Path(made_of.file).expanduser()
        next(read_lines(path), None)
        return path
    known = registry.corpora(manager)
    if made_of.corpus not in known:
        near = did_you_mean(made_of.corpus, known, f"corpora are {', '.join(known)}, or text:FILE")
        raise NoSuchName(f"{made_of.corpus!r} is neither a file nor a corpus{near}")
    return known[made_of.corpus]


def definition(source: Corpus | Path, words: Iterable[str]) -> dict[str, Any]:
    """Return what a corpus is defined by, as JSON: what another value of makes another checkpoint.

    Of a text file its SHA-256. Of a corpus its id, and unless it is this package's own what its lines are made by, so
    that one that is being written needs no new version for each try.
    """
    if isinstance(source, Path):
        seen = source.stat()
        return {"text": _sha256(source, seen.st_size, seen.st_mtime_ns, seen.st_ino)}
    found: dict[str, Any] = {"corpus": source.id}
    if not _module(source.lines).startswith(OWN):
        made_by = (source.lines, source.held_out, source.vocabulary)
        found["code"] = [provenance.described(each) for each in made_by if each is not None]
        files = sorted({path for each in made_by if each is not None for path in provenance.code_of(each)})
        found["files"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        found["words"] = hashlib.sha256(json.dumps(list(words)).encode()).hexdigest()
    return found


@functools.cache
def _sha256(path: Path, size: int, changed: int, place: int) -> str:  # noqa: ARG001 - what the answer is kept by
    return sha256_of_lines(path)


def _module(function: Any) -> str:  # noqa: ANN401 - a plugin's
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__module__", ""))


def vocabulary(source: Corpus | Path) -> tuple[str, ...]:
    """Return all words of an artificial language, none of text."""
    return () if isinstance(source, Path) else loading.vocabulary(source)


def written(source: Corpus | Path, folder: Path, about: str = "") -> Text:
    """Write the text of a corpus, and what is held out of it, into a folder, once.

    Raises:
        DataError: A text file cannot be read, or has too little text.
        PluginError: A corpus broke its side of the contract.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"text-{sha256_of_lines(source)[:12]}" if isinstance(source, Path) else source.id
    files = folder / f"{stem}.txt", folder / f"{stem}.held-out.txt"
    if not all(file.exists() for file in files):
        halves = (
            divided(source)
            if isinstance(source, Path)
            else (loading.lines(source, "lines"), loading.lines(source, "held_out"))
        )
        for path, lines in zip(files, halves, strict=True):
            part = path.with_suffix(".part")
            with part.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
            part.replace(path)
    if isinstance(source, Path):
        return Text(learnt=files[0], held_out=files[1], about=about, name=f"{TEXT}{source.name}")
    return Text(
        learnt=files[0],
        held_out=files[1],
        words=loading.vocabulary(source),
        about=about or f"corpus {source.id}, {source.about}; {source.license}; {source.cite}",
        name=source.name,
        floor=partial(loading.floor, source),
    )


def two_files(learnt: Path, held_out: Path | None, about: str) -> Text:
    """Return text that is there already.

    Raises:
        UserError: Nothing is held out.
    """
    if held_out is None:
        raise UserError(
            f"--held-out is missing: give text that is never trained on, beside {str(learnt)!r}, or text:{learnt} to"
            " hold a part of it out"
        )
    return Text(learnt=learnt, held_out=held_out, about=about)
