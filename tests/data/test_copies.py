"""Near copies: what is counted is what a comparison of all pairs of rows finds."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discbench import Classes, Dataset, Form, RandomTable, Row, Scalar, Splits, Task, TextTable, accuracy, spearman
from discbench.data import card, rowcache
from discbench.data.relatives.copies import count, plain
from discbench.data.rows import SPLITS, encode
from discbench.errors import PluginError
from discbench.plugins import registry
from discbench.words.copies import leak, told

TASKS = registry.tasks(registry.plugins())
LABELLED = st.lists(st.tuples(st.text("AC", min_size=1, max_size=9), st.integers(0, 2)), min_size=1, max_size=8)


def task(splits, target=None, mapping=None, **fields):
    target = target or Classes(3)
    return Task(
        name="toy.task", version=1, dataset=Dataset(lambda: splits, license="CC0-1.0", cite="", **fields),
        mapping=mapping or RandomTable("ACGT"), target=target, metric=accuracy if isinstance(target, Classes) else spearman,
    )  # fmt: skip


def counted(of):
    splits = of.dataset.load()
    return count(of, splits, {name: encode(of, getattr(splits, name)) for name in SPLITS})


def rows(*pairs):
    return [Row(symbols, target) for symbols, target in pairs]


def by_hand(train, test, length):
    """Copies, and those of them whose class is among the most frequent of their train rows, by every pair."""
    near = same = 0
    for symbols, target in test:
        windows = [symbols[i : i + length] for i in range(len(symbols) - length + 1)] or [symbols]
        votes = Counter()
        for other, label in train:
            theirs = [other[i : i + length] for i in range(len(other) - length + 1)] or [other]
            votes[label] += sum(theirs.count(window) for window in windows)
        if any(votes.values()):
            near += 1
            same += votes[target] == max(votes.values())
    return near, same


@given(LABELLED, LABELLED, st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_the_rows_that_share_a_stretch_with_train_are_those_of_a_search_through_all_pairs(train, test, length):
    made = task(Splits(train=rows(*train), validation=rows(("G", 0)), test=rows(*test)), shared=length)
    (way,) = counted(made)
    near, same = by_hand(train, test, length)

    assert (len(test), near) == (way["test"]["rows"], way["test"]["near"])
    assert 0 == way["validation"]["near"]
    assert way["test"]["same_label"] == (round(same / near, 4) if near else None)


def test_numbers_have_the_rank_correlation_of_their_label_with_the_mean_of_their_relatives():
    train = rows(*((letter * 4, value) for letter, value in zip("ACGT", (1.0, 2.0, 3.0, 4.0), strict=True)))
    test = rows(*((letter * 5, value) for letter, value in zip("ACGT" * 3, (1.0, 2.0, 3.0, 4.0) * 3, strict=True)))
    (way,) = counted(task(Splits(train=train, validation=train, test=test), Scalar(), shared=4))

    assert (12, None, 1.0) == (way["test"]["near"], way["test"]["same_label"], way["test"]["correlation"])
    assert way["validation"]["correlation"] is None, "four rows are too few"


def test_only_what_a_model_gets_is_compared():
    part = Splits(train=rows(("AAAACCCC", 0)), validation=rows(("GTGT", 0)), test=rows(("GGGGCCCC", 0)))
    of = Task(
        name="toy.task", version=1, dataset=Dataset(lambda: part, license="CC0-1.0", cite="", shared=4),
        mapping=RandomTable("ACGT"), target=Classes(2), metric=accuracy, max_symbols=6,
    )  # fmt: skip

    assert 0 == counted(of)[0]["test"]["near"]


def test_symbols_that_are_numbers_are_compared_as_numbers():
    of = task(
        Splits(train=[Row([1, 23, 4], 0)], validation=[Row([1, 2, 3, 4], 0)], test=[Row([5, 23, 4], 0)]),
        mapping=RandomTable(range(30)), shared=2,
    )  # fmt: skip
    (way,) = counted(of)

    assert (0, 1) == (way["validation"]["near"], way["test"]["near"])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("It's  late.", "it s late", True),
        ("STRASSE", "straße", True),
        ("no", "not", False),
        ("?!", "...", False),
        ("?!", "?!", True),
        ("", "", True),
    ],
)
def test_a_text_is_compared_without_case_punctuation_and_spaces(one, other, same):
    assert same == (plain(one) == plain(other))


def test_a_pair_of_texts_is_a_copy_only_if_both_are():
    of = task(
        Splits(
            train=[Row("A b.", 0, pair="c")],
            validation=[Row("a b", 0, pair="d")],
            test=[Row("a  B", 0, pair="C!"), Row("c", 0, pair="a b")],
        ),
        mapping=TextTable(),
    )
    (way,) = counted(of)

    assert ("text", 0, 1) == (way["by"], way["validation"]["near"], way["test"]["near"])


FORM = Form(name="a set of letters", of=lambda symbols: "".join(sorted(set(symbols))) if "T" not in symbols else None)


def test_a_form_tells_copies_that_are_written_differently_and_none_is_a_copy_of_none():
    of = task(
        Splits(train=rows(("AACC", 0), ("AT", 1)), validation=rows(("GT", 0)), test=rows(("CA", 1), ("G", 0))),
        form=FORM, apart="toy.apart",
    )  # fmt: skip
    stretch, form = counted(of)

    assert ("", "toy.apart") == (stretch["apart"], form["apart"])
    assert (0, 1, 0.0) == (form["validation"]["near"], form["test"]["near"], form["test"]["same_label"])
    assert (
        told(form, "test")
        == "1 of 2 test rows are a set of letters of train, in any spelling, 0 % of them with its label"
    )


def test_without_the_library_of_a_form_it_says_what_to_install_and_counts_when_it_is_there(tmp_path, monkeypatch):
    part = rows(("AACC", 0), ("AG", 1))
    of = task(
        Splits(train=part, validation=part, test=part),
        form=Form(name="a knot", of=lambda symbols: symbols, needs="knots", install="discbench[knots]"),
    )

    assert {"why": "knots is not installed; `pip install 'discbench[knots]'`"}.items() <= counted(of)[1].items()
    assert (
        "  near copies  rows that are a knot of train, in any spelling: not counted, knots is not installed;"
        " `pip install 'discbench[knots]'`" in card.text(card.card(of)).splitlines()
    )
    (tmp_path / "knots.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    assert 2 == counted(of)[1]["test"]["near"]


def test_a_form_that_fails_is_told_as_the_plugins_fault():
    part = rows(("A", 0))
    of = task(Splits(train=part, validation=part, test=part), form=Form(name="x", of=lambda symbols: symbols.no))

    with pytest.raises(PluginError, match=r"toy\.task: the function of Dataset\(form=\.\.\.\) failed: AttributeError"):
        rowcache.load(of)


@pytest.mark.parametrize("shared", [0, -1, 2.5, True, "20"])
def test_a_length_that_is_none_is_refused(shared):
    with pytest.raises(PluginError, match=r"Dataset\(shared\) is a whole number of symbols from 1, but"):
        task(Splits(train=[], validation=[], test=[]), shared=shared)


def test_a_leak_is_told_from_one_row_in_a_hundred_on():
    way = {
        "what": "equal a train row",
        "apart": "",
        "test": {"rows": 1000, "near": 9, "same_label": 1.0, "correlation": None},
    }

    assert "" == leak([way]) == leak(None)
    way["test"]["near"] = 10
    assert "1 % of test rows equal a train row, 100 % of them with its label" == leak([way])


@pytest.mark.parametrize(
    ("name", "length", "validation", "test"),
    [("dna.splice", 20, (39, 0.7949), (31, 0.871)), ("dna.splice-grouped", 20, (0, None), (0, None))],
)
def test_near_copies_of_splice_are_19_percent_and_none_in_its_twin(real_data, name, length, validation, test):
    (way,) = rowcache.load(TASKS[name], real_data, download=False).copies

    assert length == way["length"]
    assert (validation, test) == tuple((way[part]["near"], way[part]["same_label"]) for part in SPLITS[1:])


def test_46_percent_of_stability_are_near_copies_and_a_cache_gives_the_same(real_data):
    first, again = (rowcache.load(TASKS["protein.stability"], real_data, download=False).copies for _ in range(2))

    assert (5888, 12851) == (first[0]["test"]["near"], first[0]["test"]["rows"])
    assert math.isclose(0.6438, first[0]["test"]["correlation"], abs_tol=1e-4)
    assert list(first) == list(again)
