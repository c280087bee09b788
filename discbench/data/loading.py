"""A task's `load()` and a corpus's lines, called and checked: foreign code that may raise or print."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from discbench.data.classes import check_words
from discbench.data.identity import GIVEN, SPLITS, identified
from discbench.errors import DataError, DiscbenchError, PluginError
from discbench.values.mapping import TextTable
from discbench.values.recipes import PretrainRecipe
from discbench.values.types import Corpus, Row, Splits, Task
from discbench.words.foreign import apart, plain, quoted, raised
from discbench.words.forms import Text, fault

WHOLE = re.compile(r"[a-z0-9]+")
"""What a tokenizer leaves whole."""
PARTIAL = Text(2000, least=0)
END = object()
MOST = 1 << 62
"""Row numbers are below it."""


def read(task: Task) -> tuple[Splits, str]:
    """Return a task's rows in their canonical order, and their SHA-256; what its reader prints goes to stderr.

    Raises:
        DataError: A file is missing or broken, or the rows are not of the task's form.
        PluginError: The reader failed, or returned anything but splits of rows.
    """
    return identified(checked(task, _called(f"{task.name}: its load()", task.dataset.load)))


def lines(corpus: Corpus, part: str) -> Iterator[str]:
    """Yield the lines of a corpus; what it prints goes to stderr.

    Args:
        corpus: What to read.
        part: `lines` or `held_out`.

    Raises:
        PluginError: It failed, or gave anything but texts of one line.
    """
    whose = f"{corpus.name}: {part}()"
    found = _called(whose, lambda: iter(getattr(corpus, part)()))
    while (line := _called(whose, lambda: next(found, END))) is not END:
        if not isinstance(line, str):
            raise PluginError(f"{whose} yields text, but it yields {quoted(line)}")
        if "\n" in line or "\r" in line:
            raise PluginError(f"{corpus.name}: a line of {part}() ends without a newline, but {line!r:.60} does not")
        yield line


def vocabulary(corpus: Corpus) -> tuple[str, ...]:
    """Return all words of an artificial language, none of a natural one.

    Raises:
        PluginError: It failed, gave a word twice, or one that cannot be one token.
    """
    function = corpus.vocabulary
    if function is None:
        return ()
    words: tuple[str, ...] = _called(f"{corpus.name}: vocabulary()", lambda: tuple(function()))
    for word, count in Counter(words).items():
        if not isinstance(word, str) or not WHOLE.fullmatch(word):
            raise PluginError(f"{corpus.name}: a word is lower-case letters and digits, but {quoted(word)} is not")
        if count > 1:
            raise PluginError(
                f"{corpus.name}: a word stands in vocabulary() once, but {word!r} stands there {count} times"
            )
    return words


def floor(corpus: Corpus, recipe: PretrainRecipe) -> float | None:
    """Return the held-out loss in nats that no model can be below, as the corpus knows it; None if it knows none.

    Raises:
        PluginError: It failed, or gave anything but a finite number from 0.
    """
    function = corpus.floor
    if function is None:
        return None
    found = plain(_called(f"{corpus.name}: floor()", lambda: function(recipe)))
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < math.inf:
        raise PluginError(f"{corpus.name}: floor() is a number of nats from 0, but it is {quoted(found)}")
    return float(found)


def _called(whose: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what a plugin gives
    try:
        with apart():
            return call()
    except DiscbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{whose} failed: {raised(error)}") from error


def checked(task: Task, found: Any) -> Splits:  # noqa: ANN401 - what a reader returned
    """Return what a reader returned if it is rows in three splits.

    Raises:
        DataError: A split is empty, some rows have a group, a second text or a number and others have none, segments of
            one item differ in their label, two rows have one number, or a class has one name in one table and another
            in the next.
        PluginError: It is something else, or the task names its classes otherwise than their words.
    """
    if not isinstance(found, Splits):
        raise PluginError(f"{task.name}: load() returns Splits, but {_kind(found)} was found; see discbench.data.split")
    if unfit := fault(PARTIAL, found.partial, "Splits(partial)"):
        raise PluginError(f"{task.name}: {unfit}")
    _check_rows(task, found)
    counts = {name: len(getattr(found, name)) for name in SPLITS}
    if empty := [name for name, count in counts.items() if not count]:
        raise DataError(f"{task.name}: no split is empty, but {empty} are, of {sum(counts.values())} rows in all")
    for name, part in product(SPLITS, GIVEN):
        if len({getattr(row, part) is not None for row in getattr(found, name)}) > 1:
            raise DataError(f"{task.name}: all rows of {name} have a {part} or none has, but some have none")
    for name in SPLITS:
        _check_labels(task, getattr(found, name))
        _check_numbers(task, name, getattr(found, name))
    check_words(task, found)
    return found


def _check_rows(task: Task, found: Splits) -> None:
    for name in SPLITS:
        rows = getattr(found, name)
        if not isinstance(rows, Sequence):
            raise PluginError(f"{task.name}: {name} rows are a list, but {_kind(rows)} was found")
        for number, row in enumerate(rows):
            for wrong in _faults(task, row):
                raise PluginError(f"{task.name}: {wrong} was found in row {number} of {name}")


def _check_labels(task: Task, rows: Sequence[Row]) -> None:
    labels: dict[str | None, int | float] = {}
    for row in rows:
        if row.group is not None and labels.setdefault(row.group, row.target) != row.target:
            raise DataError(f"{task.name}: segments of one item share a label, but those of {row.group!r} do not")


def _check_numbers(task: Task, name: str, rows: Sequence[Row]) -> None:
    for number, count in Counter(row.number for row in rows if row.number is not None).items():
        if count > 1:
            raise DataError(
                f"{task.name}: a row's number is its place in its publisher's order, but {count} rows of {name} have"
                f" number {number}"
            )


def _faults(task: Task, row: Any) -> Iterator[str]:  # noqa: ANN401 - what a reader calls a row
    """Yield what is wrong with a row's types: what was expected, then what there is."""
    if not isinstance(row, Row):
        yield f"a Row was expected, but {_kind(row)}"
        return
    target: Any = row.target
    if not isinstance(target, int | float):
        yield f"a target is a number, but {target!r:.40}"
    number: Any = row.number
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < MOST):
        yield f"a row's number is a whole number from 0, but {number!r:.40}"
    family: Any = row.family
    if family is not None and (not isinstance(family, str) or not family):
        yield f"a family is a name or None, but {family!r:.40}"
    if isinstance(task.mapping, TextTable):
        for text in (row.symbols, "" if row.pair is None else row.pair):
            if not isinstance(text, str):
                yield f"the symbols of a text task are a text, but {text!r:.40}"
        return
    if row.pair is not None:
        yield f"only text tasks (TextTable) have a second text, but pair={row.pair!r:.40}"
    yield from _strange_symbols(row.symbols)


def _strange_symbols(symbols: Any) -> Iterator[str]:  # noqa: ANN401 - what a reader gives
    if isinstance(symbols, str):
        return
    if isinstance(symbols, bytes) or not isinstance(symbols, Sequence):
        yield f"symbols are a string or a list of strings or integers, but {symbols!r:.40}"
        return
    for symbol in symbols:
        if isinstance(symbol, bool) or not isinstance(symbol, str | int):
            yield f"a symbol is a string or an integer, but {symbol!r:.40}"


def _kind(found: object) -> str:
    return "None" if found is None else f"a {type(found).__name__}"
