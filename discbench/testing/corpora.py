"""The conformance kit for corpora."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from discbench.testing.promises import promise
from discbench.types import Corpus

LINES = 20_000
"""Lines of a corpus that are looked at."""


def check_corpus(corpus: Corpus) -> None:
    """Check every promise that a pre-training corpus makes, on its first 20,000 lines.

    Raises:
        AssertionError: The first promise that is broken, in words.
    """
    learnt, again, kept = (list(islice(lines(), LINES)) for lines in (corpus.lines, corpus.lines, corpus.held_out))
    for name, lines in (("lines", learnt), ("held_out", kept)):
        strange = next((line for line in lines if not isinstance(line, str)), "")
        promise(corpus.name, f"{name}() yields text", isinstance(strange, str), f"it yields {strange!r}")
        broken = next((line for line in lines if "\n" in line or "\r" in line), None)
        promise(corpus.name, f"a line of {name}() ends without a newline", broken is None, f"{broken!r:.60} does not")
        words = sum(len(line.split()) for line in lines)
        promise(corpus.name, f"{name}() has words", words > 0, "there are none")
    promise(corpus.name, "lines() is the same each time", learnt == again, _first_difference(learnt, again))
    paragraphs = [line for line in learnt if line.strip()]
    most = Counter(paragraphs).most_common(1)[0]
    promise(corpus.name, "paragraphs differ", most[1] <= max(1, len(paragraphs) // 2), f"{most[0]!r:.60} is most of it")
    shared = set(paragraphs) & {line for line in kept if line.strip()}
    promise(corpus.name, "no held-out paragraph is learnt", not shared, f"{min(shared, default='')!r:.60} is")
    if corpus.vocabulary is not None:
        _check_vocabulary(corpus.name, list(corpus.vocabulary()), (*learnt, *kept))


def _check_vocabulary(name: str, words: Sequence[str], lines: Sequence[str]) -> None:
    """Every word stands once, can be one token, and no line has others."""
    twice = [word for word, count in Counter(words).items() if count > 1]
    promise(name, "a word stands in vocabulary() once", not twice, f"{twice[:1]} stand there more than once")
    strange = [word for word in words if not re.fullmatch(r"[a-z0-9]+", word)]
    promise(name, "a word is lower-case letters and digits", not strange, f"{strange[:1]} are not")
    others = {word for line in lines for word in line.split()} - set(words)
    promise(name, "every word of a line is in vocabulary()", not others, f"{min(others, default='')!r:.60} is not")


def _first_difference(first: Sequence[str], second: Sequence[str]) -> str:
    for number, (one, other) in enumerate(zip(first, second, strict=False), 1):
        if one != other:
            return f"line {number} was {one!r:.40} and then {other!r:.40}"
    return f"it had {len(first)} lines and then {len(second)}"
