"""A third party's plugin, installed: one file, listed, checked, evaluated, and named when it breaks."""

import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from discbench import (
    Classes,
    Dataset,
    Metric,
    RandomTable,
    Row,
    Scalar,
    Splits,
    Task,
    TextTable,
    accuracy,
    auroc,
    rmse,
    spearman,
)
from discbench.data.rows import digest
from discbench.errors import PluginError
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


pytestmark = pytest.mark.filterwarnings("ignore::discbench.testing.Remark")  # toys of four rows lack classes
ROWS = Splits(train=[Row("ACGU", 0), Row("CCGU", 1)], validation=[Row("AAAA", 0)], test=[Row("GGGG", 1)])


def task(splits=ROWS, mapping=None, target=None, metric=accuracy, **fields):
    return Task(
        name="rna.donor",
        version=1,
        dataset=Dataset(splits if callable(splits) else lambda: splits, license="x", cite="x", **fields),
        mapping=mapping or RandomTable("ACGU"),
        target=target or Classes(2),
        metric=metric,
    )


def rows(train=ROWS.train, test=ROWS.test, **more):
    return task(Splits(train=train, validation=ROWS.validation, test=test), **more)


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
        (task(Splits(train=ROWS.train, validation=[], test=ROWS.test)), "rna.donor: no split is empty, but ['validation'] are, of 3 rows in all"),
        (task(Splits(train=ROWS.train, validation=ROWS.test, test=ROWS.train[:1])), "rna.donor: no row is in train and test unless Dataset(overlap=...) says why, but 1 are"),
        (task(Splits(train=[Row("ACGU", 2), Row("CCGU", 1)], validation=ROWS.validation, test=ROWS.test)), "rna.donor: labels are 0..1, but 1..2 occur; subtract 1, or say read_rows(classes=(1, 2))"),
        (task(sizes=(3, 1, 1)), "rna.donor: its splits have (3, 1, 1) rows, but they have (2, 1, 1)"),
        (task(Splits(train=[Row("A", 0, "x"), Row("C", 1, "x")], validation=ROWS.test, test=ROWS.validation)), "rna.donor: segments of one item share a label, but those of 'x' do not"),
        (rows(train=[Row("A", 0, "x"), Row("C", 1, "y")], test=[Row("G", 1, "y")]), "rna.donor: no item has segments in two splits unless Dataset(overlap=...) says why, but 1 have in train and test, 'y' for one; see discbench.data.split"),
        (task(Splits(train=[Row("A", 0, family="x"), Row("C", 1, family="y")], validation=[Row("G", 1, family="y")], test=ROWS.test)), "rna.donor: no family has rows in two splits unless Dataset(overlap=...) says why, but 1 have in train and validation, 'y' for one; see discbench.data.grouped_split"),
        (rows(train=[Row("A", 0), Row("C", 1, family=3)]), "rna.donor: a family is a name or None, but 3 was found in row 1 of train"),
        (task(lambda: 1 / 0), "rna.donor: its load() failed: ZeroDivisionError('division by zero') (test_plugin.py, line LINE)"),
        (task(lambda: {"train": []}), "rna.donor: load() returns Splits, but a dict was found; see discbench.data.split"),
        (task(lambda: (sys.stdout.write("reading\n"), ROWS)[1]), "rna.donor: loading it prints nothing, but it prints 'reading\\nreading\\n'"),
        (rows(train=(row for row in ROWS.train)), "rna.donor: train rows are a list, but a generator was found"),
        (rows(train=[("ACGU", 0)]), "rna.donor: a Row was expected, but a tuple was found in row 0 of train"),
        (rows(test=[Row("GGGG", "yes")]), "rna.donor: a target is a number, but 'yes' was found in row 0 of test"),
        (rows(test=[Row("GGGG", float("nan"))], target=Scalar(), metric=rmse), "rna.donor: labels are finite numbers, but some are not; is the file whole?"),
        (rows(test=[Row(b"GGGG", 0)]), "rna.donor: symbols are a string or a list of strings or integers, but b'GGGG' was found in row 0 of test"),
        (rows(test=[Row(["A", 1.5], 0)]), "rna.donor: a symbol is a string or an integer, but 1.5 was found in row 0 of test"),
        (rows(test=[Row("GGGG", 0, pair="x")]), "rna.donor: only text tasks (TextTable) have a second text, but pair='x' was found in row 0 of test"),
        (rows(test=[Row(None, 0)], mapping=TextTable()), "rna.donor: the symbols of a text task are a text, but None was found in row 0 of test"),
        (rows(test=[Row("a", 0, pair="x"), Row("b", 1)], mapping=TextTable()), "rna.donor: all rows of test have a pair or none has, but some have none"),
        (rows(test=[Row("GG", 0, "x"), Row("GA", 1)]), "rna.donor: all rows of test have a group or none has, but some have none"),
        (rows(test=[Row("ACGU", 1)]), "rna.donor: no row is in train and test unless Dataset(overlap=...) says why, but 1 are"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_told_in_one_sentence(of, sentence):
    assert re.sub(r"line \d+\)$", "line LINE)", broken(of)) == sentence


@pytest.mark.parametrize(
    "part, given, told",
    [
        ("version", True, "task 'rna.donor' has version True; give a whole number from 1"),
        ("dataset", None, "task 'rna.donor': dataset is a Dataset, but None was given"),
        ("dataset", Dataset(ROWS, license="x", cite="x"), "task 'rna.donor': Dataset(load) is a function without arguments, but Splits(train=[Row(symbols='ACGU', target was given"),
        ("dataset", Dataset(lambda: ROWS, license="", cite="x"), "task 'rna.donor': Dataset(license=...) names a licence, but it is empty; say 'none stated' where there is none"),
        ("mapping", "ACGU", "task 'rna.donor': mapping is a RandomTable or TextTable, but 'ACGU' was given"),
        ("target", 2, "task 'rna.donor': target is a Classes or Scalar, but 2 was given"),
        ("metric", "accuracy", "task 'rna.donor': metric is a Metric, but 'accuracy' was given"),
        ("metric", spearman, "task 'rna.donor': metric spearman is of scalars, but the target is 2 classes"),
        ("target", Scalar(), "task 'rna.donor': metric accuracy is of classes, but the target is scalar"),
        ("also", (rmse,), "task 'rna.donor': metric rmse is of scalars, but the target is 2 classes"),
        ("also", (accuracy,), "task 'rna.donor': each metric has a name of its own, but accuracy, accuracy were given"),
        ("also", spearman, "task 'rna.donor': also is a tuple of Metric, but Metric(name='spearman', function=<functi was given"),
        ("max_symbols", 0, "task 'rna.donor': max_symbols is 1 or more, or None, but 0 was given"),
        ("chance", float("nan"), "task 'rna.donor': chance is a finite number or None, but nan was given"),
    ],
)  # fmt: skip
def test_a_task_of_parts_that_do_not_fit_is_refused_when_it_is_made(part, given, told):
    with pytest.raises(PluginError) as error:
        replace(task(), **{part: given})

    assert told == str(error.value)


@pytest.mark.parametrize(
    "make, told",
    [
        (lambda: Classes(1), "Classes(1): a whole number from 2 was expected"),
        (lambda: Classes(3, ("a", "b")), "Classes(3) has 2 names; give one for each class, or none"),
        (lambda: RandomTable(""), "an alphabet has 1 to 65536 symbols, but this one has 0"),
        (lambda: Metric("", len), "a metric is named by a word, but '' was given"),
        (lambda: Metric("recall", 1.0), "metric 'recall': function maps targets and predictions, but 1.0 was given"),
        (lambda: Metric("recall", len, needs="outputs"), "metric 'recall': needs is one of prediction, output, but 'outputs' was given"),
        (lambda: Metric("recall", len, of="class"), "metric 'recall': of is one of anything, classes, two classes, scalars, but 'class' was given"),
        (lambda: task(target=Classes(3), metric=auroc), "task 'rna.donor': metric auroc is of two classes, but the target is 3 classes"),
    ],
)  # fmt: skip
def test_parts_that_can_be_of_no_task_are_refused(make, told):
    with pytest.raises(PluginError) as error:
        make()

    assert told == str(error.value)


def test_numbers_of_numpy_and_python_are_the_same_rows():
    assert digest(rows(train=[Row("A", 1), Row("C", 0)]).dataset.load()) == digest(
        rows(train=[Row("A", np.int64(1)), Row("C", np.int32(0))]).dataset.load()
    )
    assert check_task(rows(train=[Row("A", True), Row("C", False)]))


def test_a_task_of_many_symbols_is_checked_on_a_vocabulary_that_holds_them():
    many = Splits(train=[Row([0, 1], 0), Row([2], 1)], validation=[Row([3], 0)], test=[Row([4], 1)])

    assert many == check_task(task(many, mapping=RandomTable(range(30_000))))


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


WORDS = tuple(map("".join, product("ACGU", repeat=3)))


def from_a_set():
    words = list(set(WORDS))
    return Splits(train=[Row(w, i % 2) for i, w in enumerate(words[:40])], validation=[Row(words[40], 0)], test=[Row(words[41], 1)])  # fmt: skip


def in_the_order_of_a_set():
    return Splits(train=[Row(word, 0) for word in set(WORDS[:40])], validation=[Row(WORDS[40], 0)], test=[Row(WORDS[41], 1)])  # fmt: skip


def test_a_task_whose_splits_hang_on_the_order_of_a_set_is_told():
    found = "they are not; seed every draw, and sort what comes out of a set before it is cut or numbered"
    assert f"rna.donor: another process loads the same rows, but {found}" == broken(task(from_a_set))


def test_the_order_within_a_split_means_nothing_so_it_may_be_that_of_a_set():
    assert 40 == len(check_task(task(in_the_order_of_a_set)).train)


def test_a_task_that_loads_only_where_it_was_made_is_told_with_the_cause():
    here = os.getpid()
    sentence = broken(task(lambda: ROWS if os.getpid() == here else 1 / 0))

    assert sentence.startswith(
        "rna.donor: another process loads the same rows, but rna.donor: its load() failed: ZeroDivisionError("
    )


def test_a_task_that_ends_the_process_it_is_loaded_in_is_told_with_the_exit_code():
    here = os.getpid()

    assert (
        "rna.donor: another process loads the same rows, but loading them there ended with code 7 (no message)"
        == broken(task(lambda: ROWS if os.getpid() == here else os._exit(7)))
    )


def test_a_task_that_cannot_be_sent_to_another_process_is_checked_in_this_one():
    lock = threading.Lock()

    assert ROWS == check_task(task(lambda: ROWS if lock else None))


def test_arrays_are_rows_as_lists_are():
    listed = rows(train=[Row([0, 2], 1), Row([1], 0)], mapping=RandomTable(range(3)), target=Scalar(), metric=rmse)
    arrays = [Row(np.array([0, 2], np.uint8), np.float32(1)), Row([np.int64(1)], torch.tensor(0))]

    assert arrays == listed.dataset.load().train


@pytest.mark.parametrize(
    "alphabet, told",
    [
        ({"A"}, "an alphabet is a string or a list of symbols, always in one order, but {'A'} was given"),
        (b"ACGU", "an alphabet is a string or a list of symbols, always in one order, but b'ACGU' was given"),
        (4, "an alphabet is a string or a list of symbols, always in one order, but 4 was given"),
        (["A", ["C"]], "a symbol of an alphabet is a string or an integer, but ['C'] was given"),
        ([False, True], "a symbol of an alphabet is a string or an integer, but False was given"),
    ],
)
def test_an_alphabet_without_an_order_or_of_other_things_is_refused(alphabet, told):
    with pytest.raises(PluginError) as error:
        RandomTable(alphabet)

    assert told == str(error.value)


def test_an_alphabet_may_be_an_array():
    assert RandomTable([0, 1, 2]) == RandomTable(np.arange(3))


def test_the_example_vocabulary_keeps_special_and_regular_ids_apart():
    vocabulary = example_vocabulary()

    assert set(vocabulary.regular).isdisjoint(
        {*vocabulary.unused, *vocabulary.prefix, *vocabulary.suffix, vocabulary.pad}
    )


FAILING = """
from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, hookimpl

def failing():
    return 1 / 0

def working():
    return Splits(train=[Row("AC", 0), Row("CA", 1)], validation=[Row("AA", 0)], test=[Row("CC", 1)])

@hookimpl
def discbench_tasks():
    return [
        Task(name=f"rna.{load.__name__}", version=1, dataset=Dataset(load, license="CC0-1.0", cite="none"),
             mapping=RandomTable("AC"), target=Classes(2), metric=accuracy)
        for load in (failing, working)
    ]
"""


def test_a_reader_that_fails_is_named_with_the_line_and_holds_up_no_other_task(install):
    run = install(FAILING)
    told = "rna.failing: its load() failed: ZeroDivisionError('division by zero') (discbench_rna.py, line 5)\n"

    evaluated = run("eval", "--model", "builtin:tiny", "--tasks", "rna", "--recipe", "quick")
    verified = run("data", "verify", "rna")

    assert (3, "", f"error: {told}") == (evaluated.returncode, evaluated.stdout, evaluated.stderr)
    assert (3, f"rna.failing@1: error: {told}") == (verified.returncode, verified.stderr)
    assert verified.stdout.startswith("rna.working@1: unverified, 2/1/1 rows, SHA-256 ")
