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
    """Does the word hold `cab`? 16 letters over abcd; in class 0 a permutation of those letters is put in."""
    inserted = "cab" if wanted else pick(rng, ("abc", "acb", "bac", "bca", "cba"))
    place = int(rng.random() * 14)
    letters = word(rng, "abcd", 13)
    symbols = letters[:place] + inserted + letters[place:]
    return symbols, int("cab" in symbols)


def shift(rng, wanted):
    """By how much (0..3) is the second half shifted? u over abcdefgh, then each letter of u moved on by 2 * wanted."""
    letters = "abcdefgh"
    half = word(rng, letters, 8)
    moved = "".join(letters[(letters.index(x) + 2 * wanted) % 8] for x in half)
    return half + moved, wanted


def palindrome(rng, wanted):
    """Is the word its own mirror? 16 letters over abcd; in class 0 two unlike letters of one half are swapped."""
    half = list(word(rng, "abcd", 8))
    mirror = half[::-1]
    if not wanted:
        pairs = [(i, j) for i in range(8) for j in range(i) if mirror[i] != mirror[j]]
        if not pairs:
            return "", -1
        i, j = pick(rng, pairs)
        mirror[i], mirror[j] = mirror[j], mirror[i]
    return "".join(half + mirror), wanted


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
    """Is the word well nested? 9 pairs of two kinds; in class 0 two closers of unlike kind are swapped.

    Only closers that follow another closer are swapped, and words of both classes have such a pair, so that no
    neighbours `(]` or `[)` give the answer away.
    """
    symbols = nested(rng, 9, ("()", "[]"))
    late = [i for i in range(1, 18) if symbols[i] in ")]" and symbols[i - 1] in ")]"]
    round_, square = ([i for i in late if symbols[i] == closer] for closer in ")]")
    if not round_ or not square:
        return "", -1
    i, j = pick(rng, round_), pick(rng, square)
    if not wanted:
        symbols[i], symbols[j] = symbols[j], symbols[i]
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
    """Which of two Markov sources wrote the word? 16 letters; one prefers the next letter of abcd, one the last."""
    symbols = pick(rng, "abcd")
    while len(symbols) < 16:
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
            about="is the word well nested? (bag .46, bigrams .52)",
            sha256="e45d4aab8deacccb2e95009b0b8cc58f662ce7ef57151e3a38d885d7a10f76c5",
        ),
        formal(
            "depth",
            depth,
            "()",
            ceiling=1.0,
            about="greatest depth of a nested word (bag 0, bigrams .75)",
            sha256="85d58fdbfeba9acdd195d6d66747ff66ebf9723575ab649e91e5e81395c0a0c7",
        ),
        formal(
            "factor",
            factor,
            "abcd",
            classes=2,
            ceiling=1.0,
            about="does the word hold `cab`? (bag .53, bigrams .77)",
            sha256="b19e29f4c5110915ef07cfaaed5b82e018d491f210c297e1e5caada52a38e36e",
        ),
        formal(
            "markov",
            markov,
            "abcd",
            classes=2,
            ceiling=0.967,
            about="which Markov source wrote the word? Bayes' answer is the ceiling (bag .50, bigrams .97)",
            sha256="383feb72379fd4a9ad0e1d03b54f873afa5033099b5f0c802b5f136ed087a46a",
        ),
        formal(
            "palindrome",
            palindrome,
            "abcd",
            classes=2,
            ceiling=1.0,
            about="is the word its own mirror? (bag .48, bigrams .51)",
            sha256="b9f60927d3f3b2fbeb61e0554e84b8f42e7bdae58cfc799debde7cd0a4e0dc4d",
        ),
        formal(
            "shift",
            shift,
            "abcdefgh",
            classes=4,
            ceiling=1.0,
            about="by how much is the second half shifted? (bag .33, bigrams .28)",
            sha256="ee009833bef112a69198dd08a2bdf18fe60863ae7e531e43a4af7727f00c2b47",
        ),
    ]
