"""Artificial languages, for checkpoints that have seen structure but no words (Kao & Lee 2021, Table 2).

Tokens are the integers 0 to 29994, each a word. The languages are those of the checkpoints that the paper took over:

- `uniform`: every token is drawn by itself, all alike.
- `unigram`: likewise, as often as the words of English.
- `flat`: every token of a line comes twice, at any two places.
- `nesting`: every token comes twice, the second closing what the first opened, the last opened first.

The authors drew 930,000 lines of the first three and 230,000 of the last; here there are as many as a small model can
learn from in an hour.
"""

from bisect import bisect
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.resources import files
from itertools import islice
from random import Random

import numpy as np

from discbench.plugins.hookspecs import hookimpl
from discbench.pretraining import floors
from discbench.values.recipes import PretrainRecipe
from discbench.values.types import Corpus

KINDS = 29_995
LINES, HELD_OUT = 100_000, 2_000
OPENS = 0.4
"""Probability that a nested token opens; at one half the depth would grow without bound."""

Draw = Callable[[], float]
"""Numbers from 0 (included) to 1 (not), the only source of randomness: `Random.random`, which keeps its sequence."""
Word = Callable[[], int]


@cache
def english() -> tuple[int, ...]:
    """Return how often English uses its 29,995 most frequent words, running totals: 9,990,190 in all.

    Counted by `benchmarks/unigram.py` on English Wikipedia text, lower case, punctuation marks as words.
    """
    counts = np.load(str(files("discbench") / "pretraining" / "english_unigram.npy"))
    return tuple(int(total) for total in np.cumsum(counts, dtype=np.int64))


def even(draw: Draw) -> int:
    """Draw a token, all alike."""
    return int(draw() * KINDS)


def as_english(draw: Draw) -> int:
    """Draw a token; 0 is as frequent as the most frequent word of English, 1 as the next."""
    totals = english()
    return bisect(totals, draw() * totals[-1])


def single(draw: Draw, word: Word) -> Iterator[list[int]]:
    """Yield lines of 100 to 119 tokens drawn one by one."""
    while True:
        yield [word() for _ in range(100 + int(20 * draw()))]


def flat(draw: Draw, word: Word) -> Iterator[list[int]]:
    """Yield lines of 50 to 61 tokens, each twice, at any places."""
    while True:
        line = [word() for _ in range(50 + int(12 * draw()))] * 2
        yield [token for _, token in sorted((draw(), token) for token in line)]


def nesting(draw: Draw, word: Word, opens: float = OPENS) -> Iterator[list[int]]:
    """Yield lines of 80 to 124 tokens, cut out of one stream whose pairs are nested."""
    opened: list[int] = []
    while True:
        line = []
        for _ in range(80 + int(45 * draw())):
            if not opened or draw() < opens:
                opened.append(word())
                line.append(opened[-1])
            else:
                line.append(opened.pop())
        yield line


LANGUAGES = {
    "uniform": (even, single, "every word drawn by itself, all alike"),
    "unigram": (as_english, single, "every word drawn by itself, as often as those of English"),
    "flat": (as_english, flat, "pairs of words at any two places"),
    "nesting": (as_english, nesting, "pairs of words, nested like brackets"),
}
"""Name -> how a token is drawn, how a line is made of tokens, what it is in words."""


def floor(name: str, recipe: PretrainRecipe) -> float:
    """Return the held-out loss in nats that no model of a language can be below: see `floors`."""
    kind, make, _ = LANGUAGES[name]
    shares = np.full(KINDS, 1 / KINDS) if kind is even else np.diff(english(), prepend=0) / english()[-1]
    if make is single:
        return floors.by_itself(shares)
    near = {
        length: floors.nested(OPENS, length) if make is nesting else floors.anywhere_in_line(range(100, 124, 2), length)
        for length in floors.stretches(recipe)
    }
    return floors.in_pairs(shares, near, recipe)


def text(name: str, part: str, lines: int) -> Iterator[str]:
    """Yield lines of a language; a blank line parts those that have nothing to do with each other."""
    kind, make, _ = LANGUAGES[name]
    draw = Random(f"{name} {part}").random  # noqa: S311 - data
    for line in islice(make(draw, partial(kind, draw)), lines):
        yield " ".join(map(str, line))
        if make is not nesting:
            yield ""


@hookimpl
def discbench_corpora() -> list[Corpus]:
    """Offer the four languages."""
    return [
        Corpus(
            name=name,
            version=1,
            lines=partial(text, name, "learnt", LINES),
            held_out=partial(text, name, "held out", HELD_OUT),
            vocabulary=partial(map, str, range(KINDS)),
            floor=partial(floor, name),
            license="CC0-1.0 (made by this program)",
            cite="arXiv:2103.07162, Table 2; arXiv:2012.11995",
            about=about,
        )
        for name, (_, _, about) in LANGUAGES.items()
    ]
