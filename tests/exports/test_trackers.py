"""Trackers are off by default, get what a cell gave, and never decide about a sweep or a cell's id."""

import json
import sys

import pytest
from click.testing import CliRunner
from stores import write

from discbench.cli import cli
from discbench.errors import UserError
from discbench.exports import trackers
from discbench.plugins import registry
from discbench.results.forms.records import failed
from discbench.values.cells import Cell


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("track"), inits=("scratch",), seeds=(0,), limit=16)[0]
    return json.loads(path.read_text())


def scalars(folder):
    """Tag -> [(step, value)] of an event file, read back by TensorBoard."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_tensorboard_gets_curve_and_scores_of_each_cell(tmp_path, result):
    pytest.importorskip("tensorboard")
    manager = registry.plugins()
    trackers.register(manager, "tensorboard", tmp_path)
    manager.hook.discbench_cell_finished(result=result)
    found = scalars(tmp_path / "discbench" / trackers.run_name(result))
    last = len(result["curve"]["loss"])

    assert [(i, pytest.approx(loss, rel=1e-5)) for i, loss in enumerate(result["curve"]["loss"], 1)] == found[
        "train/loss"
    ]
    assert [(s, pytest.approx(v)) for s, v in result["curve"]["validation"]] == found["validation/accuracy"][
        : len(result["curve"]["validation"])
    ]
    assert [(last, pytest.approx(result["scores"]["test"]["accuracy"]))] == found["test/accuracy"]
    assert [(last, pytest.approx(result["scores"]["test"]["accuracy"] - 0.5))] == found["test/above_chance"]


@pytest.mark.parametrize("killed", [False, True], ids=["by its training", "with its process"])
def test_a_failed_cell_is_logged_as_failed(tmp_path, result, killed):
    pytest.importorskip("tensorboard")
    manager = registry.plugins()
    trackers.register(manager, "tensorboard", tmp_path)
    bare = failed(Cell(**result["cell"]), "CellError: NaN")
    kept = bare if killed else {**bare, "task": result["task"], "run": result["run"]}
    manager.hook.discbench_cell_finished(result=kept)

    assert [(0, 1.0)] == scalars(tmp_path / "discbench" / trackers.run_name(result))["failed"]


def test_a_tracker_that_breaks_stops_tracking_and_nothing_else(tmp_path, result, capsys):
    pytest.importorskip("tensorboard")
    (tmp_path / "file").write_text("")
    manager = registry.plugins()
    trackers.register(manager, "tensorboard", tmp_path / "file")
    for _ in range(2):
        manager.hook.discbench_cell_finished(result=result)
    told = capsys.readouterr().err

    assert 1 == told.count("--track tensorboard: tracking stopped (FileExistsError: ")
    assert told.endswith("; results are in the store\n")
    assert 1 == told.count("\n")


def test_a_tracker_whose_library_is_missing_is_told_before_anything_runs(tmp_path, monkeypatch):
    if "wandb" in sys.modules:
        pytest.skip("wandb is loaded already")
    manager = registry.plugins()
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(UserError) as told:
        trackers.register(manager, "wandb", tmp_path)
    monkeypatch.undo()

    assert (
        "--track wandb: the package wandb is not installed; install it with `pip install wandb`, or discbench with its"
        " extra: pip install 'discbench[wandb]'"
    ) == str(told.value)
    assert 2 == told.value.exit_code


def test_a_tracker_that_does_not_exist_is_told(tmp_path):
    words = ["eval", "--model", "builtin:tiny", "--tasks", "formal.factor", "--results", str(tmp_path / "r")]
    assert (
        "error: --track 'tensorbord': no such tracker; did you mean 'tensorboard'? there are tensorboard, trackio, wandb\n"
    ) == CliRunner().invoke(cli, [*words, "--track", "tensorbord"]).stderr


def test_no_tracker_is_registered_unless_it_is_asked_for():
    assert [] == registry.plugins().hook.discbench_cell_finished.get_hookimpls()


def test_configurations_are_flat_words_and_numbers(result):
    found = trackers.configuration(result)

    assert ("scratch", "quick", 0, "none", "limited") == tuple(
        found[name] for name in ("init", "recipe.name", "seed", "recipe.evaluate_every", "marks")
    )
    assert {str, int, float, bool} >= {type(value) for value in found.values()}
