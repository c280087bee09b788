"""Which GPU each worker of a sweep is given: two are pretended to be there, and cells compute on the CPU."""

import os

import pytest

import discbench
from discbench import Classes, Dataset, RandomTable, Row, Splits, Task
from discbench.errors import UserError
from discbench.training import steady
from discbench.values import place
from discbench.values.metrics import Metric


def task(name, folder):
    """A task whose metric leaves a file, called as the GPU that its process was given."""

    def load():
        rows = [Row("ab" * (1 + i), i % 2) for i in range(6)]
        return Splits(train=rows, validation=rows, test=rows)

    def seen(targets, predictions):
        given = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
        (folder / f"{name} on {given} of {os.getpid()}").touch()
        return 0.5

    rows = Dataset(load, license="CC0-1.0", cite="none")
    return Task(
        name=name, version=1, dataset=rows, mapping=RandomTable("ab"), target=Classes(2), metric=Metric("seen", seen)
    )


@pytest.mark.parametrize(
    "asked, found", [({}, ["on 0", "on 1"]), ({"devices": [1], "per_device": 2}, ["on 1", "on 1"])]
)
def test_each_worker_has_a_gpu_of_its_own_or_as_many_workers_as_asked_share_one(tmp_path, monkeypatch, asked, found):
    monkeypatch.setenv(place.PRETENDED, "2")
    monkeypatch.delenv(place.VISIBLE, raising=False)
    (tmp_path / "seen").mkdir()
    tasks = [task("rna.one", tmp_path / "seen"), task("rna.two", tmp_path / "seen")]
    discbench.evaluate("baseline:majority", tasks, recipe="quick", results=tmp_path / "r", **asked)

    places = {path.name.split(" of ")[1]: path.name.split(" of ")[0][8:] for path in (tmp_path / "seen").iterdir()}
    assert found == sorted(places.values())
    assert place.VISIBLE not in os.environ


def test_a_cell_on_a_pretended_gpu_is_the_one_of_the_cpu(tmp_path, monkeypatch):
    asked = {"inits": ["pretrained"], "recipe": "quick", "seeds": 1, "limit": 16, "set": {"epochs": 1}, "workers": 0}
    here = discbench.evaluate("builtin:tiny", "formal.markov", results=tmp_path / "here", **asked)
    monkeypatch.setenv(place.PRETENDED, "1")
    there = discbench.evaluate("builtin:tiny", "formal.markov", results=tmp_path / "there", **asked)

    assert here.results[0]["curve"] == there.results[0]["curve"]
    assert here.results[0]["predictions"] == there.results[0]["predictions"]


def test_a_gpu_that_torch_cannot_use_is_told_before_the_first_cell(monkeypatch, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch can use this machine's GPU")
    monkeypatch.delenv(place.PRETENDED, raising=False)
    monkeypatch.setenv(place.VISIBLE, "3")

    with pytest.raises(
        UserError, match=r"^torch .* cannot use the GPU that is here \(CUDA_VISIBLE_DEVICES=3\); .* --devices cpu$"
    ):
        steady.check_usable("cuda")
    steady.check_usable("cpu")


@pytest.mark.slow
def test_nothing_that_workers_are_copied_from_asks_torch_for_gpus():
    """A process that has used CUDA cannot be copied, and has chosen its GPU for good."""
    import subprocess
    import sys

    script = """
import torch
from discbench.executors import start
asked = []
for name in ("is_available", "device_count", "_lazy_init", "get_device_properties", "current_device"):
    setattr(torch.cuda, name, lambda *_, n=name: asked.append(n) or 0)
import discbench.executors.warm
print(asked, flush=True)
"""
    assert "[]\n" == subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
