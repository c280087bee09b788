"""Rows that are partial are told before anything is trained: the cells will be marked, and have no place in a suite."""

import io

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy
from discbench.api import evaluate


def load():
    rows = [Row("ab" * (1 + i % 5), i % 2) for i in range(30)]
    return Splits(train=rows[:10], validation=rows[10:20], test=rows[20:], partial="30 of 31 rows")


def test_that_rows_are_partial_is_told_before_the_first_cell(tmp_path):
    dataset, said = Dataset(load, license="CC0-1.0", cite=""), io.StringIO()
    task = Task(
        name="test.part", version=1, dataset=dataset, mapping=RandomTable("ab"), target=Classes(2), metric=accuracy
    )
    evaluate("baseline:majority", task, results=tmp_path, stream=said, workers=0)
    lines = said.getvalue().splitlines()
    told = [at for at, line in enumerate(lines) if "test.part: the rows at hand are partial (30 of 31 rows)" in line]
    trained = [at for at, line in enumerate(lines) if "[1/1]" in line]
    assert 1 == len(told)
    assert told < trained
    assert lines[told[0]].endswith("its cells are marked so, and count in no suite and on no published board")
