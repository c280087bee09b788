"""The conformance kit for corpora."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from discbench.data import loading
from discbench.testing.promises import as_promised, promise
from discbench.values.recipes import PretrainRecipe
from discbench.values.types import Corpus

LINES = 20_000
"""Lines of a corpus that are looked at."""


def check_corpus(corpus: Corpus) -> None:
    """Check every promise that a pre-training corpus makes, on its first 20,000 lines.

    Raises:
        AssertionError: The first promise that is broken, in words.
    """
    learnt, again, kept = (_read(corpus, part) for part in ("lines", "lines", "held_out"))
    for name, lines in (("lines", learnt), ("held_out", kept)):
        words = sum(len(line.split()) for line in lines)
        promise(corpus.name, f"{name}() has words", words > 0, "there are none")
    promise(corpus.name, "lines() is the same each time", learnt == again, _first_difference(learnt, again))
    paragraphs = [line for line in learnt if line.strip()]
    most = Counter(paragraphs).most_common(1)[0]
    promise(corpus.name, "paragraphs differ", most[1] <= max(1, len(paragraphs) // 2), f"{most[0]!r:.60} is most of it")
    shared = set(paragraphs) & {line for line in kept if line.strip()}
    promise(corpus.name, "no held-out paragraph is learnt", not shared, f"{min(shared, default='')!r:.60} is")
    with as_promised(corpus.name):
        known = set(loading.vocabulary(corpus))
        loading.floor(corpus, PretrainRecipe())
    others = {word for line in (*learnt, *kept) for word in line.split()} - known if known else set()
    promise(
        corpus.name, "every word of a line is in vocabulary()", not others, f"{min(others, default='')!r:.60} is not"
    )


def _read(corpus: Corpus, part: str) -> list[str]:
    with as_promised(corpus.name):
        return list(islice(loading.lines(corpus, part), LINES))


def _first_difference(first: Sequence[str], second: Sequence[str]) -> str:
    for number, (one, other) in enumerate(zip(first, second, strict=False), 1):
        if one != other:
            return f"line {number} was {one!r:.40} and then {other!r:.40}"
    return f"it had {len(first)} lines and then {len(second)}"
