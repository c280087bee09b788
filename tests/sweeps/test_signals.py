"""Sweeps that are interrupted: one line, an exit code, nothing left running and nothing half written."""

import atexit
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from discbench.executors import start

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells which processes are left")
GONE = 60
"""Seconds after which a process counts as left behind; on an idle machine all are gone in a tenth of one."""
TOLD = r"interrupted: \d of 4 cells (is|are) finished and kept in .*; run the same command to go on"


def running(tag):
    """The command lines of living processes that have a variable of ours, by process id."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and f"DISCBENCH_TEST={tag}".encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            pass
    return found


def waited(what, seconds=300):
    """What a function returns as soon as it is something, or in the end."""
    until = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def reached(process, what):
    """See that a process comes to where a function returns something, and say what it says if it ends before."""
    if not waited(lambda: what() or process.poll() is not None) or process.poll() is not None:
        process.kill()
        pytest.fail("\n".join(process.communicate()))


def all_gone(tag):
    """Whether every process of that tag ends."""
    return waited(lambda: not running(tag), GONE)


def started(tmp_path, *command):
    """Start a program in a group of its own, with a folder for its temporary files."""
    short = tempfile.mkdtemp(prefix="d")  # a fork server's socket has a short name
    atexit.register(shutil.rmtree, short, ignore_errors=True)
    (tmp_path / "temporary").symlink_to(short)
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DISCBENCH_TEST": str(tmp_path), "TMPDIR": short},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads here
    )


def sweep(model, tmp_path):
    """Words of a sweep of four cells that take long."""
    what = ["--model", model, "--tasks", "formal.factor", "--recipe", "quick", "--set", "epochs=400", "--seeds", 2]
    return ["eval", *what, "--limit", 64, "--workers", 2, "--results", tmp_path / "results"]


def under_way(tmp_path):
    """The locks of the cells that are being trained."""
    return list((tmp_path / "results" / ".locks").glob("*.lock"))


def left(tmp_path):
    """Temporary files of any kind."""
    return [*(tmp_path / "temporary").iterdir(), *tmp_path.rglob("*.part")]


def test_ctrl_c_while_cells_are_trained(checkpoint_directory, tmp_path):
    process = started(tmp_path, "-m", "discbench", *sweep(checkpoint_directory, tmp_path))
    reached(process, lambda: under_way(tmp_path))
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=GONE)

    assert (130, "") == (process.returncode, output), errors
    assert re.fullmatch(TOLD, errors.splitlines()[-1])
    assert not re.search("Traceback|Error|leaked|Aborted", errors)
    assert all_gone(tmp_path)
    assert [] == left(tmp_path)


def test_sigterm_while_the_processes_that_train_are_still_importing(checkpoint_directory, tmp_path):
    process = started(tmp_path, "-m", "discbench", *sweep(checkpoint_directory, tmp_path))
    reached(process, lambda: any("forkserver" in line for line in running(tmp_path).values()))
    process.terminate()
    output, errors = process.communicate(timeout=GONE)

    line = (
        f"ended by SIGTERM: 0 of 4 cells are finished and kept in {tmp_path}/results; run the same command to go on\n"
    )
    assert (143, "", line) == (process.returncode, output, errors)
    assert all_gone(tmp_path)


def test_when_the_sweep_is_killed_its_workers_end_in_the_middle_of_their_cells(checkpoint_directory, tmp_path):
    process = started(tmp_path, "-m", "discbench", *sweep(checkpoint_directory, tmp_path))
    reached(process, lambda: under_way(tmp_path))
    process.kill()
    process.communicate(timeout=GONE)

    assert all_gone(tmp_path)
    assert [] == list((tmp_path / "temporary").iterdir())


def test_from_python_ctrl_c_is_raised_when_all_workers_are_gone(checkpoint_directory, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"""
import multiprocessing, discbench
try:
    discbench.evaluate({str(checkpoint_directory)!r}, "formal.factor", recipe="quick", set={{"epochs": 400}}, seeds=2,
                       limit=64, workers=2, results={str(tmp_path / "results")!r})
except KeyboardInterrupt:
    print("raised", multiprocessing.active_children())
""")
    process = started(tmp_path, script)
    reached(process, lambda: under_way(tmp_path))
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=GONE)

    assert (0, "raised []\n") == (process.returncode, output), errors
    assert all_gone(tmp_path)


def test_a_process_follows_the_one_that_wanted_it_out_of_a_call_that_holds_pythons_lock(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("""
import ctypes, multiprocessing, time
from discbench.words import interruption

def work():
    interruption.follow()
    print("at work", flush=True)
    ctypes.PyDLL(None).sleep(600)

if __name__ == "__main__":
    worker = multiprocessing.get_context("spawn").Process(target=work, daemon=True)
    worker.start()
    time.sleep(600)
""")
    process = started(tmp_path, script)
    assert "at work\n" == process.stdout.readline()
    process.kill()
    process.communicate(timeout=GONE)

    assert all_gone(tmp_path)


@pytest.mark.slow
def test_pretraining_says_which_step_it_goes_on_from(tmp_path):
    process = started(tmp_path, "-m", "discbench", "pretrain", "unigram", "--out", tmp_path / "out")
    assert waited(lambda: (tmp_path / "out" / "state" / "held_out.npy").exists() or process.poll())
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=GONE)

    assert 130 == process.returncode
    assert re.fullmatch(r"interrupted(: step 0 of \d+ is kept in .*out; run the same command to go on|; .*)\n", errors)


def test_the_next_sweep_removes_what_a_killed_one_has_left(checkpoint_directory, tmp_path):
    folder = tmp_path / "results" / "a" / "b" / "c@1"
    folder.mkdir(parents=True)
    (folder / ".x1.part").write_text("half a re")
    words = sweep(checkpoint_directory, tmp_path)
    process = started(tmp_path, "-m", "discbench", *words, "--set", "epochs=0.01")
    process.communicate(timeout=300)

    assert [] == left(tmp_path)


@pytest.mark.parametrize(("length", "method"), [(40, "forkserver"), (90, "spawn")])
def test_where_the_temporary_folders_path_is_too_long_for_a_socket_workers_start_anew(monkeypatch, length, method):
    monkeypatch.setattr(tempfile, "tempdir", "/" + "t" * (length - 1))

    assert method == start._method()
