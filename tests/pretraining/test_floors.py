"""No model can be below the floor of a language; what the floor is made of agrees with counting."""

import math
from itertools import islice

import numpy as np
import pytest

from discbench.plugins import registry
from discbench.pretraining import artificial, floors
from discbench.values.recipes import PretrainRecipe

CORPORA = registry.corpora(registry.plugins())


def test_the_floor_of_single_tokens_is_that_of_all_that_can_be_shown_counted_one_by_one():
    shares = np.array([0.6, 0.3, 0.1])
    shown = {(token, seen): 0.5 * shares[token] * ((token == seen) + 1 / 3) for token in range(3) for seen in range(3)}
    seen = {s: sum(shown[token, s] for token in range(3)) for s in range(3)}
    told = -sum(chance * math.log(chance / seen[s]) for (_, s), chance in shown.items())
    hidden = -sum(share * math.log(share) for share in shares)

    assert floors.by_itself(shares) == pytest.approx(0.8 * hidden + 0.2 * told)


def test_hidden_tokens_alone_have_the_entropy():
    assert floors.entropy(np.full(29_995, 1 / 29_995)) == pytest.approx(math.log(29_995))


@pytest.mark.parametrize(
    "corpus, floor", [("uniform", 9.4165), ("unigram", 6.2453), ("flat", 3.7003), ("nesting", 1.4847)]
)
def test_the_floors_of_the_four_languages(corpus, floor):
    assert CORPORA[corpus].floor(PretrainRecipe()) == pytest.approx(floor, abs=1e-4)


def test_a_long_stretch_shows_more_partners():
    longer = PretrainRecipe(long_every=1)

    assert CORPORA["flat"].floor(longer) < CORPORA["flat"].floor(PretrainRecipe())


def pairs(corpus):
    """Yield a stream of (which pair, whether it is a token); drawn with words that no two pairs share."""
    number = iter(range(10**9))
    make = artificial.LANGUAGES[corpus][1]
    from random import Random

    for line in islice(make(Random(1).random, lambda: next(number)), 600):
        yield from line
        if corpus == "flat":
            yield -1


@pytest.mark.parametrize("corpus", ["flat", "nesting"])
@pytest.mark.parametrize("stretch", [62, 510])
def test_partners_are_as_near_as_counted(corpus, stretch):
    stream = np.array(list(pairs(corpus)))
    near = tokens = 0
    for start in range(0, len(stream) - stretch, 17):
        own = stream[start : start + stretch]
        _, times = np.unique(own[own >= 0], return_counts=True)
        near, tokens = near + 2 * (times == 2).sum(), tokens + times.sum()
    lengths = range(100, 124, 2)
    reckoned = floors.anywhere_in_line(lengths, stretch) if corpus == "flat" else floors.nested(0.4, stretch)

    assert reckoned == pytest.approx(near / tokens, abs=0.006)
