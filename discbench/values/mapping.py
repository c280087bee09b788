"""Mappings: each symbol of a discipline becomes one token id of the checkpoint's vocabulary.

Random draws are by hash: ids are sorted by the SHA-256 of `<seed>/<id>` and the first ones are taken. So a table is
the same with every version of every library, and the tables of one seed agree between tasks (Kao & Lee 2021, §2.2:
one table per model and seed).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from discbench.errors import CheckpointError, PluginError
from discbench.words.foreign import plain, quoted

Kind = Literal["random", "shift", "permute", "unused", "identity", "native"]
KINDS: tuple[Kind, ...] = ("random", "shift", "permute", "unused", "identity", "native")


MOST_SYMBOLS = 2**16
"""As many as encoded rows can tell apart."""


@dataclass(frozen=True, slots=True)
class RandomTable:
    """Each symbol of `alphabet` goes to a regular token id of its own, drawn anew for each mapping seed."""

    alphabet: Sequence[str] | Sequence[int]
    """The symbols in a fixed order, so no set: its order changes from process to process. A string stands for its
    characters."""
    kind: Kind = "random"
    """How ids are drawn where `--mapping` asks for nothing else: `random` takes regular ones, `unused` those that
    pre-training never met, `native` reads rows with the checkpoint's own tokenizer; the others are for text."""
    text: Literal["auto", "joined", "spaced"] = "auto"
    """How a row is written where a tokenizer reads it: its symbols `joined` one after another, or `spaced`, with blanks
    between. `auto`: joined where each symbol is one character. Tokenizers that want joined rows spelt otherwise (words
    of k, blanks between residues) are found out."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphabet", plain(self.alphabet))
        given: object = self.alphabet
        if not isinstance(given, Sequence) or isinstance(given, bytes):
            raise PluginError(
                f"an alphabet is a string or a list of symbols, always in one order, but {quoted(given)} was given"
            )
        wrong = [symbol for symbol in given if isinstance(symbol, bool) or not isinstance(symbol, str | int)]
        if wrong:
            raise PluginError(f"a symbol of an alphabet is a string or an integer, but {quoted(wrong[0])} was given")
        if len(set(self.alphabet)) != len(self.alphabet):
            raise PluginError(f"alphabet {self.alphabet!r} has a symbol twice; each symbol needs one place")
        if self.text not in {"auto", "joined", "spaced"}:
            raise PluginError(f"RandomTable(text={quoted(self.text)}): auto, joined or spaced was expected")
        if not 0 < len(self.alphabet) <= MOST_SYMBOLS:
            raise PluginError(f"an alphabet has 1 to {MOST_SYMBOLS} symbols, but this one has {len(self.alphabet)}")

    @property
    def symbols(self) -> int:
        """Size of the alphabet."""
        return len(self.alphabet)

    @property
    def written(self) -> str:
        """How a row is written: joined or spaced."""
        if self.text != "auto":
            return self.text
        characters = all(isinstance(symbol, str) and len(symbol) == 1 for symbol in self.alphabet)
        return "joined" if characters else "spaced"


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows are text: the checkpoint's own tokenizer makes the symbols, then `kind` moves every token id."""

    kind: Kind = "shift"
    """How ids are moved where `--mapping` asks for nothing else: `shift` by an offset, `permute` at random, `identity`
    and `native` not at all; the others are for alphabets."""
    max_tokens: int = 128
    """Longer rows are cut as the tokenizer cuts them (the longer text of a pair first), special ids counted."""
    map_specials: bool = True
    """Whether special ids are moved too, as Kao & Lee 2021 do on GLUE; else they stay, and the others change places."""

    @property
    def symbols(self) -> int:
        """0: the alphabet is the checkpoint's vocabulary."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a mapping must know of a checkpoint's token ids."""

    size: int
    """Rows of the word-embedding matrix."""
    regular: tuple[int, ...]
    """Ids that stand for pieces of text: no special, unused, reserved or byte-fallback id."""
    unused: tuple[int, ...]
    """Ids that pre-training never met (`[unused7]`, padding rows of the embedding matrix)."""
    prefix: tuple[int, ...]
    """Special ids before a sequence, usually [CLS]."""
    suffix: tuple[int, ...]
    """Special ids after a sequence, usually [SEP]."""
    pad: int
    special: tuple[int, ...] = ()
    """All special ids, [MASK] and the like among them."""


def shuffled(ids: Sequence[int], seed: int) -> list[int]:
    """Return the ids in the order of the SHA-256 of `<seed>/<id>`."""
    return sorted(ids, key=lambda i: hashlib.sha256(f"{seed}/{i}".encode()).digest())


@lru_cache(maxsize=8)
def _order(ids: tuple[int, ...], seed: int) -> tuple[int, ...]:
    """Return what `shuffled` does, kept for the other inits and tasks of a seed."""
    return tuple(shuffled(ids, seed))


def draw_table(mapping: RandomTable, kind: Kind, vocabulary: Vocabulary, seed: int) -> tuple[int, ...]:
    """Return the token id of each symbol, one to one.

    Raises:
        CheckpointError: The vocabulary has fewer usable ids than the alphabet has symbols.
    """
    return _order(_usable(kind, vocabulary, mapping.symbols), seed)[: mapping.symbols]


def _usable(kind: Kind, vocabulary: Vocabulary, needed: int) -> tuple[int, ...]:
    usable = {"random": vocabulary.regular, "unused": vocabulary.unused}.get(kind)
    if usable is None:
        raise CheckpointError(
            f"mapping {kind!r} does not apply to a task with an alphabet; use 'random', 'unused' or 'native'"
        )
    if len(usable) < needed:
        raise CheckpointError(
            f"mapping {kind!r} needs {needed} token ids, but the vocabulary of {vocabulary.size} has"
            f" {len(usable)} usable ones; take a checkpoint with a larger vocabulary"
        )
    return usable


def move_specials(mapping: RandomTable, kind: Kind, vocabulary: Vocabulary, seed: int) -> Vocabulary:
    """Return the vocabulary with each id of prefix, suffix and padding replaced by an ordinary one.

    As in the code of Kao & Lee 2021, whose table moved [CLS], [SEP] and [PAD] too. The new ids are the last ones of
    the order that the alphabet takes the first ones of, so they are the same for all tasks of one seed.

    Raises:
        CheckpointError: The vocabulary has too few usable ids.
    """
    fixed = list(dict.fromkeys((*vocabulary.prefix, *vocabulary.suffix, vocabulary.pad)))
    order = _order(_usable(kind, vocabulary, mapping.symbols + len(fixed)), seed)
    moved = dict(zip(fixed, reversed(order), strict=False))
    return replace(
        vocabulary,
        prefix=tuple(moved[i] for i in vocabulary.prefix),
        suffix=tuple(moved[i] for i in vocabulary.suffix),
        pad=moved[vocabulary.pad],
    )


SHIFT = 1000
"""Kao & Lee 2021, §2.1: T(i) = (i + 1000) mod V."""


def draw_text_map(mapping: TextTable, kind: Kind, vocabulary: Vocabulary, seed: int) -> list[int]:
    """Return the new id of every id of the vocabulary, one to one.

    `shift`: (id + 1000) mod V. `permute`: an order of all ids drawn by hash. `identity` and `native`: the text
    as it is.

    Raises:
        CheckpointError: A kind that does not apply to text.
    """
    fixed = (
        set() if mapping.map_specials else {*vocabulary.prefix, *vocabulary.suffix, *vocabulary.special, vocabulary.pad}
    )
    moving = [i for i in range(vocabulary.size) if i not in fixed]
    targets = {
        "identity": lambda: moving,
        "native": lambda: moving,
        "shift": lambda: [moving[(place + SHIFT) % len(moving)] for place in range(len(moving))],
        "permute": lambda: shuffled(moving, seed),
    }.get(kind)
    if targets is None:
        raise CheckpointError(f"mapping {kind!r} does not apply to a text task; use 'shift', 'permute' or 'identity'")
    table = list(range(vocabulary.size))
    for source, target in zip(moving, targets(), strict=True):
        table[source] = target
    return table


def table_sha256(table: Sequence[int]) -> str:
    """Return the SHA-256 of the table's ids, written in decimal with commas between."""
    return hashlib.sha256(",".join(map(str, table)).encode()).hexdigest()
