"""A run counts once, by the command line, in Python and through a host; pinned rows are verified from then on."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner
from stores import by_id, write

from discbench import Board, Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, evaluate
from discbench.cli import cli
from discbench.data.rows import digest
from discbench.errors import PluginError, StoreError
from discbench.plugins import registry
from discbench.results import board
from discbench.results.store import Store
from discbench.submissions.verify import Verifier


def discbench(*words):
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture
def doubled(tmp_path):
    """A store with a copy of its only checkpoint's folder in it, and the sentence about it."""
    root = tmp_path / "results"
    first = write(root, limit=32)[0]
    shutil.copytree(root / "builtin__tiny", root / "builtin__tiny.bak")
    copy = root / "builtin__tiny.bak" / first.relative_to(root / "builtin__tiny")
    return (
        root,
        f"{copy} is a result out of its place: it counts as {first} only; move the copy out of the store, or the file to its place",
    )


@pytest.mark.parametrize("words", [["board"], ["compare", "builtin:tiny", "builtin:tiny"], ["export", "--to", "csv", "--out", "o"], ["submit", "--out", "o.zip"]])  # fmt: skip
def test_a_copied_folder_is_an_error_of_every_command_that_counts(doubled, words, tmp_path, monkeypatch):
    root, told = doubled
    monkeypatch.chdir(tmp_path)
    done = discbench(*words, "--results", root)

    assert (2, f"error: {told}\n") == (done.exit_code, done.stderr)


def test_a_copied_folder_is_an_error_in_python_and_before_anything_is_trained(doubled):
    root, told = doubled
    for read in (
        lambda: Board.read(root),
        lambda: evaluate("builtin:tiny", "formal.factor", recipe="quick", limit=32, seeds=2, results=root, workers=0),
    ):
        with pytest.raises(StoreError) as error:
            read()
        assert told == str(error.value)


def test_a_copied_folder_is_an_error_through_a_host(doubled):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    root, told = doubled
    words = ["--tasks", "formal.factor", "--model_args", f"pretrained=builtin:tiny,recipe=quick,limit=32,results={root},workers=0"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "discbench", "lm-eval", "run", *words], capture_output=True, text=True, check=False
    )

    assert 2 == done.returncode
    assert f"error: {told}" in done.stderr.splitlines()


def test_a_seed_that_was_run_by_two_recipes_of_one_name_is_named(tmp_path):
    write(tmp_path, inits=("scratch",), seeds=(0,), limit=8)
    (one,) = Store(tmp_path).results()
    other = {**one, "id": "0" * 16, "cell": {**one["cell"], "recipe": {**one["cell"]["recipe"], "lr": 0.5}}}

    with pytest.raises(StoreError, match=r"and 0{16} are both of builtin:tiny formal\.factor@1 scratch seed 0 by recipe 'quick' and differ in its lr"):  # fmt: skip
        board.build([one, other])


ROWS = [Row(f"{i:04b}".replace("0", "a").replace("1", "b"), i % 2) for i in range(16)]
SPLITS = Splits(train=ROWS[:8], validation=ROWS[8:12], test=ROWS[12:])


def toy(**dataset):
    return Task(
        name="toy.pinned", version=1, dataset=Dataset(lambda: SPLITS, license="CC0-1.0", cite="none", **dataset),
        mapping=RandomTable("ab"), target=Classes(2), metric=accuracy,
    )  # fmt: skip


def test_cells_made_before_a_hash_was_pinned_are_verified_once_it_is(tmp_path, monkeypatch):
    asked = {"results": tmp_path, "seeds": 1, "workers": 0}
    before = evaluate("baseline:majority", [toy()], **asked)
    pinned = toy(rows_sha256=digest(SPLITS))
    after = evaluate("baseline:majority", [pinned], **asked)

    assert [["unverified"], []] == [made.record["entries"][0]["marks"] for made in (before, after)]
    assert 1 == after.kept
    verdicts = [Verifier(tasks={task.id: task}).verify(tmp_path) for task in (toy(), pinned)]
    assert [["marks"], []] == [[f.check for f in verdict.findings if f.level == "error"] for verdict in verdicts]

    known = registry.tasks(registry.plugins())
    monkeypatch.setattr(registry, "tasks", lambda *_: {**known, pinned.name: pinned})
    assert [] == Board.read(tmp_path).record["entries"][0]["marks"]
    assert "[unverified]" not in discbench("board", "--results", tmp_path).stdout
    monkeypatch.setattr(registry, "tasks", lambda *_: {**known, pinned.name: toy()})
    assert "[unverified]" in discbench("board", "--results", tmp_path).stdout


def test_cells_whose_task_names_other_rows_now_are_no_longer_verified(tmp_path):
    write(tmp_path, inits=("scratch",), seeds=(0,))
    task = by_id()["formal.factor@1"]
    other = replace(task, dataset=replace(task.dataset, rows_sha256="0" * 64))

    assert [] == Verifier(tasks={task.id: task}).verify(tmp_path).findings
    assert ["dataset", "marks"] == sorted(
        f.check for f in Verifier(tasks={task.id: other}).verify(tmp_path).findings if f.level == "error"
    )


@pytest.mark.parametrize("given", ["f4e5afe37028…", "F" * 64, "0" * 63, 7, ""])
def test_a_hash_that_is_not_whole_is_refused_where_it_is_given(given):
    with pytest.raises(PluginError) as error:
        toy(rows_sha256=given)
    assert (
        f"Dataset(rows_sha256={given!r}): 64 hexadecimal digits in lower case were expected; `discbench tasks NAME` prints"
        " them"
    ) == str(error.value)
