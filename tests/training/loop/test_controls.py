"""Checkpoints of one architecture have the same controls; a store that has one does not train it again."""

import io
import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from discbench.api import evaluate
from discbench.plugins import registry
from discbench.results.forms.result import result_fault
from discbench.results.store import CONTROLS, Store, read_result
from discbench.submissions import claims
from discbench.submissions.verify import Verifier
from discbench.testing import tiny_checkpoint
from discbench.training.loop import controls
from discbench.values.cells import Cell

ASKED = {
    "recipe": "quick",
    "seeds": 2,
    "set": {"epochs": 1},
    "limit": 64,
    "workers": 0,
    "stream": io.StringIO(),
}
OWN = {"id", "cell", "predictions", "run"}
"""What differs between two results of one training."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two checkpoints of one shape and vocabulary, with other weights."""
    folder = tmp_path_factory.mktemp("pair")
    one = tiny_checkpoint(folder / "one")
    other = folder / "other"
    shutil.copytree(one, other)
    weights = load_file(other / "model.safetensors")
    save_file({name: w * 0.5 for name, w in weights.items()}, other / "model.safetensors", metadata={"format": "pt"})
    return f"one={one}", f"other={other}"


@pytest.fixture(scope="module")
def both(pair, tmp_path_factory):
    """A store in which the second was evaluated after the first."""
    store = tmp_path_factory.mktemp("both")
    for model in pair:
        evaluate(model, ["formal.factor"], results=store, **ASKED)
    return store


def found(store, checkpoint, init):
    """The results of a checkpoint's init, by seed."""
    results = (read_result(path) for path in Store(store).paths())
    return {
        r["cell"]["seed"]: r for r in results if r["cell"]["checkpoint"] == checkpoint and r["cell"]["init"] == init
    }


def alike(one, other):
    return {k: v for k, v in one.items() if k not in OWN} == {k: v for k, v in other.items() if k not in OWN}


def shared_with(results):
    return [result["run"].get("shared", {}).get("checkpoint") for _, result in sorted(results.items())]


def test_the_control_of_a_second_checkpoint_of_the_architecture_is_that_of_the_first(both):
    assert shared_with(found(both, "one", "scratch")) == [None, None]
    assert shared_with(found(both, "other", "scratch")) == ["one", "one"]
    mine, theirs = found(both, "other", "scratch"), found(both, "one", "scratch")
    for seed in (0, 1):
        assert alike(mine[seed], theirs[seed])
        assert mine[seed]["run"]["start"] == theirs[seed]["run"]["start"]
        assert mine[seed]["run"]["shared"] == {"checkpoint": "one", "id": theirs[seed]["id"]}


def test_a_shared_control_is_what_training_it_would_have_given(pair, both, tmp_path):
    evaluate(pair[1], ["formal.factor"], results=tmp_path, **ASKED)
    alone, shared = found(tmp_path, "other", "scratch"), found(both, "other", "scratch")
    assert shared_with(alone) == [None, None]
    for seed in (0, 1):
        assert alike(alone[seed], shared[seed])
        assert alone[seed]["predictions"] == shared[seed]["predictions"]


def test_what_is_pretrained_is_trained_for_each(both):
    one, other = found(both, "one", "pretrained"), found(both, "other", "pretrained")
    assert shared_with({**one, **other}) == [None, None]
    assert not any("start" in result["run"] for result in (*one.values(), *other.values()))
    assert one[0]["curve"]["loss"] != other[0]["curve"]["loss"]


def test_a_third_checkpoint_names_the_one_that_was_trained(pair, both, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(both, store)
    trained, shared = found(both, "one", "scratch")[0], found(both, "other", "scratch")[0]
    there = next(store.glob(f"other/*/*/{shared['id']}.json"))
    (store / CONTROLS / trained["run"]["start"]).write_text(f"{there.relative_to(store)}\n")
    evaluate(pair[0].replace("one=", "third="), ["formal.factor"], results=store, **{**ASKED, "seeds": 1})
    assert {"checkpoint": "one", "id": trained["id"]} == found(store, "third", "scratch")[0]["run"]["shared"]


def test_a_control_whose_first_is_gone_is_trained_and_shared_from_then_on(pair, both, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(both, store)
    shutil.rmtree(store / "one")
    shutil.rmtree(store / "other")
    for name, path in (model.split("=") for model in pair):
        evaluate(f"{name}={path}", ["formal.factor"], results=store, **{**ASKED, "seeds": 1})
    assert shared_with(found(store, "one", "scratch")) == [None]
    assert shared_with(found(store, "other", "scratch")) == ["one"]


@pytest.mark.parametrize(
    "change",
    [{"set": {"epochs": 2}}, {"limit": 63}, {"mapping": "unused"}, {"mapping_seeds": (7,)}],
    ids=["recipe", "rows", "mapping", "table"],
)
def test_a_training_that_begins_otherwise_is_not_shared(pair, both, tmp_path, change):
    store = tmp_path / "store"
    shutil.copytree(both, store)
    before = set(store.rglob("*.json"))
    evaluate(pair[1], ["formal.factor"], results=store, inits=["scratch"], **{**ASKED, **change})
    fresh = [read_result(path) for path in set(store.rglob("*.json")) - before]
    assert fresh
    assert not any("shared" in result["run"] for result in fresh)


@pytest.mark.parametrize(
    "shape", [{"num_attention_heads": 4}, {"hidden_act": "relu"}, {"attn_implementation": "eager"}]
)
def test_a_configuration_that_counts_makes_another_control(pair, both, tmp_path, shape):
    store, model = tmp_path / "store", tmp_path / "changed"
    shutil.copytree(both, store)
    shutil.copytree(pair[0].partition("=")[2], model)
    config = json.loads((model / "config.json").read_text())
    assert all(config.get(name) != value for name, value in shape.items())
    (model / "config.json").write_text(json.dumps({**config, **shape}))
    evaluate(f"changed={model}", ["formal.factor"], results=store, inits=["scratch"], **{**ASKED, "seeds": 1})
    assert shared_with(found(store, "changed", "scratch")) == [None]


@pytest.mark.parametrize("damage", ["predictions", "record", "pointer", "failed"])
def test_what_cannot_be_read_is_trained(pair, both, tmp_path, damage):
    store = tmp_path / "store"
    shutil.copytree(both, store)
    shutil.rmtree(store / "other")
    first = found(store, "one", "scratch")[0]
    path = next(store.glob(f"one/*/*/{first['id']}.json"))
    if damage == "predictions":
        path.with_name(first["predictions"]["file"]).write_bytes(b"PAR1")
    elif damage == "record":
        path.write_text("{")
    elif damage == "failed":
        kept = {name: first[name] for name in ("format", "id", "cell", "task", "run")}
        path.write_text(json.dumps({**kept, "status": "failed", "cause": "CellError: no", "marks": []}))
    else:
        (store / CONTROLS / first["run"]["start"]).write_text("../elsewhere.json\n")
    evaluate(pair[1], ["formal.factor"], results=store, **{**ASKED, "seeds": 1})
    again = read_result(next(store.glob(f"other/*/*/{found(both, 'other', 'scratch')[0]['id']}.json")))
    assert "shared" not in again["run"]
    assert alike(again, first)


def test_verify_takes_a_shared_control_and_refuses_one_that_is_another(both, tmp_path):
    tasks = {task.id: task for task in registry.tasks(registry.plugins()).values()}
    verdict = Verifier(tasks=tasks, allow_marked=True).verify(both)
    assert [finding.line for finding in verdict.findings if finding.level == "error"] == []
    store = tmp_path / "store"
    shutil.copytree(both, store)
    shared = found(store, "other", "scratch")[0]
    path = next(store.glob(f"other/*/*/{shared['id']}.json"))
    shared["curve"]["loss"][0] += 0.5
    path.write_text(json.dumps(shared))
    verdict = Verifier(tasks=tasks, allow_marked=True).verify(store)
    said = [finding.line for finding in verdict.findings if finding.check == "control"]
    assert len(said) == 1
    assert f"it shares the training of one {shared['run']['shared']['id']}, which has another curve" in said[0]


@pytest.mark.parametrize("change", [{"start": "0" * 64}, {}], ids=["another machine", "before"])
def test_a_first_that_was_trained_anew_refutes_no_shared_control(both, change):
    results = {str(path): read_result(path) for path in Store(both).paths()}
    for result in results.values():
        if result["cell"]["checkpoint"] == "one":
            result["run"] = {name: value for name, value in result["run"].items() if name != "start"} | change
            result["curve"] = {}
    assert [] == list(claims.shared(results))


def test_what_a_lack_of_memory_had_a_part_in_is_not_shared(both, tmp_path):
    store, first = Store(tmp_path), found(both, "one", "scratch")[0]
    control = controls.Control(store, Cell(**first["cell"]))
    control.start = first["run"]["start"]
    for run, expected in (({"accumulate": 2}, False), ({"answered": 900}, False), ({}, True)):
        control.leave({**first, "run": {**first["run"], **run}})
        assert expected == (tmp_path / CONTROLS / control.start).exists()


def test_a_sweep_says_which_controls_were_not_trained_again(pair, tmp_path):
    said = io.StringIO()
    evaluate(list(pair), ["formal.factor"], results=tmp_path, **{**ASKED, "seeds": 1, "stream": said})
    assert "other formal.factor@1 scratch seed 0: accuracy" in said.getvalue()
    assert "the control of one, which is the same" in said.getvalue()
    assert "not trained again: 1 control that another checkpoint of its shape had" in said.getvalue()


def test_a_form_has_shared_controls_of_scratch_alone(both):
    control, other = found(both, "other", "scratch")[0], found(both, "other", "pretrained")[0]
    assert result_fault(control) is None
    run = {**control["run"]}
    assert "$.run.start: none but of init scratch" in result_fault({**other, "run": {**other["run"], **run}})
    own = {"checkpoint": "other", "id": control["id"]}
    assert "$.run.shared: another cell, not this one" in result_fault({**control, "run": {**run, "shared": own}})
    del run["start"]
    assert "$.run.shared: where, and only where" in result_fault({**control, "run": run})
