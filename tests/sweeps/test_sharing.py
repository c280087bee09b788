"""Several sweeps on one store: each cell is run once, every board is complete, and nothing finished is lost."""

import json
import os
import shutil
import threading

import pytest
from click.testing import CliRunner

from discbench.cli import cli
from discbench.executors import inprocess
from discbench.executors.builtin import INPROCESS, LOCAL
from discbench.results import board
from discbench.results.store import Store
from discbench.sweeps import sharing, sweep
from discbench.values.cells import Cell
from discbench.values.jobs import Executor

WORDS = ["eval", "--model", "baseline:majority", "--tasks", "formal.depth,formal.factor,formal.markov", "--seeds", "1", "--recipe", "quick", "--workers", "0"]  # fmt: skip


def evaluated(results, *more):
    return CliRunner().invoke(cli, [*WORDS, "--results", str(results), *more])


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """An undisturbed sweep: its store, what it printed, its records."""
    root = tmp_path_factory.mktemp("alone") / "r"
    result = evaluated(root)
    assert 0 == result.exit_code, result.output
    return root, result, sorted(root.glob("*/*/*/*.json"))


class Other:
    """Another process that holds a cell until this one waits for it, and does something before it lets go.

    Args:
        monkeypatch: Tells it when the sweep has nothing else to do.
        store: Of both.
        record: The path of the cell's record.
        act: What it does then.
    """

    def __init__(self, monkeypatch, store, record, act):
        cell = Cell(**json.loads(record.read_text())["cell"])
        self.hold, self.act = Store(store).holds.take(cell), act
        said = sharing.Sharing._say
        monkeypatch.setattr(sharing.Sharing, "_say", lambda sharing, held: (said(sharing, held), self.let_go()))

    def let_go(self):
        if self.hold is not None:
            self.act()
            self.hold.release()
            self.hold = None


def copied(alone, tmp_path, record):
    """Put a finished cell of the undisturbed sweep into another store."""
    for path in (record, record.with_suffix(".predictions.parquet")):
        place = tmp_path / path.relative_to(alone[0])
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def test_a_cell_that_another_process_runs_is_passed_over_and_waited_for_at_the_end(alone, tmp_path, monkeypatch):
    record = alone[2][0]
    Other(monkeypatch, tmp_path, record, lambda: copied(alone, tmp_path, record))
    result = evaluated(tmp_path)
    lines = result.stderr.splitlines()

    assert (0, alone[1].stdout) == (result.exit_code, result.stdout)
    assert 3 == len(lines[:2] + lines[3:-1])
    assert f"waiting for a cell, which process {os.getpid()} on {os.uname().nodename} runs" == lines[2]
    assert ["[1/3]", "[2/3]", "[3/3]"] == [line.split()[0] for line in lines if line.startswith("[")]
    assert lines[3].endswith(", by another process")
    assert f"trained 2 cells, kept 1; results in {tmp_path}" == lines[4]
    assert record.read_bytes() == (tmp_path / record.relative_to(alone[0])).read_bytes()


def test_a_cell_whose_holder_lets_it_go_unfinished_is_taken_over(alone, tmp_path, monkeypatch):
    Other(monkeypatch, tmp_path, alone[2][1], lambda: None)
    result = evaluated(tmp_path)

    assert (0, alone[1].stdout) == (result.exit_code, result.stdout)
    assert f"trained 3 cells; results in {tmp_path}" == result.stderr.splitlines()[-1]


def test_where_nobody_can_read_who_holds_a_cell_a_line_says_how_long_that_is_waited_for(alone, tmp_path, monkeypatch):
    record = alone[2][1]
    folder = tmp_path / ".locks"
    folder.mkdir()
    (folder / f"{record.stem}.holder").write_bytes(b"")
    monkeypatch.setattr(sharing.Sharing, "wait", lambda self: self._look() and [])
    result = evaluated(tmp_path)

    assert "waiting for a cell: nobody can read whose, so that 90 seconds without a change will tell" in result.stderr


def failure(store, cell):
    about = {"format": 3, "id": cell.id, "cell": cell.record, "task": {}, "marks": []}
    known = next(Store(store).results(), None)
    store = Store(store)
    store.put(
        cell, {**about, "format": known["format"] if known else 1, "status": "failed", "cause": "it was theirs"}, None
    )


def test_a_cell_that_has_failed_elsewhere_meanwhile_is_not_tried_again(alone, tmp_path, monkeypatch):
    record = alone[2][2]
    cell = Cell(**json.loads(record.read_text())["cell"])
    Other(monkeypatch, tmp_path, record, lambda: failure(tmp_path, cell))
    result = evaluated(tmp_path)

    assert 1 == result.exit_code
    assert "FAILED (it was theirs), by another process" in result.stderr
    assert "trained 2 cells, 1 failed (run again to retry them)" in result.stderr


def test_a_cell_that_failed_before_is_tried_again_unless_it_is_to_be_kept(alone, tmp_path):
    shutil.copytree(alone[0], tmp_path / "r")
    record = tmp_path / "r" / alone[2][0].relative_to(alone[0])
    cell = Cell(**json.loads(record.read_text())["cell"])
    record.unlink()
    failure(tmp_path / "r", cell)
    kept, tried = evaluated(tmp_path / "r", "--keep-failed"), evaluated(tmp_path / "r")

    assert (1, 0) == (kept.exit_code, tried.exit_code)
    assert "1 cell failed before and will be kept so; --retry-failed tries it again" in kept.stderr.splitlines()
    assert "it was theirs" in kept.stderr
    assert "1 cell failed before and will be tried again; --keep-failed leaves it as it is" in tried.stderr.splitlines()
    assert f"trained 1 cells, kept 2; results in {tmp_path}/r" == tried.stderr.splitlines()[-1]


def test_several_sweeps_at_once_run_each_cell_once(alone, tmp_path, monkeypatch):
    put, written = Store.put, []
    monkeypatch.setattr(Store, "put", lambda store, cell, *rest: (written.append(cell.id), put(store, cell, *rest)))
    asked = ["eval", *WORDS[1:-2], "--workers", "0", "--results", str(tmp_path)]
    codes = []

    def copy():
        try:
            cli.main(asked, standalone_mode=False)
        except SystemExit as error:
            codes.append(error.code)

    copies = [threading.Thread(target=copy) for _ in range(3)]
    for each in copies:
        each.start()
    for each in copies:
        each.join()

    assert [path.stem for path in alone[2]] == sorted(written)
    assert board.build(Store(alone[0]).results()) == board.build(Store(tmp_path).results())


def stopping(root, executor=INPROCESS):
    """The executor, which loses the store when its cells are finished."""

    def run(jobs, place, workers, threads, watch):
        executor.run(jobs, place, workers, threads, watch)
        shutil.rmtree(root)

    return run


def test_a_store_that_is_removed_while_a_sweep_runs_is_one_line_and_the_next_run_begins_anew(
    alone, tmp_path, monkeypatch
):
    root = tmp_path / "r"
    monkeypatch.setattr(sweep, "INPROCESS", Executor(name="lossy", run=stopping(root), shares=True))
    result = evaluated(root)

    assert 2 == result.exit_code
    line = result.stderr.splitlines()[-1]
    assert line.startswith(
        f"error: --results '{root}' was removed or emptied while the sweep ran: 3 of 3 cells were finished and are gone"
    )
    monkeypatch.undo()
    assert alone[1].stdout == evaluated(root).stdout


def test_a_clock_that_is_set_back_has_nothing_run_again(alone, tmp_path):
    shutil.copytree(alone[0], tmp_path / "r")
    for path in (tmp_path / "r").rglob("*"):
        os.utime(path, (4e9, 4e9))
    result = evaluated(tmp_path / "r")

    assert (0, alone[1].stdout) == (result.exit_code, result.stdout)
    assert "trained nothing: every cell was in the store" in result.stderr


def test_an_executor_that_waits_for_others_begins_elsewhere_when_there_are_any(alone, tmp_path):
    cells = [Cell(**json.loads(path.read_text())["cell"]) for path in alone[2]]
    store = Store(tmp_path)

    assert cells == sharing.apart(cells, store)
    hold = store.holds.take(cells[0])
    assert [*cells[1:], cells[0]] == sharing.apart(cells, store)
    hold.release()


def test_the_built_in_executors_pass_over_what_others_run():
    assert (True, True, False) == (LOCAL.shares, INPROCESS.shares, Executor(name="other", run=inprocess.run).shares)
