"""Corpora that are made on the spot: artificial languages, for checkpoints that have seen structure but no words.

Papadimitriou & Jurafsky 2020 (EMNLP), §3.3, pre-train on such languages: what transfers is the structure alone.
"""

import random
from collections.abc import Iterator
from functools import partial

from discbench.hookspecs import hookimpl
from discbench.types import Corpus

KINDS, DOCUMENTS, HELD_OUT = 250, 20_000, 1_000
PAIRS = 30
"""Pairs of one line."""


def nested(draw: random.Random) -> list[int]:
    """Return a line in which every number comes twice, nested like brackets."""
    line: list[int] = []
    opened: list[int] = []
    while len(line) + len(opened) < 2 * PAIRS:
        if opened and draw.random() < 0.5:  # noqa: PLR2004 - a fair coin
            line.append(opened.pop())
        else:
            opened.append(draw.randrange(KINDS))
            line.append(opened[-1])
    return line + opened[::-1]


def flat(draw: random.Random) -> list[int]:
    """Return a line in which every number comes twice, at any two places: brackets that may cross."""
    line = [draw.randrange(KINDS) for _ in range(PAIRS)] * 2
    draw.shuffle(line)
    return line


def text(kind: str, seed: int, documents: int) -> Iterator[str]:
    """Yield the lines of documents of four each, words `w0` to `w249`."""
    draw, make = random.Random(f"{kind} {seed}"), {"nested": nested, "flat": flat}[kind]  # noqa: S311 - data
    for _ in range(documents):
        for _ in range(4):
            yield " ".join(f"w{number}" for number in make(draw))
        yield ""


@hookimpl
def discbench_corpora() -> list[Corpus]:
    """Offer both languages."""
    about = {
        "nested": "pairs of words, nested like brackets",
        "flat": "pairs of words at any two places, the control of nested",
    }
    return [
        Corpus(
            name=kind,
            version=1,
            lines=partial(text, kind, 0, DOCUMENTS),
            held_out=partial(text, kind, 1, HELD_OUT),
            license="CC0-1.0 (made by this program)",
            cite="10.18653/v1/2020.emnlp-main.554",
            about=words,
        )
        for kind, words in about.items()
    ]
