"""Locks of cells: who has one is readable, who is gone has none, and no clock decides."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stores import write

from discbench.results.forms.records import read_result
from discbench.results.locks import holding
from discbench.results.locks.holder import holders, machine, read_holder
from discbench.results.locks.holding import Holds
from discbench.values.cells import Cell

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cell(tmp_path_factory):
    return Cell(**read_result(write(tmp_path_factory.mktemp("store"))[0])["cell"])


def names(root):
    return sorted(path.name for path in (root / ".locks").iterdir())


def line(root, cell):
    return root / ".locks" / f"{cell.id}.holder"


def written(root, cell, **changes):
    """Leave the line of a holder that is gone, or is elsewhere, with no lock of ours."""
    line(root, cell).unlink(missing_ok=True)
    hold = Holds(root).take(cell)
    said = {**json.loads(line(root, cell).read_bytes()), **changes}
    hold.release()
    line(root, cell).write_text(json.dumps(said))


def soon(holds, cell, monkeypatch, seconds):
    """What `free` says after so many more seconds by this process's own watch."""
    now = time.monotonic()
    monkeypatch.setattr(holding.time, "monotonic", lambda: now + seconds)
    return holds.free(cell)


def test_a_cell_has_one_holder_and_is_free_when_it_is_released(tmp_path, cell):
    hold = Holds(tmp_path).take(cell)

    assert hold is not None
    assert None is Holds(tmp_path).take(cell)
    assert not Holds(tmp_path).free(cell)
    hold.release()
    assert Holds(tmp_path).free(cell)
    assert [f"{cell.id}.lock"] == names(tmp_path)


def test_whose_a_cell_is_and_how_far_is_read_from_the_store(tmp_path, cell, monkeypatch):
    monkeypatch.setattr(holding, "BEAT", 0.01)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-3a")
    hold = Holds(tmp_path).take(cell, "cuda")
    hold.tell(7, 20, float("nan"))
    while (found := holders(tmp_path)[0]).step != 7:
        time.sleep(0.01)
    hold.release()

    expected = ("cell", cell.record, os.getpid(), "cuda GPU-3a", machine(), 20, None)
    assert expected == (found.kind, found.record, found.pid, found.device, found.machine, found.steps, found.loss)
    assert [] == holders(tmp_path)


def test_what_a_killed_process_held_is_free_at_once(tmp_path, cell):
    script = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from discbench.results.locks.holding import Holds
from discbench.values.cells import Cell
from pathlib import Path
hold = Holds(Path({str(tmp_path)!r})).take(Cell(**{cell.record!r}))
print("held", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert "held\n" == process.stdout.readline()
        assert None is Holds(tmp_path).take(cell)
        assert [process.pid] == [holder.pid for holder in holders(tmp_path)]
        process.send_signal(signal.SIGKILL)

    assert read_holder(line(tmp_path, cell)) is not None
    assert [] == holders(tmp_path)
    hold = Holds(tmp_path).take(cell)
    assert os.getpid() == read_holder(line(tmp_path, cell)).pid
    hold.release()


def test_a_holder_on_another_machine_counts_until_its_line_stands_still(tmp_path, cell, monkeypatch):
    written(tmp_path, cell, machine="another", host="node7", pid=1)
    holds = Holds(tmp_path)

    assert None is holds.take(cell)
    assert "process 1 on node7" == holds.holder(cell).words
    assert not soon(holds, cell, monkeypatch, holding.GONE - 1)
    written(tmp_path, cell, machine="another", beat=1)
    assert not soon(holds, cell, monkeypatch, holding.GONE + 1)
    assert soon(holds, cell, monkeypatch, holding.GONE + 2)
    assert not line(tmp_path, cell).exists()


@pytest.mark.parametrize("ahead", [-1e8, 1e8])
def test_a_clock_that_was_set_decides_nothing(tmp_path, cell, monkeypatch, ahead):
    holds, then = Holds(tmp_path), time.time() + ahead
    written(tmp_path, cell, began=then)
    os.utime(line(tmp_path, cell), (then, then))
    assert holds.free(cell)

    written(tmp_path, cell, machine="another", began=then)
    os.utime(line(tmp_path, cell), (then, then))
    assert not holds.free(cell)
    assert soon(holds, cell, monkeypatch, holding.GONE + 1)


def test_a_line_of_zero_bytes_keeps_nobody_out_for_long(tmp_path, cell, monkeypatch):
    written(tmp_path, cell)
    line(tmp_path, cell).write_bytes(b"")
    holds = Holds(tmp_path)

    assert not holds.free(cell)
    assert [] == holders(tmp_path)
    assert soon(holds, cell, monkeypatch, holding.GONE + 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "0123456789abcdef"},
        {"record": {}},
        {"record": []},
        {"kind": "other"},
        {"pid": "1"},
        {"began": "today"},
        {"began": 1e300},
        {"step": None},
        {"steps": float("inf")},
        {"loss": float("nan")},
        {"token": []},
    ],
)
def test_a_line_that_no_store_of_ours_writes_is_nobodys(tmp_path, cell, changes):
    written(tmp_path, cell, machine="another", **changes)

    assert None is read_holder(line(tmp_path, cell))
    assert Holds(tmp_path).unread(cell)
    assert [] == holders(tmp_path)


def test_where_locks_hold_within_a_machine_only_the_line_that_is_there_first_decides(tmp_path, cell, monkeypatch):
    hold = Holds(tmp_path).take(cell)
    monkeypatch.setattr(Holds, "_left", lambda *_: True)  # it looked just before the other machine wrote
    (tmp_path / ".locks" / f"{cell.id}.lock").unlink()  # and its lock is none of ours

    assert None is Holds(tmp_path).take(cell)
    assert hold.holder == read_holder(line(tmp_path, cell))
    assert [f"{cell.id}.holder", f"{cell.id}.lock"] == names(tmp_path)


def test_a_file_system_without_hard_links_will_do(tmp_path, cell, monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    hold = Holds(tmp_path).take(cell)

    assert hold.holder == read_holder(line(tmp_path, cell))
    assert None is Holds(tmp_path).take(cell)
    hold.release()
    assert [f"{cell.id}.lock"] == names(tmp_path)


def test_a_store_that_is_removed_meanwhile_is_no_hindrance_to_releasing(tmp_path, cell):
    hold = Holds(tmp_path / "r").take(cell)
    shutil.rmtree(tmp_path / "r")
    hold.release()

    assert Holds(tmp_path / "r").free(cell)
