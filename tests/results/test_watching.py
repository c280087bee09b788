"""What `discbench watch` tells of a store: what runs, where, how far and how fast, and what failed."""

import json
import os
import socket
import time

import pytest
from click.testing import CliRunner
from rich.console import Console
from stores import write

from discbench.cli import cli
from discbench.results.forms.records import failed, read_result
from discbench.results.locks import holding
from discbench.results.running import watching
from discbench.results.store import Store
from discbench.values.cells import Cell


@pytest.fixture
def store(tmp_path):
    """Four finished cells, one of which was run again and has failed."""
    paths = write(tmp_path / "store")
    cell = Cell(**read_result(paths[0])["cell"])
    found = Store(tmp_path / "store")
    found.put(cell, failed(cell, "the training loss is nan at step 7"), None)
    return found, [Cell(**read_result(path)["cell"]) for path in paths]


def looked(root, *more):
    found = CliRunner().invoke(cli, ["watch", "--results", str(root), *more])
    assert 0 == found.exit_code, found.output
    return found.stdout


def test_what_is_finished_is_counted_and_what_failed_is_told_with_its_cause(store):
    found, cells = store
    told = json.loads(looked(found.root, "--json"))

    assert (3, 4) == (told["finished"], told["last_hour"])
    assert [{"id": cells[0].id, "cell": cells[0].words, "cause": "the training loss is nan at step 7"}] == told[
        "failed"
    ]
    assert ([], [], []) == (told["running"], told["gone"], told["arrays"])


@pytest.mark.parametrize("content, fault", [(b"", "it is empty"), (b"{", "it is no JSON, or was cut off")])
def test_a_file_that_is_no_record_is_told_and_not_counted_as_finished(store, content, fault):
    found, cells = store
    found.path(cells[1]).write_bytes(content)
    told = json.loads(looked(found.root, "--json"))

    assert (2, 3, 1) == (told["finished"], told["last_hour"], len(told["failed"]))
    assert f"\nnot counted: {found.path(cells[1])} is no result of a cell: {fault}" in looked(found.root)


def test_a_running_cell_is_told_with_its_place_its_pace_and_the_time_left(store, monkeypatch):
    found, cells = store
    monkeypatch.setattr(holding, "BEAT", 0.01)
    with found.holds.waited(cells[1], "cpu") as hold:
        hold.tell(30, 90, 0.5)
        while not (told := json.loads(looked(found.root, "--json"))["running"][0])["step"]:
            time.sleep(0.01)
        printed = looked(found.root)

    assert (cells[1].id, cells[1].words) == (told["id"], told["what"])
    assert (socket.gethostname(), os.getpid(), "cpu") == (told["host"], told["pid"], told["device"])
    assert (30, 90, 0.5) == (told["step"], told["steps"], told["loss"])
    assert told["steps_per_second"] > 0
    assert f"{cells[1].words}  {socket.gethostname()} {os.getpid()}" in printed
    assert "3 finished, 1 running, 1 failed" in printed
    assert "30/90" in printed
    assert f"failed: {cells[0].words}: the training loss is nan at step 7" in printed


def test_pace_and_time_left_are_those_of_the_steps_done():
    watcher, now = watching.Watcher(None), time.time()
    holder = watching.Holder(
        id="0" * 16, kind="probe", record={}, host="n7", machine="m", pid=3, began=now - 25.0, device="cuda 1",
        token="t", step=40, steps=100, loss=0.1, quiet=5.0,
    )  # fmt: skip
    told = watcher._told(holder, "12_3", now)

    assert (2.0, 30.0, 25.0, 5.0) == tuple(
        told[name] for name in ("steps_per_second", "left", "running_for", "silent_for")
    )
    assert ("n7", "cuda 1", "12_3") == (told["host"], told["device"], told["job"])


def test_a_cell_whose_process_is_gone_is_not_told_as_running(store):
    found, cells = store
    with found.holds.waited(cells[1], "cpu") as hold:
        line = (found.root / ".locks" / f"{cells[1].id}.holder").read_text()
    (found.root / ".locks" / f"{cells[1].id}.holder").write_text(line)
    os.utime(found.path(cells[1]), (0, 0))  # its record is of an earlier run
    told = json.loads(looked(found.root, "--json"))

    assert hold.holder.pid == os.getpid()
    assert [] == told["running"]
    assert [(cells[1].words, os.getpid())] == [(each["what"], each["pid"]) for each in told["gone"]]
    assert (
        f"gone: {cells[1].words}: process {os.getpid()} on {socket.gethostname()} ended without its result"
        in looked(found.root)
    )


def test_a_record_is_read_again_only_when_it_was_written_anew(store, monkeypatch):
    found, cells = store
    watcher, read = watching.Watcher(found.root), []
    monkeypatch.setattr(watching, "_failure", read.append)
    watcher.look()
    watcher.look()
    found.put(cells[2], failed(cells[2], "again"), None)
    watcher.look()

    assert 5 == len(read)
    assert read[-1] == found.path(cells[2])


def test_on_a_terminal_it_looks_again_until_it_is_interrupted(store, monkeypatch):
    found, _ = store
    turns = iter([None, None])

    def turn(_):
        if next(turns, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", turn)
    out = Console(force_terminal=True, width=200, record=True)
    with pytest.raises(KeyboardInterrupt):
        watching.live(watching.Watcher(found.root), out, 2.0)

    assert "3 finished, 0 running, 1 failed" in out.export_text()


@pytest.mark.parametrize("every", ["nan", "inf", "1e10"])
def test_a_pause_that_is_no_number_of_seconds_is_one_line(tmp_path, every):
    found = CliRunner().invoke(cli, ["watch", "--results", str(tmp_path), "--every", every])

    line = f"error: --every {float(every):g}: seconds from 0.1 to 86400 were expected\n"
    assert (2, line) == (found.exit_code, found.stderr)


def test_a_narrow_terminal_cuts_no_number_off(store):
    found, cells = store
    with found.holds.waited(cells[1], "cpu") as hold:
        hold.tell(30, 90, 0.5)
        running = watching.Watcher(found.root).look()["running"][0]
    out = Console(width=60, record=True)
    out.print(watching.text({**watching.Watcher(found.root).look(), "running": [{**running, "step": 30, "steps": 90}]}))

    assert " 30/90 " in out.export_text()


def test_where_there_is_no_store_one_line_says_so(tmp_path):
    found = CliRunner().invoke(cli, ["watch", "--results", str(tmp_path / "nowhere")])

    assert 2 == found.exit_code
    assert (
        f"error: --results '{tmp_path}/nowhere' is no directory; run `discbench eval --results DIR` first\n"
        == found.stderr
    )


def test_what_lies_beside_results_is_no_result(store):
    found, cells = store
    for folder in (".slurm", ".training"):
        (found.root / folder / "a" / "b").mkdir(parents=True)
        for path in (found.root / folder / f"{cells[0].id}.json", found.root / folder / "a" / "b" / "array.json"):
            path.write_text("{}")

    assert 4 == len(list(found.results()))


def test_a_cell_that_failed_with_its_process_is_told_as_failed_alone(store):
    found, cells = store
    with found.holds.waited(cells[1], "cpu"):
        line = (found.root / ".locks" / f"{cells[1].id}.holder").read_text()
    (found.root / ".locks" / f"{cells[1].id}.holder").write_text(line)
    found.path(cells[1]).unlink()
    found.put(cells[1], failed(cells[1], "its process was ended"), None)
    told = json.loads(looked(found.root, "--json"))

    assert [] == told["gone"]
    assert {cells[0].id, cells[1].id} == {each["id"] for each in told["failed"]}
