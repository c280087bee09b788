from hashlib import sha256

import numpy as np
import pytest

from discbench import Classes, Dataset, RandomTable, Row, Scalar, Splits, Task, accuracy, data, spearman
from discbench.data.rowcache import load
from discbench.data.rows import chosen, digest
from discbench.errors import DataError

TWO = Classes(2)
A, C = (Row("A", 0),), (Row("C", 1),)


def task_of(splits, target=TWO, alphabet="ACGT", **dataset):
    return Task(
        name="test.task",
        version=1,
        dataset=Dataset(lambda: splits, license="x", cite="x", **dataset),
        mapping=RandomTable(alphabet),
        target=target,
        metric=accuracy if isinstance(target, Classes) else spearman,
    )


def three(train, validation=A, test=C):
    return Splits(train=train, validation=validation, test=test)


def test_the_hash_ignores_order_and_the_last_digits_beyond_float32():
    one = three([Row("AC", -0.209999993443489), Row("G", 2.0)])
    other = three([Row("G", 2.0), Row("AC", -0.20999999344348907)])

    assert digest(one) == digest(other)


def test_the_hash_tells_splits_labels_and_symbols_apart():
    base = three([Row("AC", 1), Row("G", 0)])
    others = [
        three([Row("AC", 0), Row("G", 0)]),
        three([Row("CA", 1), Row("G", 0)]),
        three([Row("AC", 1)], test=(Row("C", 1), Row("G", 0))),
    ]

    assert 4 == len({digest(s) for s in (base, *others)})


def test_rows_become_places_in_the_alphabet():
    loaded = load(task_of(three([Row("GATT", 1), Row("C", 0)])))

    assert [2, 0, 3, 3, 1] == loaded.train.codes.tolist()
    assert [0, 4, 5] == loaded.train.offsets.tolist()
    assert [1] == loaded.train.take(np.array([1])).codes.tolist()


def test_a_symbol_outside_the_alphabet_is_named():
    with pytest.raises(DataError) as error:
        load(task_of(three([Row("ACU", 1)])))
    assert "test.task: every symbol is in the alphabet, but ['U'] are not; does the reader treat all letters?" == (
        str(error.value)
    )


def test_a_label_outside_the_classes_is_named():
    with pytest.raises(
        DataError,
        match=r"labels are 0\.\.1, but 2 occur; read_rows\(classes=\.\.\.\) names those of a table in their order",
    ):
        load(task_of(three([Row("A", 2)])))


def test_a_label_that_is_not_finite_is_refused():
    with pytest.raises(DataError, match="labels are finite numbers, but some are not"):
        load(task_of(three([Row("A", float("nan"))]), Scalar()))


def test_an_empty_split_is_refused():
    with pytest.raises(DataError, match=r"no split is empty, but \['validation'\] are"):
        load(task_of(three([Row("A", 1)], validation=())))


def test_rows_of_another_hash_are_refused_unless_asked_for_and_then_marked():
    task = task_of(three([Row("A", 1)]), rows_sha256="0" * 64)

    with pytest.raises(DataError, match="but the task was written for 000000000000…; fetch the files again"):
        load(task)
    assert "unverified" == load(task, unverified=True).status


def test_rows_of_the_named_hash_are_verified_and_partial_ones_never():
    splits = three([Row("A", 1)])
    task = task_of(splits, rows_sha256=digest(splits))
    part = Splits(train=splits.train, validation=splits.validation, test=splits.test, partial="28 % of the rows")

    assert "verified" == load(task).status
    assert "unverified" == load(task_of(part, rows_sha256=digest(part))).status


def from_file():
    rows = data.read_rows(data.local("rows.csv"), symbols="bases", label="label")
    return three(rows)


def test_the_cache_serves_until_the_file_changes(tmp_path):
    reads = []

    def counted():
        reads.append(1)
        return from_file()

    task = Task(
        name="test.cached",
        version=1,
        dataset=Dataset(counted, license="x", cite="x"),
        mapping=RandomTable("ACGT"),
        target=Classes(2),
        metric=accuracy,
    )
    (tmp_path / "rows.csv").write_text("bases,label\nACG,1\nTTTT,0\n")
    first, second = load(task, tmp_path), load(task, tmp_path)
    assert 1 == len(reads)
    assert first.train.codes.tolist() == second.train.codes.tolist() == [0, 1, 2, 3, 3, 3, 3]
    assert first.train.targets.tolist() == second.train.targets.tolist() == [1, 0]
    (tmp_path / "rows.csv").write_text("bases,label\nACG,1\nTTTTT,0\n")
    assert [3, 5] == load(task, tmp_path).train.lengths.tolist()
    assert 2 == len(reads)


def test_limited_rows_are_the_same_everywhere_and_in_canonical_order():
    by_hash = sorted(range(10), key=lambda i: sha256(f"0/{i}".encode()).digest())

    assert sorted(by_hash[:3]) == chosen(10, 3, 1.0, seed=0).tolist()
    assert list(range(10)) == chosen(10, 50, 1.0, seed=0).tolist()
    assert [2, 3] == chosen(200, None, 0.01, seed=3, numbers=np.roll(np.arange(200), 2)).tolist()
