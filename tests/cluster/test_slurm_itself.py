"""A real Slurm of one node, started and stopped here: `make cluster` runs these, CI does not."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from slurms import Slurm, missing

from discbench.executors.builtin import SLURM
from discbench.results.locks.holder import holders
from discbench.testing import check_executor

pytest.importorskip("submitit", reason="submitit is not installed: pip install 'discbench[slurm]'")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(bool(missing()), reason=f"no {', '.join(missing())}: apt-get install slurm-wlm munge"),
    pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="the daemons are started as root"),
]
LONG = 300
"""Seconds after which something will not come any more."""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The daemons; the commands of this process and of its children find them."""
    made = Slurm(tmp_path_factory.mktemp("slurm"))
    made.start()
    patch = pytest.MonkeyPatch()
    patch.setenv("SLURM_CONF", made.env["SLURM_CONF"])
    yield made
    patch.undo()
    made.stop()


def command(model, results, *more, epochs=60, seeds=2):
    """Words of a sweep: two inits of some seeds."""
    what = ["--model", model, "--tasks", "formal.factor", "--recipe", "quick", "--seeds", seeds, "--limit", 64]
    all_of_it = ["eval", *what, "--set", f"epochs={epochs}", "--results", results, *more]
    return [sys.executable, "-m", "discbench", *map(str, all_of_it)]


def on_slurm(model, results, *more, time="10", **what):
    return command(model, results, "--executor", "slurm", "--time", time, "--workers", 2, *more, **what)


def started(words):
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(words, code=0):
    found = subprocess.run(words, capture_output=True, text=True, check=False, timeout=1200)
    assert code == found.returncode, found.stderr
    return found


def waited(what, seconds=LONG):
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.2)
    return found


def array(results):
    """The record of the store's only array, once it is there."""
    return json.loads(waited(lambda: [*Path(results).glob(".slurm/*/array.json")])[0].read_text())


def running(results, record):
    """Elements whose cells are being trained."""
    held = {holder.id for holder in holders(results)}
    return sorted(number for number, cells in record["elements"].items() if held & set(cells))


def element_process(number):
    """The process of an element on this node."""
    job, index = number.split("_")
    wanted = {f"SLURM_ARRAY_JOB_ID={job}".encode(), f"SLURM_ARRAY_TASK_ID={index}".encode()}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words, said = ((folder / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
            if b"submitit.core._submit" in words and b"srun" not in words[0] and wanted <= set(said):
                return int(folder.name)
        except OSError:
            continue
    return None


def test_it_keeps_every_promise_of_an_executor(slurm):
    check_executor(replace(SLURM, run=partial(SLURM.run, time="10")))


def test_elements_that_are_cancelled_requeued_and_killed_leave_a_board_that_the_same_command_completes(
    slurm, checkpoint_directory, tmp_path
):
    words = on_slurm(checkpoint_directory, tmp_path / "found", seeds=3)
    process = started(words)
    record = array(tmp_path / "found")
    cancelled, requeued = waited(lambda: len(found := running(tmp_path / "found", record)) > 1 and found[:2])
    assert 0 == slurm("scancel", cancelled).returncode
    assert 0 == slurm("scontrol", "requeue", requeued).returncode
    others = set(record["elements"]) - {cancelled, requeued}
    killed = waited(lambda: sorted(others & set(running(tmp_path / "found", record))))[0]
    os.kill(element_process(killed), signal.SIGKILL)
    _, told = process.communicate(timeout=1200)
    failed = re.findall(r"^failed: .*?: (Slurm job .*)$", told, re.MULTILINE)

    assert 1 == process.returncode, told
    assert 2 == len(failed)
    assert any(f"Slurm job {cancelled} on" in line and "it was cancelled (CANCELLED)" in line for line in failed)
    assert any(f"Slurm job {killed} on" in line and "it failed (FAILED)" in line for line in failed)

    board = done([*words, "--json"]).stdout
    assert done(command(checkpoint_directory, tmp_path / "wanted", "--json", seeds=3)).stdout == board
    assert not (tmp_path / "found" / ".slurm").exists() or array(tmp_path / "found")["job"] == record["job"]


def test_cells_go_on_in_another_run_of_their_element_when_its_time_is_over(slurm, checkpoint_directory, tmp_path):
    words = on_slurm(
        checkpoint_directory, tmp_path / "found", "--cells-per-job", 40, "--json", time="2", seeds=20, epochs=400
    )
    process = started(words)
    folder = (tmp_path / "found" / ".slurm" / array(tmp_path / "found")["name"]).resolve()
    waited(lambda: any("goes back into the queue" in log.read_text() for log in folder.glob("*.out")))
    board, told = process.communicate(timeout=1200)

    assert 0 == process.returncode, told
    wanted = command(checkpoint_directory, tmp_path / "wanted", "--json", seeds=20, epochs=400)
    assert done(wanted).stdout == board


def test_a_cell_that_the_whole_time_is_too_short_for_is_told_as_failed(slurm, checkpoint_directory, tmp_path):
    words = on_slurm(checkpoint_directory, tmp_path, "--inits", "scratch", time="1", seeds=1, epochs=100_000)
    told = done(words, code=1).stderr

    assert re.search(
        r"failed: .* scratch seed 0: its time was over: it (ran alone for|had not begun after) [01]\.\d minutes of --time 1 \(Slurm job \d+ on"
        r" \S+\); give a longer --time, or --checkpoint-minutes\n",
        told,
    )


def test_a_detached_array_is_submitted_once_and_the_same_command_without_it_collects(
    slurm, checkpoint_directory, tmp_path
):
    words = on_slurm(checkpoint_directory, tmp_path)
    first, second = done([*words, "--detach"]), done([*words, "--detach"])
    watched = json.loads(done([sys.executable, "-m", "discbench", "watch", "--results", tmp_path, "--json"]).stdout)
    board = done(words)

    assert re.fullmatch(r"\d+\n", first.stdout)
    assert first.stdout == second.stdout
    assert "4 cells are with Slurm array" in first.stderr
    assert [(first.stdout.strip(), 4)] == [(each["job"], each["cells"]) for each in watched["arrays"]]
    assert "submitted before" in board.stderr
    assert "trained 4 cells" in board.stderr
    assert {first.stdout.strip()} == {
        line.split("_")[0]
        for line in slurm(
            "squeue", "-h", "-r", "-t", "all", "-n", watched["arrays"][0]["name"], "-o", "%i"
        ).stdout.split()
    }


def test_ctrl_c_cancels_the_array_and_says_so(slurm, checkpoint_directory, tmp_path):
    process = started(on_slurm(checkpoint_directory, tmp_path, epochs=2000))
    record = array(tmp_path)
    waited(lambda: running(tmp_path, record))
    process.send_signal(signal.SIGINT)
    output, told = process.communicate(timeout=60)
    last = told.splitlines()[-1]

    assert (130, "") == (process.returncode, output)
    assert (
        f"interrupted: 0 of 4 cells are finished and kept in {tmp_path}, Slurm array {record['job']} is cancelled"
        in last
    )
    waited(lambda: not slurm("squeue", "-h", "-n", record["name"]).stdout.strip())
    assert [] == holders(tmp_path)
