"""Rows have an order of their own: how they come out of a file or a set changes nothing that is computed of them."""

import random
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, data
from discbench.data import rowcache
from discbench.data.identity import SPLITS, canonical, digest
from discbench.data.loading import read
from discbench.errors import UserError

ROW = st.builds(
    Row, st.text("ACGU", min_size=1, max_size=4), st.integers(0, 1), number=st.none(), pair=st.none(), group=st.none()
)


def task_of(load, **dataset):
    return Task(
        name="rna.order", version=1, dataset=Dataset(load, license="CC0-1.0", cite="none", **dataset),
        mapping=RandomTable("ACGU"), target=Classes(2), metric=accuracy,
    )  # fmt: skip


def shuffled(splits, seed):
    order = random.Random(seed)
    parts = {name: list(getattr(splits, name)) for name in SPLITS}
    for part in parts.values():
        order.shuffle(part)
    return Splits(**parts)


@given(st.lists(ROW, min_size=1, max_size=20), st.integers(0, 99))
def test_rows_in_any_order_are_the_same_arrays_and_the_same_hash(rows, seed):
    splits = Splits(train=rows, validation=rows[:1], test=rows[::-1])
    one, other = (rowcache.load(task_of(lambda found=found: found)) for found in (splits, shuffled(splits, seed)))

    assert digest(splits) == one.sha256 == other.sha256
    for name in SPLITS:
        first, second = getattr(one, name), getattr(other, name)
        assert len(getattr(splits, name)) == len(first)
        assert first.codes.tolist() == second.codes.tolist()
        assert first.offsets.tolist() == second.offsets.tolist()
        assert first.targets.tolist() == second.targets.tolist()


def test_a_split_is_ordered_by_the_hash_of_its_rows_lines_and_copies_stay_two():
    rows = [Row("A", 0), Row("C", 1), Row("A", 0), Row("GU", 1)]
    splits, _ = read(task_of(lambda: Splits(train=rows, validation=rows[:1], test=rows[1:2])))

    wanted = sorted(rows, key=lambda row: sha256(canonical(row).encode()).hexdigest())
    assert wanted == list(splits.train)
    assert 2 == splits.train.count(Row("A", 0))


def test_everything_that_a_row_is_stands_in_its_line():
    assert ['["AC",1]', '["AC",0.10000000149011612]', '[["A",3],0,{"group":"g","pair":"p","number":4}]'] == [
        canonical(row) for row in (Row("AC", 1), Row("AC", 0.1), Row(["A", 3], 0, "g", "p", 4))
    ]


def test_a_number_is_part_of_the_rows_hash():
    rows = [Row("A", 0), Row("C", 1)]
    of = [
        Splits(train=part, validation=rows, test=rows)
        for part in (rows, data.numbered(rows), data.numbered(rows[::-1]))
    ]

    assert 3 == len({digest(splits) for splits in of})


@pytest.mark.parametrize(
    "rows, told",
    [
        (
            [Row("A", 0, number=1), Row("C", 1, number=1)],
            "rna.order: a row's number is its place in its publisher's order, but 2 rows of train have number 1",
        ),
        (
            [Row("A", 0, number=1), Row("C", 1)],
            "rna.order: all rows of train have a number or none has, but some have none",
        ),
        (
            [Row("A", 0, number=-1)],
            "rna.order: a row's number is a whole number from 0, but -1 was found in row 0 of train",
        ),
        (
            [Row("A", 0, number="7")],
            "rna.order: a row's number is a whole number from 0, but '7' was found in row 0 of train",
        ),
    ],
)
def test_numbers_that_give_no_order_are_refused(rows, told):
    with pytest.raises(Exception, match=r"rna\.order") as error:
        read(task_of(lambda: Splits(train=rows, validation=[Row("A", 0)], test=[Row("A", 0)])))
    assert told == str(error.value)


def test_a_split_numbers_its_rows_as_they_stand_after_the_shuffle():
    rows = [Row(f"{'ACGU'[i % 4]}{'ACGU'[i // 4]}", i % 2) for i in range(16)]
    plain = data.split(rows, parts=(0.5, 0.25, 0.25), seed=3)
    numbered = data.split(rows, parts=(0.5, 0.25, 0.25), seed=3, number=True)

    assert data.shuffle(rows, 3) == [*plain.train, *plain.validation, *plain.test]
    assert list(range(16)) == [row.number for name in SPLITS for row in getattr(numbered, name)]
    assert plain.train == [replace(row, number=None) for row in numbered.train]


def test_numbers_come_back_from_the_cache(tmp_path):
    (tmp_path / "rows.csv").write_text("bases,label\nACG,1\nUUU,0\nCCC,1\n")

    def load():
        rows = data.numbered(data.read_rows(data.local("rows.csv"), symbols="bases", label="label"))
        return Splits(train=rows, validation=rows, test=rows)

    first, second = (rowcache.load(task_of(load), tmp_path) for _ in range(2))
    assert [0, 1, 2] == sorted(first.train.numbers.tolist())
    assert first.train.numbers.tolist() == second.train.numbers.tolist()


def test_a_shuffled_copy_of_real_rows_is_the_same_dataset_where_they_have_no_numbers(real_data, tmp_path):
    from discbench.plugins import registry

    task = registry.tasks(registry.plugins())["chem.esol"]
    known = rowcache.load(task, real_data, download=False)
    assert "verified" == known.status
    with data.reading(real_data, download=False):
        splits = task.dataset.load()
    other = replace(task, dataset=replace(task.dataset, load=lambda: shuffled(splits, 1)))
    found = rowcache.load(other, tmp_path, download=False)
    assert ("verified", known.sha256) == (found.status, found.sha256)
    assert known.test.codes.tolist() == found.test.codes.tolist()


def test_a_share_of_first_rows_without_an_order_of_the_publishers_is_refused_before_training(tmp_path):
    from discbench import evaluate

    words = {"recipe": "quick", "seeds": 1, "fraction": 0.5, "subset": "first", "results": tmp_path / "r", "workers": 0}
    with pytest.raises(UserError) as error:
        evaluate("builtin:tiny", "formal.factor", **words)
    assert (
        "--subset first: the rows of formal.factor have no order of their publisher's that a first share could follow;"
        " take --subset drawn"
    ) == str(error.value)
    assert not (tmp_path / "r").exists()
