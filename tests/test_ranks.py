"""One cell in two processes of torchrun (gloo, on the CPU) is the cell of one process."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from discbench.store import unpack_predictions


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """A checkpoint without dropout, so that one process and two differ by rounding only."""
    from discbench.testing import tiny_checkpoint

    shape = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return tiny_checkpoint(tmp_path_factory.mktemp("ranks") / "still", **shape)


def evaluate(still, results, processes, *more):
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    words = ["eval", "--model", str(still), "--tasks", "formal.factor", "--inits", "pretrained", "--seeds", "1"]
    words += ["--recipe", "quick", "--set", "epochs=4", "--set", "batch=8", "--limit", "37", "--threads", "1"]
    command = [sys.executable, *launch, "-m", "discbench", *words, "--results", str(results), *more]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment)


def only(results):
    (path,) = results.glob("*/*/*/*.json")
    record = json.loads(path.read_text())
    return record, unpack_predictions(path.with_name(record["predictions"]["file"]))


@pytest.fixture(scope="module")
def both(still, tmp_path_factory):
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    made = [evaluate(still, one, 1, "--workers", "0"), evaluate(still, two, 2, "--workers", "0")]
    assert [0, 0] == [process.returncode for process in made], made[-1].stderr[-2000:]
    return only(one), only(two), made[1]


def test_two_processes_met(both):
    assert (1, 2) == (both[0][0]["run"]["hardware"]["processes"], both[1][0]["run"]["hardware"]["processes"])


def test_the_cell_is_the_same_and_is_written_once(both):
    assert both[0][0]["id"] == both[1][0]["id"]


def test_no_prediction_is_missing_or_repeated_though_rows_do_not_divide(both):
    (_, one), (_, two) = both[:2]

    assert 37 == len(one[0])
    assert one[0].tolist() == two[0].tolist()
    assert one[2].tolist() == two[2].tolist()
    assert 37 == len(set(two[0].tolist()))


def test_loss_and_answers_agree_until_the_first_batch_that_does_not_divide(both):
    """37 rows in batches of 8 leave 5: two processes fill them up to 6, so later steps differ a little."""
    (one, left), (two, right) = both[:2]

    assert one["curve"]["loss"][:4] == pytest.approx(two["curve"]["loss"][:4], rel=3e-4)
    assert len(one["curve"]["loss"]) == len(two["curve"]["loss"]) == 20
    assert np.abs(left[1] - right[1]).max() < 0.1 * np.abs(left[1]).max()
    assert one["scores"]["test"]["accuracy"] == pytest.approx(two["scores"]["test"]["accuracy"], abs=3 / 37)


def test_the_first_process_alone_prints(both):
    assert 1 == both[2].stdout.count("every score, by seed")


def test_without_workers_0_torchrun_is_refused_in_one_line(still, tmp_path):
    process = evaluate(still, tmp_path, 2)

    assert "torchrun started 2 processes: give --workers 0, so that they share each cell" in process.stderr
    assert 0 != process.returncode


def test_in_one_process_without_workers_the_scores_are_those_of_a_worker(still, both, tmp_path):
    assert 0 == evaluate(still, tmp_path, 1, "--workers", "1").returncode
    one, two = both[0][0], only(tmp_path)[0]

    assert one["scores"] == two["scores"]
    assert one["curve"] == two["curve"]
    assert one["predictions"]["sha256"] == two["predictions"]["sha256"]
