"""Cells on Ray: where they run, what they see there, and what travels. One cluster with two GPUs that are not there."""

import collections
import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import discbench
from discbench.cli import cli
from discbench.data import rowcache
from discbench.errors import CheckpointError, UserError
from discbench.executors.ray import executor, parcels
from discbench.executors.ray.asked import Asked
from discbench.plugins import registry
from discbench.values.checkpoints import locate, revision_of
from discbench.values.place import PRETENDED, Place

HEAD = Path(__file__).parent / "ray_head.py"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a cluster that was started by somebody else, who is still there at the end."""
    pytest.importorskip("ray", reason="ray is not installed: discbench[ray]")
    token = os.urandom(32).hex()
    surroundings = {**os.environ, "RAY_AUTH_TOKEN": token, PRETENDED: "2"}
    said = tmp_path_factory.mktemp("head") / "errors"
    with said.open("w") as errors:
        head = subprocess.Popen([sys.executable, HEAD], stdin=-1, stdout=-1, stderr=errors, text=True, env=surroundings)
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_AUTH_TOKEN", token)
    try:
        address = head.stdout.readline().strip()
        assert address, said.read_text()
        yield address
        assert head.poll() is None, "the cluster that was given ended"
    finally:
        patch.undo()
        head.communicate()


def telling(folder):
    """A task that writes down what the process sees that scores it; its functions travel by value."""
    factor = registry.tasks(registry.plugins())["formal.factor"]

    def seen(targets, outputs):
        import json
        import os
        import threading
        from pathlib import Path

        import torch

        about = {
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "threads": torch.get_num_threads(),
            "main": threading.current_thread() is threading.main_thread(),
        }
        Path(folder, str(os.getpid())).write_text(json.dumps(about))
        return factor.metric.function(targets, outputs)

    metric = dataclasses.replace(factor.metric, name="seen", function=seen)
    return dataclasses.replace(factor, name="formal.telling", metric=metric)


def told_in(folder):
    return [json.loads(path.read_text()) for path in sorted(Path(folder).iterdir())]


def asked(model, results, **more):
    return {"model": model, "recipe": "quick", "set": {"epochs": 1}, "limit": 16, "results": results, **more}


@pytest.mark.timeout(300)
def test_four_cells_at_half_a_gpu_are_two_on_each_of_two_gpus(cluster, checkpoint_directory, tmp_path, monkeypatch):
    monkeypatch.setenv(PRETENDED, "2")
    (tmp_path / "seen").mkdir()
    board = discbench.evaluate(
        **asked(checkpoint_directory, tmp_path / "r", tasks=telling(tmp_path / "seen"), seeds=2),
        executor="ray",
        address=cluster,
        gpus_per_cell=0.5,
    )

    assert 4 == board.trained
    assert {"0": 2, "1": 2} == collections.Counter(each["gpus"] for each in told_in(tmp_path / "seen"))


@pytest.mark.timeout(300)
def test_two_cells_on_ray_give_the_board_of_two_cells_here(cluster, checkpoint_directory, tmp_path):
    (tmp_path / "seen").mkdir()
    given = {"tasks": telling(tmp_path / "seen"), "seeds": 1}
    there = discbench.evaluate(
        **asked(checkpoint_directory, tmp_path / "there", **given), executor="ray", address=cluster, workers=1
    )
    found = told_in(tmp_path / "seen")
    here = discbench.evaluate(**asked(checkpoint_directory, tmp_path / "here", **given), workers=0)

    assert here.to_json() == there.to_json()
    assert [{"gpus": "", "threads": 1, "main": True}] == found, "one worker, twice: no GPU, one thread, the main thread"
    names = [
        sorted(path.name for path in (tmp_path / place).rglob("*.*") if path.is_file()) for place in ("here", "there")
    ]
    assert names[0] == names[1]


def test_a_checkpoint_that_a_node_has_not_is_laid_out_there_as_it_was(checkpoint_directory, tmp_path, monkeypatch):
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))
    checkpoint = locate(str(checkpoint_directory))
    files, sha256 = parcels.files_of(checkpoint)
    lost = dataclasses.replace(checkpoint, location=str(tmp_path / "nowhere"))

    assert [True, False] == [parcels.is_here(checkpoint), parcels.is_here(lost)]
    there = parcels.laid_out(lost, sha256, lambda: files)
    assert lost.revision == revision_of(Path(there.location))
    assert there == parcels.laid_out(lost, sha256, lambda: pytest.fail("it was sent once more"))


def test_a_checkpoint_that_arrives_otherwise_than_it_was_sent_is_refused(checkpoint_directory, tmp_path, monkeypatch):
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))
    checkpoint = locate(str(checkpoint_directory))
    files, sha256 = parcels.files_of(checkpoint)
    with pytest.raises(CheckpointError, match="other bytes arrived on this node than were sent"):
        parcels.laid_out(checkpoint, sha256, lambda: {**files, "config.json": b"{}"})
    with pytest.raises(CheckpointError, match="leads out of the checkpoint's folder"):
        parcels.laid_out(checkpoint, sha256, lambda: {"../config.json": b"{}"})


def test_rows_are_the_same_at_the_other_end_or_refused():
    task = registry.tasks(registry.plugins())["formal.factor"]
    loaded = rowcache.load(task)
    content, sha256 = parcels.packed(loaded)

    assert pickle.dumps(loaded) == pickle.dumps(parcels.unpacked(content, sha256))
    with pytest.raises(ValueError, match="other bytes arrived than were sent"):
        parcels.unpacked(content[:-1], sha256)


@pytest.mark.parametrize(
    "device, share, needs, found",
    [
        ("cpu", None, {"CPU": 3.0}, "cpu"),
        ("cpu", 0.5, {"GPU": 0.5}, "cuda"),
        ("cuda", None, {"GPU": 1.0}, "cuda"),
        ("cuda", 2, {"GPU": 2.0}, "cuda"),
    ],
)
def test_a_cell_asks_for_its_gpus_or_else_for_a_cpu_a_thread(device, share, needs, found, tmp_path, monkeypatch):
    monkeypatch.delenv(PRETENDED, raising=False)
    given = Asked.of(Place(results=tmp_path, device=device), 0, 3, None, share)

    assert (needs, found) == (given.needs, given.device)


@pytest.mark.parametrize(
    "words, told",
    [
        (["--executor", "ray", "--gpus-per-cell", "1.5"], "--gpus-per-cell 1.5: a part of one GPU, such as 0.5, or a whole number is meant"),
        (["--executor", "ray", "--checkpoint-minutes", "5"], "--checkpoint-minutes 5: a cell on Ray leaves nothing on its node, so that no state of it is saved; leave it out"),
        (["--executor", "ray", "--address", "ray://there:10001"], "--address 'ray://there:10001': HOST:PORT or auto was expected; start the command on a node of the cluster"),
        (["--address", "auto"], "--address says nothing to executor local; --executor ray takes it"),
        (["--executor", "local", "--gpus-per-cell", "1"], "--gpus-per-cell says nothing to executor local; --executor ray takes it"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_of_ray_is_one_line(words, told, tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "ready", lambda: None)
    monkeypatch.setattr(
        "discbench.executors.builtin.RAY",
        dataclasses.replace(registry.executors(registry.plugins())["ray"], ready=None),
    )
    run = [
        "eval",
        "--model",
        "builtin:tiny",
        "--tasks",
        "formal.factor",
        "--recipe",
        "quick",
        "--results",
        str(tmp_path),
    ]
    done = CliRunner().invoke(cli, [*run, *words])

    assert (2, f"error: {told}") == (done.exit_code, done.stderr.strip().splitlines()[-1])


def test_an_address_at_which_nothing_answers_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "ready", lambda: None)
    with pytest.raises(UserError, match=r"--address 127.0.0.1:1: no Ray cluster answers there \(.*refused\); is `ray"):
        executor.run([], Place(results=tmp_path), 0, 1, lambda _: None, address="127.0.0.1:1")


def test_without_ray_it_is_told_how_to_install_it_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    run = ["eval", "--model", "builtin:tiny", "--tasks", "formal.factor", "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(cli, [*run, "--executor", "ray"])

    told = (
        "error: --executor ray needs the package ray, which is not installed; install discbench with its extra:"
        " pip install 'discbench[ray]'\n"
    )
    assert (2, told) == (done.exit_code, done.stderr)
    assert not (tmp_path / "r").exists()
