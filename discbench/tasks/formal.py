"""Formal tasks: the embedded discipline. Words over small alphabets, made here by seeded rules; no download.

Every word is new (no row occurs twice, in any split), classes are balanced within one row, and the answer depends on
the order of symbols: a bag of symbols stays near chance, and the tests say what bigrams reach. Draws use only
`random.Random.random()`, whose stream is the same in every Python.
"""

from functools import partial
from itertools import pairwise
from math import log
from random import Random

from discbench import Classes, Dataset, RandomTable, Row, Scalar, Splits, Task, accuracy, hookimpl, spearman

SIZES = (1024, 256, 512)
GIVE_UP = 1_000_000


def pick(rng, options):
    """One of `options`, uniformly."""
    return options[int(rng.random() * len(options))]


def word(rng, letters, length):
    """A word of i.i.d. uniform letters."""
    return "".join(pick(rng, letters) for _ in range(length))


def rows_of(make, classes, seed):
    """Draw unseen words until each class has its share, then cut them into the three splits.

    `make(rng, wanted)` gives (word, target); a word of a class that is full, or seen before, is dropped.
    """
    rng, seen, rows = Random(seed), set(), []
    for _ in range(GIVE_UP):
        wanted = len(rows) % classes
        symbols, target = make(rng, wanted)
        if symbols not in seen and (classes == 1 or target == wanted):
            seen.add(symbols)
            rows.append(Row(symbols, target))
        if len(rows) == sum(SIZES):
            break
    a, b = SIZES[0], SIZES[0] + SIZES[1]
    return Splits(train=rows[:a], validation=rows[a:b], test=rows[b:])


def factor(rng, wanted):
    """Does the word hold `cab`? 12 letters over abcd; in class 0 a permutation of those letters is put in."""
    inserted = "cab" if wanted else pick(rng, ("abc", "acb", "bac", "bca", "cba"))
    place = int(rng.random() * 10)
    letters = word(rng, "abcd", 9)
    symbols = letters[:place] + inserted + letters[place:]
    return symbols, int("cab" in symbols)


def shift(rng, wanted):
    """By how much (0..3) is the second half shifted? u over abcdefgh, then each letter of u moved on by 2 * wanted."""
    letters = "abcdefgh"
    half = word(rng, letters, 6)
    moved = "".join(letters[(letters.index(x) + 2 * wanted) % 8] for x in half)
    return half + moved, wanted


def palindrome(rng, wanted):
    """Is the word its own mirror? 12 letters over abcd; in class 0 the mirror is shuffled in four places or more."""
    half = list(word(rng, "abcd", 6))
    mirror = half[::-1]
    if not wanted:
        mirror = shuffled(rng, mirror)
        if sum(a != b for a, b in zip(mirror, half[::-1], strict=True)) < 4:
            return "", -1
    return "".join(half + mirror), wanted


def shuffled(rng, letters):
    """The letters in a random order."""
    left, order = list(letters), []
    while left:
        order.append(left.pop(int(rng.random() * len(left))))
    return order


def nested(rng, pairs, kinds):
    """A random well-nested word and, for each place, the depth before it."""
    symbols, stack = [], []
    while len(symbols) < 2 * pairs:
        opened = (len(symbols) + len(stack)) // 2
        if not stack or (opened < pairs and rng.random() < 0.5):
            kind = pick(rng, kinds)
            stack.append(kind[1])
            symbols.append(kind[0])
        else:
            symbols.append(stack.pop())
    return symbols


def brackets(rng, wanted):
    """Is the word well nested? 8 pairs of two kinds; in class 0 closers are shuffled, four or more of them move.

    Only closers that follow another closer are shuffled, and words of both classes have two of each kind there, so
    that no neighbours `(]` or `[)` give the answer away.
    """
    symbols = nested(rng, 8, ("()", "[]"))
    late = [i for i in range(1, 16) if symbols[i] in ")]" and symbols[i - 1] in ")]"]
    closers = [symbols[i] for i in late]
    if min(closers.count(")"), closers.count("]")) < 2:
        return "", -1
    if not wanted:
        moved = shuffled(rng, closers)
        if sum(a != b for a, b in zip(moved, closers, strict=True)) < 4:
            return "", -1
        for i, closer in zip(late, moved, strict=True):
            symbols[i] = closer
    return "".join(symbols), wanted


def depth(rng, _wanted):
    """How deep does the nesting go? 9 pairs of one kind; the target is the greatest depth, 1..9."""
    symbols = nested(rng, 9, ("()",))
    level = deepest = 0
    for symbol in symbols:
        level += 1 if symbol == "(" else -1
        deepest = max(deepest, level)
    return "".join(symbols), float(deepest)


SOURCES = tuple(
    {(x, y): row[(j - i) % 4] for i, x in enumerate("abcd") for j, y in enumerate("abcd")}
    for row in ((0.25, 0.40, 0.25, 0.10), (0.25, 0.10, 0.25, 0.40))
)


def markov(rng, wanted):
    """Which of two Markov sources wrote the word? 14 letters; one prefers the next letter of abcd, one the last."""
    symbols = pick(rng, "abcd")
    while len(symbols) < 14:
        left = rng.random()
        for y in "abcd":
            left -= SOURCES[wanted][symbols[-1], y]
            if left < 0:
                break
        symbols += y
    return symbols, wanted


def likelier_source(symbols):
    """The Bayes answer to `formal.markov`; ties go to source 0."""
    ratio = sum(log(SOURCES[1][pair] / SOURCES[0][pair]) for pair in pairwise(symbols))
    return int(ratio > 0)


def load(make, classes):
    """Generate a task's rows; seed 1 and `SIZES` are part of its version."""
    return rows_of(make, classes, seed=1)


def formal(name, make, alphabet, *, sha256, about, ceiling, classes=0):
    """One formal task: a classification into `classes`, or a regression."""
    return Task(
        name=f"formal.{name}",
        version=1,
        dataset=Dataset(
            partial(load, make, classes or 1),
            license="Apache-2.0",
            cite="generated by discbench.tasks.formal",
            sizes=SIZES,
            rows_sha256=sha256,
        ),
        mapping=RandomTable(alphabet),
        target=Classes(classes) if classes else Scalar(),
        metric=accuracy if classes else spearman,
        max_symbols=18,
        chance=1 / classes if classes else 0.0,
        ceiling=ceiling,
        about=about,
    )


@hookimpl
def discbench_tasks():
    """Six tasks of graded difficulty; in brackets what a bag of symbols and a linear model of bigrams score."""
    return [
        formal(
            "brackets",
            brackets,
            "()[]",
            classes=2,
            ceiling=1.0,
            about="is the word well nested? (bag .53, bigrams .62)",
            sha256="906ad14cc9ce5a498ccb939cc29247ebdd2364a696f9fa8b2ae801c6dc9134b4",
        ),
        formal(
            "depth",
            depth,
            "()",
            ceiling=1.0,
            about="greatest depth of a nested word (bag 0, bigrams .75)",
            sha256="44844627d852d3080576eabc6bab19a5c1507a3b5f066b73ea02b72d0eb96289",
        ),
        formal(
            "factor",
            factor,
            "abcd",
            classes=2,
            ceiling=1.0,
            about="does the word hold `cab`? (bag .51, bigrams .80)",
            sha256="be1262eceb19b35aa21134dff0bfbf8c6df622555ea3991b6c80771ab46bf173",
        ),
        formal(
            "markov",
            markov,
            "abcd",
            classes=2,
            ceiling=0.955,
            about="which Markov source wrote the word? Bayes' answer is the ceiling (bag .47, bigrams .95)",
            sha256="3c361e5af35d36345fa99e9de12b3f30eabdde7036f2711abea33fcdfb2a7f2a",
        ),
        formal(
            "palindrome",
            palindrome,
            "abcd",
            classes=2,
            ceiling=1.0,
            about="is the word its own mirror? (bag .48, bigrams .58)",
            sha256="0c64bec989afdac72e4f0c6ab1e514e9335925bab06000d0e80eb1c4bd4766be",
        ),
        formal(
            "shift",
            shift,
            "abcdefgh",
            classes=4,
            ceiling=1.0,
            about="by how much is the second half shifted? (bag .34, bigrams .28)",
            sha256="349d4dcc8f59179bc10c5b83c2c59aa2a07d2a3998cd2bacbe00b44330872f70",
        ),
    ]
