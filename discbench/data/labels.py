"""Labels of a table: numbers as they stand, words as numbers of classes. Whatever could be read two ways is refused."""

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from discbench.data.formats.cells import MISSING, as_list, shown
from discbench.errors import DataError, did_you_mean

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
FOREIGN = re.compile(
    r"[+\-\u2212]?(\d+,\d+|\d{1,3}([ ,.'_\u2019\xa0\u202f]\d{3})+([.,]\d+)?|\d+([.,]\d+)?)([eE][+-]?\d+)?\s*%?",
    re.ASCII,
)
"""A number as people write it: decimal comma, thousands apart, percent, a true minus sign."""
NOTHING = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null"}
)  # fmt: skip
"""How tables write that there is no value (pandas' list)."""
UNBOUNDED = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
BOOLEANS = ("False", "True")
EXACT = 2**53
"""Whole numbers up to here are exact as floats."""

Where = Callable[[int], str]
"""Number of a row -> `table.csv, line 7, column 'label'`."""


class Label(int):
    """The number of a class that a table calls by a word; equal to the plain number."""

    words: tuple[str, ...]
    """All classes of its table, in their order."""
    alphabetical: bool
    """True if nobody gave that order."""
    place: str
    """Where it stands in its table, or stood first."""

    def __new__(cls, number: int, words: tuple[str, ...], *, alphabetical: bool, place: str) -> Self:
        """Make the number `number` of `words`."""
        made = super().__new__(cls, number)
        made.words, made.alphabetical, made.place = words, alphabetical, place
        return made

    def __float__(self) -> float:
        """Refuse: who asks for a number did not expect words."""
        raise DataError(f"{self.place}: a number was expected, but label {self.words[self]!r} is a word")

    def __getnewargs_ex__(self) -> tuple[tuple[int, tuple[str, ...]], dict[str, Any]]:
        """Return what a copy is made of."""
        return (int(self), self.words), {"alphabetical": self.alphabetical, "place": self.place}


def number(text: Any, path: Path) -> int | float:  # noqa: ANN401 - a cell of somebody's table
    """Return one label as int where it is a whole number as written, else as float.

    Raises:
        DataError: It is no finite number, or a list of several labels.
    """
    value = _single(text, str(path))
    found = _number(value, str(path))
    if found is None:
        raise DataError(f"{path}: label {shown(value)} is not a number")
    return found


def targets(cells: Sequence[Any], where: Where, classes: Sequence[object] | None) -> list[int | float]:
    """Return a column of labels as targets: whole numbers as int, other numbers as float, words as `Label`.

    Args:
        cells: The column.
        where: Names the place of a cell, for messages.
        classes: What the labels are, in the order of classes; None to take words in the order of `sorted`.

    Raises:
        DataError: A label is missing, a list, no finite number, written in another notation, or none of `classes`;
            words and numbers are mixed, or words differ in case only.
    """
    values = [_single(cell, where(i)) for i, cell in enumerate(cells)]
    if classes is not None:
        return _given(values, where, classes)
    numbers = [_number(value, where(i)) for i, value in enumerate(values)]
    _check_mixed(values, numbers, where)
    found = [value for value in numbers if value is not None]
    if found:
        whole = all(value == int(value) and abs(value) <= EXACT for value in found if isinstance(value, float))
        return [int(value) for value in found] if whole else [float(value) for value in found]
    words = [_word(value) for value in values]
    order = BOOLEANS if set(words) <= set(BOOLEANS) else _alphabetical(words, where)
    return _numbered([order.index(word) for word in words], order, where, alphabetical=True)


def _numbered(numbers: Sequence[int], order: tuple[str, ...], where: Where, *, alphabetical: bool) -> list[int | float]:
    made: dict[int, Label] = {}
    for i, found in enumerate(numbers):
        if found not in made:
            made[found] = Label(found, order, alphabetical=alphabetical, place=where(i))
    return [made[found] for found in numbers]


def _single(cell: Any, where: str) -> Any:  # noqa: ANN401 - a cell
    found = as_list(cell)
    if found is None and isinstance(cell, str) and cell.strip()[:1] == "[" and cell.strip()[-1:] == "]":
        found = cell.strip()[1:-1].split()
    if found is None:
        return cell.strip() if isinstance(cell, str) else cell
    if len(found) != 1:
        raise DataError(
            f"{where}: a row has one label, but {len(found)} stand there, {shown(cell)};"
            " make a column, and a task, of each"
        )
    return found[0]


def _missing(value: Any) -> bool:  # noqa: ANN401 - a cell
    unbounded = isinstance(value, float | Decimal) and not math.isfinite(value)
    nothing = isinstance(value, str) and (value in NOTHING or UNBOUNDED.fullmatch(value) is not None)
    return value is None or value is MISSING or unbounded or nothing


def _number(value: Any, where: str) -> int | float | None:  # noqa: ANN401 - a cell
    """Return a number, None for a word; what is neither is refused."""
    if _missing(value):
        raise DataError(
            f"{where}: a label was expected, but {shown(value)} stands there; leave such rows out"
            + (", or name it in classes= if it is a class" if isinstance(value, str) and value else "")
        )
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        return float(value) if isinstance(value, Decimal) else value
    if not isinstance(value, str):
        raise DataError(f"{where}: a label is a number or a word, but {shown(value)} stands there")
    if NUMBER.fullmatch(value):
        found = int(value) if value.lstrip("+-").isdigit() else float(value)
        if not math.isfinite(found):
            raise DataError(f"{where}: label {value!r} is larger than any float")
        return found
    if FOREIGN.fullmatch(value):
        raise DataError(
            f"{where}: {value!r} is no number as programs write it (1234.5); write it so, or name it in classes= if"
            " it is a class"
        )
    return None


def _check_mixed(values: Sequence[Any], numbers: Sequence[int | float | None], where: Where) -> None:
    words = [i for i, found in enumerate(numbers) if found is None]
    if not words or len(words) == len(numbers):
        return
    if 2 * len(words) <= len(numbers):
        raise DataError(
            f"{where(words[0])}: label {shown(values[words[0]])} is not a number, as others are;"
            " if labels are classes, name them in their order with classes="
        )
    first = next(i for i, found in enumerate(numbers) if found is not None)
    raise DataError(
        f"{where(first)}: label {shown(values[first])} is a number, but others are words;"
        " if labels are classes, name them in their order with classes="
    )


def _word(value: object) -> str:
    """Return a word; booleans in one spelling, whatever program wrote them."""
    text = str(value).strip()
    return text.title() if text.casefold() in {"true", "false"} else text


def _alphabetical(words: Sequence[str], where: Where) -> tuple[str, ...]:
    alike: dict[str, int] = {}
    for i, word in enumerate(words):
        first = alike.setdefault(" ".join(word.casefold().split()), i)
        if words[first] != word:
            raise DataError(
                f"{where(i)}: label {word!r} differs from {words[first]!r} ({where(first).rsplit('/')[-1]}) in case or"
                " blanks only; write both alike, or name the classes with classes="
            )
    return tuple(sorted(set(words)))


def _given(values: Sequence[Any], where: Where, classes: Sequence[object]) -> list[int | float]:
    names = [_key(name) for name in classes]
    if isinstance(classes, str) or len(set(names)) < len(names):
        raise DataError(f"classes= names each class once, but {classes!r} was given")
    order = tuple(_word(name) for name in classes)
    places = {name: place for place, name in enumerate(names)}
    found: list[int] = []
    for i, value in enumerate(values):
        place = places.get(_key(value)) if isinstance(value, str | int | float | Decimal) else None
        if place is None:
            near = did_you_mean(str(value), order, f"classes are {', '.join(map(repr, order))}")
            raise DataError(f"{where(i)}: label {shown(value)} is no class{near}")
        found.append(place)
    return [*found] if names == list(range(len(names))) else _numbered(found, order, where, alphabetical=False)


def _key(value: object) -> object:
    """Return what makes two labels one: 1, '1' and 1.0 are, and True and 'true'."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return float(value)
    return _word(value)
