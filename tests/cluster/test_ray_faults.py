"""Ray on this machine when something is killed: a worker, the raylet, the command; and every promise of an executor."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray_tasks import doing, killing

import discbench
from discbench.plugins import registry
from discbench.testing import check_executor

pytest.importorskip("ray", reason="ray is not installed: discbench[ray]")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
QUICK = {"recipe": "quick", "set": {"epochs": 1}, "limit": 16, "inits": "pretrained"}


def test_ray_keeps_every_promise_of_an_executor():
    check_executor(registry.executors(registry.plugins())["ray"])


def test_a_killed_worker_costs_one_attempt_and_one_that_is_killed_each_time_its_cell(checkpoint_directory, tmp_path):
    once = doing("once", killing("worker"), tmp_path / "marker")
    given = {"model": checkpoint_directory, "tasks": [doing("always", killing("worker")), once], "seeds": 1, **QUICK}
    there = discbench.evaluate(**given, results=tmp_path / "there", executor="ray")
    here = discbench.evaluate(**{**given, "tasks": [once]}, results=tmp_path / "here", workers=0)

    [lost] = [result for result in there.results if result["status"] == "failed"]
    assert "formal.always@1" == lost["cell"]["task"]
    assert re.fullmatch(
        r"its worker on 127\.0\.0\.1 \(process \d+\) was killed or crashed; out of memory\? \(3 tries\)", lost["cause"]
    )
    [kept] = [result for result in there.results if result["status"] == "finished"]
    assert [result["scores"] for result in here.results] == [kept["scores"]]


def test_when_the_raylet_is_killed_another_cluster_does_the_rest_and_nothing_of_the_first_is_left(
    checkpoint_directory, tmp_path, monkeypatch
):
    tag, folders = f"ray-{os.getpid()}-raylet", set(Path("/tmp").glob("ray-*"))
    monkeypatch.setenv("DISCBENCH_TEST", tag)
    task = doing("once", killing("raylet"), tmp_path / "marker")
    given = {"model": checkpoint_directory, "tasks": [task], "seeds": 2, **QUICK}
    there = discbench.evaluate(**given, results=tmp_path / "there", executor="ray")
    here = discbench.evaluate(**given, results=tmp_path / "here", workers=0)

    assert (tmp_path / "marker").exists()
    assert here.to_json() == there.to_json()
    assert [] == [line for line in running(tag) if "ray::" in line or "/raylet" in line or "gcs_server" in line]
    assert set() == set(Path("/tmp").glob("ray-*")) - folders


def running(tag):
    """Command lines of living processes that have a variable of ours."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and f"DISCBENCH_TEST={tag}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, ValueError):
            pass
    return found


def waited(what, seconds):
    until = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


@pytest.mark.parametrize(
    "number, code, told",
    [
        (signal.SIGKILL, -9, ""),
        (signal.SIGINT, 130, r"interrupted: \d of 4 cells (is|are) finished and kept in .*; run the same command to go on"),
    ],
    ids=["SIGKILL", "SIGINT"],
)  # fmt: skip
def test_a_command_that_is_ended_leaves_nothing_running_and_goes_on_when_it_is_given_again(
    number, code, told, checkpoint_directory, tmp_path
):
    tag, results, folders = f"ray-{os.getpid()}-{number}", tmp_path / "there", set(Path("/tmp").glob("ray-*"))
    words = ["eval", "--model", checkpoint_directory, "--tasks", "formal.factor", "--recipe", "quick", "--limit", "64"]
    command = [sys.executable, "-m", "discbench", *map(str, words), "--seeds", "2"]
    ray = [*command, "--results", str(results), "--executor", "ray", "--workers", "1"]
    given = {**os.environ, "DISCBENCH_TEST": tag}
    process = subprocess.Popen(ray, env=given, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert waited(lambda: list(results.glob("*/*/*/*.json")), 600), process.poll()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    last = said.strip().splitlines()[-1]

    assert code == process.returncode
    assert re.fullmatch(told or ".*", last)
    assert waited(lambda: not running(tag), 60), running(tag)
    here = [*command, "--results", str(tmp_path / "here"), "--workers", "0"]
    boards = [
        subprocess.run([*each, "--json"], env=given, capture_output=True, text=True, check=True).stdout
        for each in (here, ray)
    ]
    assert boards[0] == boards[1]
    assert not running(tag)
    assert number == signal.SIGKILL or set() == set(Path("/tmp").glob("ray-*")) - folders
