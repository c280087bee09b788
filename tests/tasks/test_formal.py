"""The embedded tasks do what they say, and give nothing away to a bag of symbols."""

from collections import Counter
from itertools import pairwise

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from discbench.tasks import formal
from discbench.testing import check_task

TASKS = {task.name.split(".")[1]: task for task in formal.discbench_tasks()}
PAIRS = {"(": ")", "[": "]"}


def all_rows(name):
    splits = TASKS[name].dataset.load()
    return [*splits.train, *splits.validation, *splits.test]


def depths(symbols):
    """The stack's height after each symbol, or None if the word is not well nested."""
    stack, heights = [], []
    for symbol in symbols:
        if symbol in PAIRS:
            stack.append(PAIRS[symbol])
        elif not stack or stack.pop() != symbol:
            return None
        heights.append(len(stack))
    return heights if not stack else None


RULES = {
    "brackets": lambda w: int(depths(w) is not None),
    "depth": lambda w: float(max(depths(w))),
    "factor": lambda w: int("cab" in w),
    "palindrome": lambda w: int(w == w[::-1]),
    "shift": lambda w: ("abcdefgh".index(w[6]) - "abcdefgh".index(w[0])) % 8 // 2,
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_it_keeps_the_contract(task):
    check_task(task)


@pytest.mark.parametrize("name", RULES)
def test_every_label_follows_the_rule(name):
    assert [] == [row for row in all_rows(name) if RULES[name](row.symbols) != row.target]


def test_every_half_is_shifted_as_a_whole():
    letters = "abcdefgh"
    moved = {
        (r.target, (letters.index(b) - letters.index(a)) % 8)
        for r in all_rows("shift")
        for a, b in zip(r.symbols[:6], r.symbols[6:], strict=True)
    }

    assert {(k, 2 * k) for k in range(4)} == moved


@pytest.mark.parametrize("name", TASKS)
def test_no_word_occurs_twice_in_any_split(name):
    words = [row.symbols for row in all_rows(name)]

    assert len(words) == len(set(words))


@pytest.mark.parametrize("name", [n for n in TASKS if n != "depth"])
def test_classes_are_balanced_in_every_split(name):
    splits = TASKS[name].dataset.load()

    for part in (splits.train, splits.validation, splits.test):
        assert set(Counter(row.target for row in part).values()) == {len(part) // TASKS[name].target.n}


def test_words_of_both_bracket_classes_hold_the_same_neighbours():
    illegal = [r for r in all_rows("brackets") if {"(]", "[)"} & {a + b for a, b in pairwise(r.symbols)}]

    assert [] == illegal


@pytest.mark.parametrize("name", ["brackets", "factor", "markov", "palindrome", "shift"])
def test_a_bag_of_symbols_stays_near_chance(name):
    splits, task = TASKS[name].dataset.load(), TASKS[name]
    count = CountVectorizer(analyzer="char", lowercase=False)
    model = LogisticRegression(max_iter=2000)
    model.fit(count.fit_transform([r.symbols for r in splits.train]), [r.target for r in splits.train])

    score = model.score(count.transform([r.symbols for r in splits.test]), [r.target for r in splits.test])
    assert task.chance - 0.10 < score < task.chance + 0.10


def test_the_ceiling_of_markov_is_the_score_of_bayes_answer():
    splits = TASKS["markov"].dataset.load()
    right = sum(formal.likelier_source(r.symbols) == r.target for r in splits.test)

    assert round(right / len(splits.test), 3) == TASKS["markov"].ceiling
