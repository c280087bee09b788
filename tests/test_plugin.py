"""A third party's plugin, installed: one file, listed, checked, evaluated, and named when it breaks."""

import os
import subprocess
import sys

import pytest

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy
from discbench.testing import check_task, example_vocabulary

PLUGIN = '''
"""RNA tasks: does a window hold a splice donor? (made up: 40 rows)"""

from discbench import Classes, Dataset, RandomTable, Task, accuracy, hookimpl
from discbench.data import fetch, read_rows, split

URL = "https://example.org/donor.csv"


def load_donor():
    """Cut the published table 90/5/5 with seed 0."""
    rows = read_rows(fetch(URL), symbols="bases", label="is_donor")
    return split(rows, parts=(0.90, 0.05, 0.05), seed=0)


@hookimpl
def discbench_tasks():
    return [
        Task(
            name="rna.donor",
            version=1,
            dataset=Dataset(load_donor, license="CC-BY-4.0", cite="10.1000/xyz"),
            mapping=RandomTable("ACGU"),
            target=Classes(2),
            metric=accuracy,
        )
    ]
'''


@pytest.fixture
def install(tmp_path):
    """Install a module as a plugin named `rna` and return a way to run discbench with it."""

    def make(source, module="discbench_rna"):
        site = tmp_path / "site"
        (site / f"{module}-1.dist-info").mkdir(parents=True)
        (site / f"{module}.py").write_text(source)
        (site / f"{module}-1.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
        (site / f"{module}-1.dist-info" / "entry_points.txt").write_text(f"[discbench]\nrna = {module}\n")
        (tmp_path / "data").mkdir()
        bases = ["".join("ACGU"[(i * 7 + j * (i % 5 + 1)) % 4] for j in range(12)) for i in range(40)]
        (tmp_path / "data" / "donor.csv").write_text(
            "bases,is_donor\n" + "".join(f"{b},{i % 2}\n" for i, b in enumerate(bases))
        )

        def run(*words, **environment):
            env = {**os.environ, "PYTHONPATH": str(site), "DISCBENCH_DATA": str(tmp_path / "data"), **environment}
            return subprocess.run(
                [sys.executable, "-m", "discbench", *map(str, words)],
                capture_output=True,
                text=True,
                check=False,
                env=env,
            )

        return run

    return make


def test_installing_it_is_enough_to_list_it(install):
    lines = install(PLUGIN)("tasks", "rna").stdout.splitlines()

    assert len(lines) == 2
    assert lines[1].split() == [
        "rna.donor@1",
        "4",
        "symbols",
        "2",
        "classes",
        "accuracy",
        "?",
        "generated",
        "CC-BY-4.0",
    ]


def test_it_is_evaluated_like_a_built_in_task_and_marked_as_unverified(install, checkpoint_directory, tmp_path):
    done = install(PLUGIN)(
        "eval",
        "--model",
        checkpoint_directory,
        "--tasks",
        "rna",
        "--recipe",
        "quick",
        "--seeds",
        1,
        "--results",
        tmp_path / "r",
    )

    assert done.returncode == 0
    assert "[unverified]" in done.stdout
    assert len(list((tmp_path / "r").glob("*/*/rna.donor@1/*.json"))) == 2


def test_a_plugin_that_cannot_be_imported_is_named_with_its_cause_and_the_way_out(install):
    run = install("import nothere\n")
    done = run("tasks")

    assert 3 == done.returncode
    assert "dna.splice@1" in done.stdout
    assert done.stderr == (
        "error: plugin 'rna' (discbench_rna of discbench_rna 1) could not be imported: ModuleNotFoundError(\"No module named 'nothere'\");"
        " set DISCBENCH_BLOCK=rna to run without it\n"
    )
    assert run("tasks", DISCBENCH_BLOCK="rna").returncode == 0


ROWS = Splits(train=[Row("ACGU", 0), Row("CCGU", 1)], validation=[Row("AAAA", 0)], test=[Row("GGGG", 1)])


def task(splits=ROWS, mapping=None, target=None, **fields):
    return Task(
        name="rna.donor",
        version=1,
        dataset=Dataset(lambda: splits, license="x", cite="x", **fields),
        mapping=mapping or RandomTable("ACGU"),
        target=target or Classes(2),
        metric=accuracy,
    )


def broken(of):
    with pytest.raises(AssertionError) as error:
        check_task(of)
    return str(error.value)


def test_a_task_that_keeps_its_promises_gives_its_rows():
    assert check_task(task()) == ROWS


@pytest.mark.parametrize(
    "of,sentence",
    [
        (task(mapping=RandomTable("ACG")), "rna.donor: every symbol is in the alphabet, but ['U'] are not; does the reader treat all letters?"),
        (task(Splits(train=ROWS.train, validation=[], test=ROWS.test)), "rna.donor: no split is empty, but ['validation'] are"),
        (task(Splits(train=ROWS.train, validation=ROWS.test, test=ROWS.train[:1])), "rna.donor: no row is in train and test unless Dataset(overlap=...) says why, but 1 are"),
        (task(target=Classes(1)), "rna.donor: labels are 0..0, but [1.0] occur; is it the right file?"),
        (task(sizes=(3, 1, 1)), "rna.donor: its splits have (3, 1, 1) rows, but they have (2, 1, 1)"),
        (task(Splits(train=[Row("A", 0, "x"), Row("C", 1, "x")], validation=ROWS.test, test=ROWS.validation)), "rna.donor: segments of one item share a label, but those of 'x' do not"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_told_in_one_sentence(of, sentence):
    assert broken(of) == sentence


def test_a_task_whose_rows_change_between_loads_is_told():
    turns = iter([ROWS, Splits(train=ROWS.test, validation=ROWS.train, test=ROWS.validation)])
    of = Task(
        name="rna.donor",
        version=1,
        dataset=Dataset(lambda: next(turns), license="x", cite="x"),
        mapping=RandomTable("ACGU"),
        target=Classes(2),
        metric=accuracy,
    )

    assert broken(of) == "rna.donor: two loads are equal, but they are not"


def test_the_example_vocabulary_keeps_special_and_regular_ids_apart():
    vocabulary = example_vocabulary()

    assert set(vocabulary.regular).isdisjoint(
        {*vocabulary.unused, *vocabulary.prefix, *vocabulary.suffix, vocabulary.pad}
    )
