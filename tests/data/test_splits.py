"""Splits: items and families stay whole, however the rows name them and in whatever order they come."""

import re
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discbench import Classes, Dataset, RandomTable, Row, Task, accuracy
from discbench.data import grouped_split, rowcache, split
from discbench.data.rows import SPLITS, digest
from discbench.errors import DataError
from discbench.testing import check_task

THIRDS = (0.5, 0.25, 0.25)
NAME = st.sampled_from([None, "p", "q", "r", "s", "t"])
RELATED = st.lists(st.tuples(NAME, NAME), min_size=4, max_size=20)


def sides(splits):
    return {name: getattr(splits, name) for name in SPLITS}


def on_two_sides(splits, kind):
    names = [{getattr(row, kind) for row in part} - {None} for part in sides(splits).values()]
    return set().union(*(one & other for one, other in combinations(names, 2)))


@given(RELATED, st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_a_split_loses_no_row_and_parts_neither_items_nor_families(names, seed):
    rows = [Row("A" * (1 + i), 0, group, family=family) for i, (group, family) in enumerate(names)]
    splits = split(rows, parts=THIRDS, seed=seed)

    assert sorted(rows, key=lambda row: len(row.symbols)) == sorted(
        (row for part in sides(splits).values() for row in part), key=lambda row: len(row.symbols)
    )
    assert set() == on_two_sides(splits, "group") == on_two_sides(splits, "family")


def test_relatives_need_not_share_a_label_and_do_not_vote():
    rows = [Row("ACGT"[i % 4] * (1 + i // 4), i % 2, family=f"patient {i // 3}") for i in range(60)]
    task = Task(
        name="toy.patients", version=1,
        dataset=Dataset(lambda: split(rows, parts=THIRDS, seed=0), license="CC0-1.0", cite=""),
        mapping=RandomTable("ACGT"), target=Classes(2), metric=accuracy,
    )  # fmt: skip
    loaded = rowcache.load(task)

    assert {(0, 1)} == {tuple(sorted({r.target for r in rows if r.family == row.family})) for row in rows}
    assert (30, 15, 15) == tuple(map(len, sides(check_task(task)).values()))
    assert loaded.test.groups is None
    assert set(loaded.test.families) == {row.family for row in task.dataset.load().test}


@pytest.mark.parametrize("by", ["pair", lambda row: row.pair])
def test_a_field_or_a_function_gives_the_family_and_rows_without_one_are_alone(by):
    rows = [Row(f"{i}", 0, pair="" if i % 5 == 0 else f"patient {i % 4}") for i in range(40)]
    splits = split(rows, parts=THIRDS, seed=3, by=by)

    assert set() == on_two_sides(splits, "family")
    assert {row.pair or None: row.family for row in rows for row in splits.train} == {
        name: name for name in {row.pair or None for row in splits.train}
    }


def test_a_number_is_a_family_and_nan_is_none():
    rows = [Row(f"{i}", 0) for i in range(8)]
    found = split(
        rows, parts=(1, 0, 0), seed=0, by=lambda row: float("nan") if row.symbols == "3" else int(row.symbols) // 4
    )

    assert ["0", "0", "0", None, "1", "1", "1", "1"] == [row.family for row in found.train]


def test_a_field_that_does_not_exist_is_told_with_the_nearest():
    message = "a row has no field 'famly'; did you mean 'family'? it has symbols, target, group, pair, number, family"
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        split([Row("A", 0)], parts=THIRDS, seed=0, by="famly")


@pytest.mark.parametrize("cut", [split, lambda rows, **rest: grouped_split(rows, shared=3, **rest)])
def test_parts_that_do_not_add_up_are_refused(cut):
    with pytest.raises(
        DataError, match=r"split parts \(0\.5, 0\.2, 0\.2\) add up to 0\.[89]\d*; give shares that add up to 1"
    ):
        cut([Row("A", 0)], parts=(0.5, 0.2, 0.2), seed=0)


@pytest.mark.parametrize("shared", [0, -3, 2.5, True])
def test_a_stretch_that_is_no_length_is_refused(shared):
    with pytest.raises(DataError, match=rf"grouped_split\(shared={shared}\): give a whole number of symbols from 1"):
        grouped_split([Row("A", 0)], shared=shared, parts=THIRDS, seed=0)


def test_a_grouped_split_keeps_groups_and_given_families_together_too():
    rows = [
        Row("AAAA", 0),
        Row("AAAC", 1, family="x"),
        Row("GGGG", 0, family="x"),
        Row("GTTT", 0, "p"),
        Row("TGTG", 0, "p"),
    ]
    rows = [Row(row.symbols, row.target, row.group or f"alone {i}", family=row.family) for i, row in enumerate(rows)]
    splits = grouped_split(rows, shared=3, parts=THIRDS, seed=0)
    family = {row.symbols: row.family for part in sides(splits).values() for row in part}

    assert family["AAAA"] == family["AAAC"] == family["GGGG"] != family["GTTT"] == family["TGTG"]


def test_symbols_that_are_words_or_numbers_share_symbols_not_characters():
    """`(1, 23)` and `(12, 3)` are written with the same digits."""
    rows = [Row([1, 23, 7], 0), Row([12, 3, 7], 0), Row([9, 12, 3], 0), Row(["ab", "c"], 0), Row(["a", "bc"], 0)]
    family = [row.family for row in grouped_split(rows, shared=2, parts=(1, 0, 0), seed=0).train]

    assert family[1] == family[2]
    assert 4 == len(set(family))


def test_the_name_of_a_family_does_not_depend_on_the_order_of_rows():
    rows = [Row(f"{'ACGT'[i % 4]}{'ACGT'[i // 4]}AC{'ACGT'[i % 3]}", 0) for i in range(12)]
    names = [
        {row.symbols: row.family for row in grouped_split(order, shared=3, parts=(1, 0, 0), seed=0).train}
        for order in (rows, rows[::-1])
    ]

    assert names[0] == names[1]


def test_a_family_is_part_of_the_rows_hash_only_where_it_is_given():
    plain, named = Row("ACG", 1), Row("ACG", 1, family="x")
    hashes = [digest(split([row], parts=(1, 0, 0), seed=0)) for row in (plain, Row("ACG", 1, family=None), named)]

    assert hashes[0] == hashes[1] != hashes[2]
