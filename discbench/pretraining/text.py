"""Text to learn from, as files: a paragraph a line, a blank line where a document ends. Without torch."""

import hashlib
import lzma
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from discbench.errors import DataError
from discbench.values.pretrained.names import TEXT
from discbench.values.recipes import PretrainRecipe

STATE = "state"
"""The folder within a checkpoint's that holds what a run goes on from; nothing in it is part of the checkpoint."""
SHARE = 50
"""One document in so many is held out of a text that has no held-out text beside it."""
FEWEST_DOCUMENTS = 100
"""With fewer of them, paragraphs are held out instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a model learns from, and what is kept from it; both a paragraph a line, a blank line between documents."""

    learnt: Path
    """Plain or .xz."""
    held_out: Path
    words: tuple[str, ...] = ()
    """All words, each a token; without them a WordPiece vocabulary is learnt."""
    about: str = ""
    """What it is and under which licence, for the card."""
    name: str = ""
    """Of a corpus that has one: what `discbench pretrain` is told instead of two files."""
    floor: Callable[[PretrainRecipe], float | None] | None = None
    """The held-out loss that no model can be below, in nats, where the corpus knows it."""

    def __str__(self) -> str:
        return self.name or self.learnt.name

    @property
    def command(self) -> str:
        """What `discbench pretrain` is to be told."""
        what = self.name or f"{shlex.quote(self.learnt.name)} --held-out {shlex.quote(self.held_out.name)}"
        given = not self.name or self.name.startswith(TEXT)
        return f"{what} --about {shlex.quote(self.about)}" if given and self.about else what

    def lowest(self, recipe: PretrainRecipe) -> float | None:
        """Return the held-out loss that no model of this recipe can be below, in nats; None if nobody knows it."""
        return None if self.floor is None else self.floor(recipe)


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or .xz; raise DataError when it is missing or truncated."""
    try:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as file:
            yield from file
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise DataError(
            f"corpus {str(path)!r} cannot be read: {error!r}; give a UTF-8 text file, plain or .xz"
        ) from error


def sha256_of_lines(path: Path) -> str:
    """Return the SHA-256 of the uncompressed text."""
    digest = hashlib.sha256()
    for line in read_lines(path):
        digest.update(line.encode())
    return digest.hexdigest()


def divided(path: Path) -> tuple[Iterator[str], Iterator[str]]:
    """Return (lines to learn, lines held out) of one text file: of its documents those with the lowest SHA-256.

    One document in 50 is held out; of a text with fewer than 100 documents one paragraph in 50. Copies of a document
    go together.

    Raises:
        DataError: The file cannot be read, or has too little to be divided.
    """
    whole = len({_sha256(document) for document in _documents(path)}) >= FEWEST_DOCUMENTS

    def units() -> Iterator[tuple[str, ...]]:
        for document in _documents(path):
            yield from [document] if whole else [(line,) for line in document]

    found = sorted({_sha256(unit) for unit in units()})
    kept = frozenset(found[: -(-len(found) // SHARE)])
    if len(found) < 2:  # noqa: PLR2004 - one to learn, one to hold out
        raise DataError(f"corpus {str(path)!r} has {len(found)} paragraphs; give more text, part of it is held out")

    def part(held_out: bool) -> Iterator[str]:  # noqa: FBT001 - which of two
        for unit in units():
            if (_sha256(unit) in kept) == held_out:
                yield from (*unit, "")

    return part(False), part(True)  # noqa: FBT003 - as above


def _documents(path: Path) -> Iterator[tuple[str, ...]]:
    document: list[str] = []
    for line in read_lines(path):
        if line.strip():
            document.append(line.strip())
        elif document:
            yield tuple(document)
            document = []
    if document:
        yield tuple(document)


def _sha256(lines: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\n".join(lines).encode()).digest()
