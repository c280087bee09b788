"""How a row of symbols is spelt as text, for a checkpoint's own tokenizer to read.

Tokenizers of a discipline want its symbols one after another (ESM-2, byte pairs), with blanks between (ProtBert), as
overlapping words of k (DNABERT) or as words of k one after another, the rest as single symbols (Nucleotide
Transformer).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from discbench.errors import CheckpointError
from discbench.values.mapping import RandomTable

NUCLEOTIDES = frozenset("ACGTNRYKMSWBDHV")
"""IUPAC's letters of DNA: only where they are all, T may be written as U."""
WIDTHS = range(8, 1, -1)
"""Symbols of a word, the widest first."""
CHANGES = ("", "U for T", "upper case", "lower case")
"""What letters become, in the order in which ties are broken."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way of writing rows as text."""

    width: int
    """Symbols of a word; 0 where the whole row is one, -1 of a text."""
    overlapping: bool = False
    """Whether a word begins at each symbol, not where the last one ended."""
    change: str = ""
    """One of `CHANGES`."""

    @property
    def name(self) -> str:
        """What a result calls it."""
        ways = {-1: "as given", 0: "joined", 1: "spaced"}
        way = ways.get(self.width, f"{self.width}-mers{' overlapping' if self.overlapping else ''}")
        return f"{way}, {self.change}" if self.change else way

    def letter(self, symbol: str) -> str:
        """Return a symbol as it is written."""
        if self.change == "U for T":
            return {"T": "U", "t": "u"}.get(symbol, symbol)
        if self.change == "upper case":
            return symbol.upper()
        return symbol.lower() if self.change == "lower case" else symbol

    def text(self, symbols: Sequence[str]) -> str:
        """Return a row as text."""
        return " ".join(self.words([self.letter(symbol) for symbol in symbols]))

    def words(self, letters: Sequence[str]) -> list[str]:
        """Return the words of a row; what is left of words that do not overlap stands as single symbols."""
        width, count = self.width or len(letters), len(letters)
        if self.overlapping:
            return ["".join(letters[at : at + width]) for at in range(max(1, count - width + 1))]
        whole = count - count % width if width else 0
        return ["".join(letters[at : at + width]) for at in range(0, whole, max(1, width))] + list(letters[whole:])


AS_GIVEN = Spelling(-1)
"""A text, which has a spelling already."""


def named(name: str) -> Spelling:
    """Return the spelling that a result calls so.

    Raises:
        CheckpointError: There is none of that name.
    """
    every = (Spelling(width, over, change) for width in (0, 1, *WIDTHS) for over in (False, True) for change in CHANGES)
    found = next((spelling for spelling in every if spelling.name == name), None)
    if found is None:
        raise CheckpointError(f"no rows are spelt {name!r}; there are joined, spaced, and words such as 6-mers")
    return found


def spellings(mapping: RandomTable, tokens: Iterable[str]) -> list[Spelling]:
    """Return the ways of writing a task's rows that are worth trying, in the order in which ties are broken.

    Joined; as overlapping words, the widest first; as words one after another; spaced. Each first as the letters are,
    then with U for T, then in upper and in lower case, where no two symbols become one. Words of k only where the
    vocabulary has such.

    Args:
        mapping: The task's alphabet, and whether its rows may be joined.
        tokens: The tokenizer's vocabulary.
    """
    alphabet = [str(symbol) for symbol in mapping.alphabet]
    if mapping.written == "spaced":
        return [Spelling(1, change=change) for change in _changes(alphabet)]
    widths = set(_widths(alphabet, tokens))
    words = [Spelling(width, over) for over in (True, False) for width in WIDTHS if width in widths]
    ways = [Spelling(0), *words, Spelling(1)]
    return [Spelling(way.width, way.overlapping, change) for change in _changes(alphabet) for way in ways]


def _changes(alphabet: list[str]) -> list[str]:
    """Return which changes leave symbols apart and change one of them at all."""
    dna = {symbol.upper() for symbol in alphabet} <= NUCLEOTIDES
    found = []
    for change in CHANGES:
        letters = [Spelling(0, change=change).letter(symbol) for symbol in alphabet]
        apart = len(set(letters)) == len(letters)
        if not change or (apart and letters != alphabet and (dna or change != "U for T")):
            found.append(change)
    return found


def _widths(alphabet: list[str], tokens: Iterable[str]) -> Iterator[int]:
    letters = {letter for symbol in alphabet for letter in (symbol.upper(), symbol.lower(), "U", "u")}
    if any(len(symbol) != 1 for symbol in alphabet):
        return
    for token in tokens:
        if len(token) in WIDTHS and letters.issuperset(token):
            yield len(token)


def read(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:  # noqa: ANN401 - transformers' tokenizer classes
    """Return the token ids of texts, without special ones around; none of a text for which the tokenizer raises."""
    try:
        return [list(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
    except Exception:  # noqa: BLE001 - tokenizers raises it bare
        return [_one(tokenizer, text) for text in texts]


def _one(tokenizer: Any, text: str) -> list[int]:  # noqa: ANN401
    try:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    except Exception:  # noqa: BLE001 - as above
        return []


def unknown(tokenizer: Any, rows: Sequence[Sequence[int]]) -> float:  # noqa: ANN401
    """Return the share of unknown tokens; a row of which nothing was made counts as one unknown token."""
    missing = sum(ids.count(tokenizer.unk_token_id) if ids else 1 for ids in map(list, rows))
    return missing / max(1, sum(max(1, len(ids)) for ids in rows))


def turns_back(tokenizer: Any, spelling: Spelling, text: str, ids: Sequence[int]) -> bool:  # noqa: ANN401
    """Tell whether tokens say what was written, blanks aside; an unknown one stands for some of it.

    Of overlapping words each must be one token: pieces of them would hold a symbol several times over.
    """
    if spelling.overlapping and len(ids) != text.count(" ") + 1:
        return False
    said = text.replace(" ", "")
    decoded = tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return _says(decoded, said, tokenizer.unk_token) or _says(
        "".join(_piece(token) for token in tokenizer.convert_ids_to_tokens(list(ids))), said, tokenizer.unk_token
    )


def _piece(token: str) -> str:
    """Return what a token writes, without the signs of where words begin and go on."""
    bare = token.strip("\u2581\u0120")
    return bare[2:] if bare.startswith("##") and len(bare) > 2 else bare  # noqa: PLR2004 - the sign


def _says(decoded: str, said: str, unknown_token: str | None) -> bool:
    """Tell whether `decoded`, with something in place of each unknown token, is `said`."""
    parts = "".join(decoded.split()).split(unknown_token) if unknown_token else ["".join(decoded.split())]
    if len(parts) == 1:
        return parts[0] == said
    if not said.startswith(parts[0]):
        return False
    at = len(parts[0])
    for part in parts[1:-1]:
        found = said.find(part, at + 1)
        if found < 0:
            return False
        at = found + len(part)
    return at + 1 <= len(said) - len(parts[-1]) and said.endswith(parts[-1])
