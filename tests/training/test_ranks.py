"""A cell over two processes of torchrun is the cell of one, stored once; and the same seed repeats in fresh processes."""

import json
import os
import subprocess
import sys

import numpy as np
import two_processes

from discbench.testing import tiny_checkpoint

CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
ALONE = {k: v for k, v in os.environ.items() if k not in {"RANK", "WORLD_SIZE", "LOCAL_RANK"}}


def torchrun(*words):
    """Start two processes on this machine, one thread each, that meet at a free port."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    return subprocess.run(
        [*start, *map(str, words)], capture_output=True, text=True, check=False, timeout=300,
        env={**ALONE, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def discbench(*words):
    return subprocess.run(
        [sys.executable, "-m", "discbench", *map(str, words)], capture_output=True, text=True, check=False, env=ALONE
    )


def sweep(model, results, *more):
    recipe = ["--recipe", "quick", "--limit", 33, "--set", "epochs=1", "--inits", "pretrained", "--seeds", 1]
    return ["eval", "--model", model, "--tasks", "formal.factor", *recipe, "--results", results, *more]


def stored(results):
    """Each result by its place in the store, without how and when it ran."""
    found = {p.relative_to(results): json.loads(p.read_text()) for p in sorted(results.glob("*/*/*/*.json"))}
    return {place: {k: v for k, v in result.items() if k != "run"} for place, result in found.items()}


def answers(results):
    return {p.relative_to(results): p.read_bytes() for p in results.glob("*/*/*/*.parquet")}


def test_two_processes_train_the_model_that_one_trains(tmp_path):
    """Without dropout: each process draws its own. Sums of gradients in another order differ in the last digits."""
    folder = tiny_checkpoint(tmp_path / "calm", **CALM)
    process = torchrun(two_processes.__file__, folder, tmp_path / "two.npz")
    assert 0 == process.returncode, process.stderr[-3000:]
    one, two = two_processes.trained(str(folder)), np.load(tmp_path / "two.npz")

    assert 15 == len(one.curve.loss)
    assert one.curve.loss[-1] < one.curve.loss[0]
    assert np.allclose(one.curve.loss, two["loss"], atol=1e-5, rtol=0)
    assert np.allclose(one.test, two["test"], atol=1e-5, rtol=0)
    assert np.allclose(one.validation, two["validation"], atol=1e-5, rtol=0)


def test_a_cell_over_two_processes_is_stored_and_told_once(tmp_path):
    """XLNet has a weight that no gradient reaches, and dropout: the score is another draw of it, not the same number."""
    folder = tiny_checkpoint(tmp_path / "xlnet", model_type="xlnet")
    process = torchrun("-m", "discbench", *sweep(folder, tmp_path / "r", "--workers", 0))
    assert 0 == process.returncode, process.stderr[-3000:]
    (path,) = (tmp_path / "r").glob("*/*/*/*.json")
    result = json.loads(path.read_text())

    assert ("finished", 2) == (result["status"], result["run"]["hardware"]["processes"])
    assert {"train": 33, "validation": 33, "test": 33} == {
        k: result["counts"][k] for k in ("train", "validation", "test")
    }
    assert 1 == process.stderr.count("[1/1] xlnet formal.factor@1 pretrained seed 0: ")
    assert 1 == process.stdout.count("formal.factor@1   accuracy")
    assert "find_unused_parameters" not in process.stderr
    assert "trained nothing: every cell was in the store" in discbench(*sweep(folder, tmp_path / "r")).stderr


def test_torchrun_without_workers_0_is_refused(checkpoint_directory, tmp_path):
    words = [sys.executable, "-m", "discbench", *map(str, sweep(checkpoint_directory, tmp_path / "r"))]
    process = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**ALONE, "WORLD_SIZE": "2", "RANK": "0"}
    )

    assert 2 == process.returncode
    assert process.stderr == ("error: torchrun started 2 processes: give --workers 0, so that they share each cell\n")
    assert not list((tmp_path / "r").glob("*/*"))


def test_the_same_seed_repeats_in_fresh_processes_to_the_byte_and_seeds_differ(checkpoint_directory, tmp_path):
    for name, more in (("worker", ("--workers", 1)), ("here", ("--workers", 0))):
        process = discbench(*sweep(checkpoint_directory, tmp_path / name, "--seeds", 2, "--threads", 1, *more))
        assert 0 == process.returncode, process.stderr
        assert [] == [line for line in process.stderr.splitlines() if not line.startswith(("[", "trained"))]
    one, other = (stored(tmp_path / name) for name in ("worker", "here"))

    assert one == other
    assert 2 == len(one) == len({result["mapping_sha256"] for result in one.values()})
    assert 2 == len({tuple(result["curve"]["loss"]) for result in one.values()})
    assert 2 == len(answers(tmp_path / "worker"))
    assert answers(tmp_path / "worker") == answers(tmp_path / "here")
