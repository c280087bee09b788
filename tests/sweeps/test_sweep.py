"""Whole sweeps, as a user runs them: stored, resumed, killed, repeated to the byte."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from discbench.results import board
from discbench.testing import tiny_checkpoint


def run(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "discbench", *map(str, words)], capture_output=True, text=True, check=False, **options
    )


def sweep(model, results, *more, tasks="formal.factor,formal.depth"):
    return [
        "eval",
        "--model",
        model,
        "--tasks",
        tasks,
        "--recipe",
        "quick",
        "--seeds",
        2,
        "--limit",
        64,
        "--set",
        "epochs=1",
        "--results",
        results,
        *more,
    ]


def cells(results):
    return sorted(results.glob("*/*/*/*.json"))


def lasting(path):
    """A stored result without what may differ between two runs."""
    return {k: v for k, v in json.loads(path.read_text()).items() if k != "run"}


def worker_of(parent):
    """The process id of a sweep's worker: a child of its fork server."""

    def children(of):
        return Path(f"/proc/{of}/task/{of}/children").read_text().split()

    server = next(c for c in children(parent) if b"forkserver" in Path(f"/proc/{c}/cmdline").read_bytes())
    return int(children(server)[0])


@pytest.fixture(scope="module")
def done(checkpoint_directory, tmp_path_factory):
    """A finished sweep: its results and what it printed."""
    results = tmp_path_factory.mktemp("sweep") / "results"
    return results, run(*sweep(checkpoint_directory, results))


def test_a_sweep_writes_a_file_a_cell_and_prints_the_board(done):
    results, process = done

    assert (0, 8) == (process.returncode, len(cells(results)))
    assert "formal.factor@1" in process.stdout
    assert "gain over scratch" in process.stdout
    assert f"trained 8 cells; results in {results}\n" == process.stderr.splitlines(keepends=True)[-1]


def test_in_a_pipe_progress_is_one_plain_line_a_cell_with_what_is_left(done):
    lines = [line for line in done[1].stderr.splitlines() if line.startswith("[")]

    assert [f"[{i}/8]" for i in range(1, 9)] == [line.split()[0] for line in lines]
    assert all(" left" in line for line in lines[:-1])
    assert "\x1b" not in done[1].stderr + done[1].stdout


def test_the_libraries_are_silent(done):
    assert [] == [line for line in done[1].stderr.splitlines() if not line.startswith(("[", "trained"))]


def test_a_result_holds_what_is_needed_to_trust_it(done):
    result = lasting(cells(done[0])[0])

    assert {
        "status",
        "scores",
        "curve",
        "counts",
        "mapping_sha256",
        "resampled",
        "dynamics",
        "dataset",
        "predictions",
        "marks",
        "cell",
        "id",
        "task",
        "collapsed",
        "format",
    } == set(result)
    assert ["limited"] == result["marks"]
    assert result["counts"]["steps"] == len(result["curve"]["loss"]) == 3
    assert {"test", "validation", "test_of_last_state"} == set(result["scores"])


def test_tables_of_one_seed_agree_between_inits_and_differ_between_seeds(done):
    tables = {}
    for cell in cells(done[0]):
        result = lasting(cell)
        tables.setdefault((result["cell"]["task"], result["cell"]["seed"]), set()).add(result["mapping_sha256"])
    by_task = {}
    for (task, _), found in tables.items():
        by_task.setdefault(task, []).append(found)

    assert {1} == {len(found) for found in tables.values()}
    assert all(2 == len(set.union(*found)) for found in by_task.values())


def test_the_same_command_again_trains_nothing_and_says_so(done, checkpoint_directory):
    results, first = done
    before = {path: path.read_bytes() for path in cells(results)}
    again = run(*sweep(checkpoint_directory, results))

    assert 0 == again.returncode
    assert again.stderr == (
        "8 of 8 cells are in the store and will not be run again\n"
        f"trained nothing: every cell was in the store; results in {results}\n"
    )
    assert first.stdout == again.stdout
    assert before == {path: path.read_bytes() for path in cells(results)}


def test_a_deleted_cell_is_the_only_one_trained_again_with_the_same_bytes_of_scores(done, checkpoint_directory):
    results, _ = done
    victim = cells(results)[3]
    before, answers = lasting(victim), victim.with_suffix(".predictions.parquet").read_bytes()
    others = {p: p.stat().st_mtime_ns for p in cells(results) if p != victim}
    victim.unlink()
    again = run(*sweep(checkpoint_directory, results))

    assert "7 of 8 cells are in the store and will not be run again\n" in again.stderr
    assert "trained 1 cells, kept 7; results in" in again.stderr
    assert before == lasting(victim)
    assert answers == victim.with_suffix(".predictions.parquet").read_bytes()
    assert others == {p: p.stat().st_mtime_ns for p in others}


def test_one_worker_gives_the_same_scores_as_two(done, checkpoint_directory, tmp_path):
    run(*sweep(checkpoint_directory, tmp_path, "--workers", 1, "--threads", 1, tasks="formal.factor"))

    for path in cells(tmp_path):
        assert lasting(path)["scores"] == lasting(done[0] / path.relative_to(tmp_path))["scores"]


def test_the_board_on_disk_fits_its_published_schema_and_repeats_to_the_byte(done, tmp_path):
    results, _ = done
    for name in ("one", "two"):
        assert 0 == run("board", "--results", results, "--out", tmp_path / name).returncode

    made = (tmp_path / "one" / "leaderboard.json").read_bytes()
    assert made == (tmp_path / "two" / "leaderboard.json").read_bytes()
    jsonschema.validate(json.loads(made), json.loads((tmp_path / "one" / board.SCHEMA.name).read_text()))


def test_json_output_is_the_board(done, checkpoint_directory):
    printed = run(*sweep(checkpoint_directory, done[0], "--json"))

    jsonschema.validate(json.loads(printed.stdout), json.loads(board.SCHEMA.read_text()))


def test_kill_9_in_the_middle_leaves_whole_cells_and_the_rerun_completes_the_rest(checkpoint_directory, tmp_path):
    words = sweep(checkpoint_directory, tmp_path / "r", "--set", "epochs=30", "--workers", 2)
    with subprocess.Popen(
        [sys.executable, "-m", "discbench", *map(str, words)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + 600
        while len(cells(tmp_path / "r")) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    kept = {path: path.read_bytes() for path in cells(tmp_path / "r")}
    assert 2 <= len(kept) < 8
    assert all(json.loads(content)["status"] == "finished" for content in kept.values())
    again = run(*words)

    assert 0 == again.returncode
    assert 8 == len(cells(tmp_path / "r"))
    assert kept == {path: path.read_bytes() for path in kept}


def test_a_worker_that_is_killed_fails_its_cell_only(checkpoint_directory, tmp_path):
    words = sweep(
        checkpoint_directory,
        tmp_path / "r",
        "--set",
        "epochs=60",
        "--workers",
        1,
        "--threads",
        1,
        tasks="formal.factor",
    )
    with subprocess.Popen(
        [sys.executable, "-m", "discbench", *map(str, words)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        until = time.monotonic() + 600
        while len(cells(tmp_path / "r")) < 1 and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(worker_of(process.pid), signal.SIGKILL)
        _, errors = process.communicate()

    states = [lasting(path)["status"] for path in cells(tmp_path / "r")]
    assert (1, 1, 3) == (process.returncode, states.count("failed"), states.count("finished")), errors
    assert "FAILED (its process was ended by SIGKILL (no message); out of memory? try fewer --workers)" in errors
    assert 0 == run(*words).returncode


def test_a_cell_that_diverges_is_recorded_as_failed_and_the_exit_code_is_1(checkpoint_directory, tmp_path):
    process = run(
        *sweep(
            checkpoint_directory,
            tmp_path,
            "--set",
            "lr=1e30",
            "--set",
            "clip=none",
            "--inits",
            "scratch",
            tasks="formal.factor",
        )
    )

    assert 1 == process.returncode
    assert {"failed"} == {lasting(path)["status"] for path in cells(tmp_path)}
    assert "CellError: the training loss is" in lasting(cells(tmp_path)[0])["cause"]
    assert "Traceback" not in process.stderr


def test_a_checkpoint_that_cannot_be_served_ends_the_sweep_before_training(tmp_path):
    folder = tiny_checkpoint(tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"not weights")
    process = run(*sweep(folder, tmp_path / "r"))

    assert (2, []) == (process.returncode, cells(tmp_path / "r"))
    assert process.stderr.startswith("error: model 'broken' at ")
    assert 1 == process.stderr.count("\n")


def test_a_limit_larger_than_the_data_works_and_says_so(checkpoint_directory, tmp_path):
    process = run(
        *sweep(
            checkpoint_directory, tmp_path, "--limit", 5000, "--seeds", 1, "--inits", "scratch", tasks="formal.factor"
        )
    )

    assert 0 == process.returncode
    assert process.stderr.startswith(
        "--limit 5000: formal.factor has at most 1024 rows in a split, so all of them are used\n"
    )
    assert [] == lasting(cells(tmp_path)[0])["marks"]


def test_the_real_files_are_evaluated_with_a_real_checkpoint_to_eight_cells(real_data, checkpoint_directory, tmp_path):
    process = run(
        "eval", "--model", checkpoint_directory, "--tasks", "dna.splice,protein.stability", "--inits", "pretrained,scratch",
        "--seeds", 2, "--limit", 32, "--recipe", "paper", "--set", "epochs=1", "--data-dir", real_data, "--results", tmp_path,
    )  # fmt: skip

    assert (0, 8) == (process.returncode, len(cells(tmp_path)))
    assert {"verified"} == {lasting(path)["dataset"]["status"] for path in cells(tmp_path)}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_a_job_that_is_bound_to_one_core_takes_one_worker_of_one_thread():
    bound = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from discbench.sweeps import sweep"
    asked = "print(sweep.machine_workers(), sweep.machine_cores())"

    assert "1 1\n" == subprocess.check_output([sys.executable, "-c", f"{bound}; {asked}"], text=True)
