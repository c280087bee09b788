"""Labels keep what they are: words in an order that is told, numbers as written, nothing lost without a line."""

import json
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest

from discbench import Classes, Dataset, RandomTable, Row, Scalar, Splits, Task, accuracy, rmse
from discbench.data import card, read_rows, rowcache
from discbench.data.labels import Label, targets
from discbench.data.loading import read
from discbench.errors import DataError, PluginError
from discbench.testing import Remark, check_task


def where(row):
    return f"a.csv, line {row + 2}, column 'label'"


def told(cells, classes=None):
    with pytest.raises(DataError) as error:
        targets(cells, where, classes)
    return str(error.value)


@pytest.mark.parametrize(
    "cells, wanted",
    [
        (["1", " 0 ", "+3", "007"], [1, 0, 3, 7]),
        (["1.0", "0.", "2e0"], [1, 0, 2]),
        (["1", "0.5"], [1.0, 0.5]),
        ([1, 0.25, "-.5"], [1.0, 0.25, -0.5]),
        ([[0.5], [1]], [0.5, 1.0]),
        (["[0.5]", "[1]"], [0.5, 1.0]),
        ([True, False], [1, 0]),
        (["TRUE", "false"], [1, 0]),
        (["True", "True"], [1, 1]),
        (["promoter", "non-promoter"], [1, 0]),
        (["none", "yes"], [0, 1]),
        ([["IE"], ["EI"]], [1, 0]),
    ],
)
def test_labels_become_targets(cells, wanted):
    found = targets(cells, where, None)

    assert wanted == found
    assert [float in type(y).__mro__ for y in wanted] == [float in type(y).__mro__ for y in found]


@pytest.mark.parametrize(
    "cells, classes, wanted",
    [
        (["b", "a", "c"], ("c", "b", "a"), [1, 2, 0]),
        (["1", "2", 1.0], (1, 2), [0, 1, 0]),
        (["True", False], (True, False), [0, 1]),
        (["NA", "EU"], ("NA", "EU"), [0, 1]),
        (["1,5", "2"], ("2", "1,5"), [1, 0]),
        (["yes", "1"], ("1", "yes"), [1, 0]),
    ],
)
def test_classes_give_the_order(cells, classes, wanted):
    assert wanted == targets(cells, where, classes)


@pytest.mark.parametrize(
    "cells, classes, line",
    [
        ([[1, 0, 1]], None, "a.csv, line 2, column 'label': a row has one label, but 3 stand there, [1, 0, 1]; make a column, and a task, of each"),
        (["[1 0]"], None, "a.csv, line 2, column 'label': a row has one label, but 2 stand there, '[1 0]'; make a column, and a task, of each"),
        (["['a', 'b']"], ("a", "b"), "a.csv, line 2, column 'label': a row has one label, but 2 stand there, \"['a', 'b']\"; make a column, and a task, of each"),
        ([[]], None, "a.csv, line 2, column 'label': a row has one label, but 0 stand there, []; make a column, and a task, of each"),
        (["1", "nan"], None, "a.csv, line 3, column 'label': a label was expected, but 'nan' stands there; leave such rows out, or name it in classes= if it is a class"),
        (["a", "NA"], None, "a.csv, line 3, column 'label': a label was expected, but 'NA' stands there; leave such rows out, or name it in classes= if it is a class"),
        (["1", "-Inf"], None, "a.csv, line 3, column 'label': a label was expected, but '-Inf' stands there; leave such rows out, or name it in classes= if it is a class"),
        ([1.0, float("nan")], None, "a.csv, line 3, column 'label': a label was expected, but nan stands there; leave such rows out"),
        (["1", ""], None, "a.csv, line 3, column 'label': a label was expected, but nothing stands there; leave such rows out"),
        (["1", None], ("1", "2"), "a.csv, line 3, column 'label': label nothing is no class; classes are '1', '2'"),
        (["0,5", "1,5"], None, "a.csv, line 2, column 'label': '0,5' is no number as programs write it (1234.5); write it so, or name it in classes= if it is a class"),
        (["1,234"], None, "a.csv, line 2, column 'label': '1,234' is no number as programs write it (1234.5); write it so, or name it in classes= if it is a class"),
        (["1_000"], None, "a.csv, line 2, column 'label': '1_000' is no number as programs write it (1234.5); write it so, or name it in classes= if it is a class"),
        (["50%"], None, "a.csv, line 2, column 'label': '50%' is no number as programs write it (1234.5); write it so, or name it in classes= if it is a class"),
        (["\u22121.5"], None, "a.csv, line 2, column 'label': '\u22121.5' is no number as programs write it (1234.5); write it so, or name it in classes= if it is a class"),
        (["1e999"], None, "a.csv, line 2, column 'label': label '1e999' is larger than any float"),
        (["1.5", "2.5", ">10"], None, "a.csv, line 4, column 'label': label '>10' is not a number, as others are; if labels are classes, name them in their order with classes="),
        (["a", "b", "1"], None, "a.csv, line 4, column 'label': label '1' is a number, but others are words; if labels are classes, name them in their order with classes="),
        (["yes", "no", "Yes"], None, "a.csv, line 4, column 'label': label 'Yes' differs from 'yes' (a.csv, line 2, column 'label') in case or blanks only; write both alike, or name the classes with classes="),
        (["donor", "doner"], ("donor", "other"), "a.csv, line 3, column 'label': label 'doner' is no class; did you mean 'donor'? classes are 'donor', 'other'"),
        (["a"], ("a", "a"), "classes= names each class once, but ('a', 'a') was given"),
        (["a"], "ab", "classes= names each class once, but 'ab' was given"),
        ([{"a": 1}], None, "a.csv, line 2, column 'label': a label is a number or a word, but {'a': 1} stands there"),
    ],
)  # fmt: skip
def test_a_label_that_can_be_read_two_ways_is_told(cells, classes, line):
    assert line == told(cells, classes)


def test_a_word_is_never_taken_for_the_number_that_stands_for_it():
    (label,) = targets(["high"], where, None)

    with pytest.raises(
        DataError, match=r"^a.csv, line 2, column 'label': a number was expected, but label 'high' is a word$"
    ):
        float(label)


def test_a_label_survives_being_sent_to_another_process():
    label = pickle.loads(pickle.dumps(Label(1, ("a", "b"), alphabetical=True, place="here")))

    assert (1, ("a", "b"), True, "here") == (label, label.words, label.alphabetical, label.place)


SEQUENCES = ["ACGT", "GGAC", "TTTA", "CCCC", "GATT", "ACAC"]


@pytest.fixture
def task(tmp_path, monkeypatch):
    """A task whose splits are tables of their own."""
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))

    def make(train, validation, test, classes=None, target=None, metric=accuracy):
        for name, labels in (("train", train), ("validation", validation), ("test", test)):
            records = [{"seq": f"{'ACG'[len(name) % 3] * 5}{SEQUENCES[i]}", "label": y} for i, y in enumerate(labels)]
            (tmp_path / f"{name}.json").write_text(json.dumps(records))

        def load():
            return Splits(
                **{
                    n: read_rows(tmp_path / f"{n}.json", symbols="seq", label="label", classes=classes)
                    for n in ("train", "validation", "test")
                }
            )

        dataset = Dataset(load, license="CC0-1.0", cite="made up")
        return Task(
            name="toy.words",
            version=1,
            dataset=dataset,
            mapping=RandomTable("ACGT"),
            target=target or Classes(2),
            metric=metric,
        )

    return make


def test_tables_that_number_their_words_apart_are_refused(task):
    with pytest.raises(DataError) as error:
        read(task(["a", "b", "c"], ["a", "b"], ["a", "c"], target=Classes(3)))

    assert str(error.value) == (
        "toy.words: class 1 is 'b' in train and 'c' in test, since each table was numbered by its own words; give"
        " read_rows the same classes= for all"
    )
    splits, _ = read(task(["a", "b", "c"], ["a", "b"], ["a", "c"], target=Classes(3), classes=("a", "b", "c")))
    assert [0, 2] == sorted(row.target for row in splits.test)


def test_words_in_one_table_and_numbers_in_another_are_refused(task):
    with pytest.raises(DataError, match=r"toy.words: labels are words in some rows and numbers in others"):
        read(task(["a", "b"], ["a", "b"], [0, 1]))


@pytest.mark.parametrize(
    "target, classes, line",
    [
        (Classes(2, ("yes", "no")), None, "its classes are named 'yes', 'no', but the words of its labels were numbered 0 'no', 1 'yes'; give read_rows classes= in the order of Classes(2, names)"),
        (Classes(2, ("yes", "no")), ("no", "yes"), "its classes are named 'yes', 'no', but the words of its labels were numbered 0 'no', 1 'yes'; give read_rows classes= in the order of Classes(2, names)"),
        (Classes(2, ("positive", "negative")), None, "its classes are named 'positive', 'negative', but the words of its labels were numbered 0 'no', 1 'yes'; give read_rows classes= in the order of Classes(2, names)"),
        (Classes(2), ("maybe", "no", "yes"), "it has 2 classes, but labels are 3 words: 0 'maybe', 1 'no', 2 'yes'"),
    ],
)  # fmt: skip
def test_names_of_classes_in_another_order_than_the_words_are_refused(task, target, classes, line):
    with pytest.raises(PluginError) as error:
        read(task(["no", "yes"], ["no", "yes"], ["no", "yes"], target=target, classes=classes))

    assert f"toy.words: {line}" == str(error.value)


def test_words_are_no_numbers_to_learn(task):
    with pytest.raises(
        PluginError, match=r"^toy.words: its target is a number, but its labels are words: 0 'no', 1 'yes'$"
    ):
        read(task(["no", "yes"], ["no", "yes"], ["no", "yes"], target=Scalar(), metric=rmse))


def test_words_may_have_other_names_where_their_order_was_given(task):
    of = task(
        ["no", "yes"], ["no", "yes"], ["no", "yes"], target=Classes(2, ("positive", "negative")), classes=("yes", "no")
    )

    assert {"ACGT": 1} == {row.symbols[-4:]: row.target for row in check_task(of).test if row.symbols.endswith("ACGT")}


def test_the_order_of_words_is_on_the_card_also_from_the_cache_and_warned_of_by_the_kit(task):
    of = task(["no", "yes"], ["no", "yes"], ["yes", "no"])
    made = [card.card(of), card.card(of)]

    assert [["no", "yes"]] * 2 == [record["rows"]["words"] for record in made]
    assert "\n  in words     0 no, 1 yes\n" in card.text(made[0])
    assert "\n  test         no 1, yes 1\n" in card.text(made[0])
    with pytest.warns(Remark) as warned:
        check_task(of)
    (told_once,) = warned
    assert str(told_once.message) == (
        "toy.words: its labels are words, and nobody gave their order: 0 is 'no', 1 'yes'; say so with Classes(2, names),"
        " or give read_rows another order by classes="
    )


def test_words_are_kept_in_the_cache_of_rows(task, tmp_path):
    of = task(["no", "yes"], ["no", "yes"], ["yes", "no"])
    loaded = rowcache.load(of, tmp_path)
    rowcache.remember(of, tmp_path, [tmp_path / "train.json"], loaded)

    assert ("no", "yes") == rowcache.recall(of, tmp_path).words


def of_rows(train, validation, test, target=None, metric=accuracy):
    splits = Splits(train=train, validation=validation, test=test)
    return Task(name="toy.rows", version=1, dataset=Dataset(lambda: splits, license="x", cite="x"), mapping=RandomTable("ACGT"), target=target or Classes(2), metric=metric)  # fmt: skip


def some(first, *labels):
    return [Row(f"{first}{SEQUENCES[i]}", label) for i, label in enumerate(labels)]


@pytest.mark.parametrize(
    "of, lines",
    [
        (of_rows(some("A", 0, 1), some("C", 1, 0), some("G", 0, 1)), []),
        (of_rows(some("A", 0, 1), some("C", 1, 1), some("G", 0, 1)), ["all rows of validation are of class 1"]),
        (of_rows(some("A", 0, 1, 2), some("C", 0, 2), some("G", 0, 1, 2), Classes(3, ("EI", "IE", "N"))), ["no row of validation is of class 1 (IE)"]),
        (of_rows(some("A", 0, 1, 2, 3), some("C", 0, 1, 2, 3), some("G", 0, 3), Classes(4)), ["2 of 4 classes have no row in test: 1, 2"]),
        (of_rows(some("A", 0, 1), some("C", 0, 1), some("G", 0, 1), Classes(9)), [f"7 of 9 classes have no row in {part}: 2, 3, 4, 5, 6 and 2 more" for part in ("train", "validation", "test")]),
        (of_rows(some("A", 0.5, 1.5), some("C", 2.5, 2.5), some("G", 0.5, 1.5), Scalar(), rmse), ["all rows of validation have the label 2.5"]),
    ],
)  # fmt: skip
def test_a_split_that_lacks_a_class_is_remarked_by_the_kit_and_on_the_card(of, lines):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        check_task(of)
    made = card.card(of)

    assert lines == made["rows"]["remarks"]
    assert [f"toy.rows: {line}" for line in lines] == [str(warning.message) for warning in warned]
    assert all(line in " ".join(card.text(made).split()) for line in lines)


def test_labels_from_one_are_told_with_the_remedy():
    with pytest.raises(DataError) as error:
        rowcache.load(of_rows(some("A", 1, 2), some("C", 1, 2), some("G", 1, 2)))

    assert "toy.rows: labels are 0..1, but 1..2 occur; subtract 1, or say read_rows(classes=(1, 2))" == str(error.value)


def test_words_hash_as_their_numbers(task):
    words = task(["no", "yes"], ["no", "yes"], ["yes", "no"], classes=("no", "yes"))
    numbers = replace(words, dataset=replace(words.dataset, load=lambda: Splits(**{
        name: [Row(row.symbols, int(row.target)) for row in getattr(read(words)[0], name)] for name in ("train", "validation", "test")
    })))  # fmt: skip

    assert rowcache.load(words).sha256 == rowcache.load(numbers).sha256
    assert np.int64 == rowcache.load(words).train.targets.dtype
