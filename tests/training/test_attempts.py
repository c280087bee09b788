"""Where memory or 16 bits do not carry a cell it is trained anew in parts, or in 32 bits, and its result says so."""

import copy
import functools
import io
import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from discbench.api import evaluate
from discbench.errors import CellError, StoreError, UserError
from discbench.models import building as models
from discbench.models.inputs import Inputs
from discbench.plugins import registry
from discbench.results.store import Store, read_result
from discbench.submissions.verify import Verifier
from discbench.sweeps import plan as planned
from discbench.sweeps.progress import Progress
from discbench.testing import tiny_checkpoint
from discbench.training.attempts import Attempts
from discbench.training.engine.savings import Plan
from discbench.training.loop import statefile
from discbench.training.loop.keeper import Keeper
from discbench.training.loop.losses import NotFinite
from discbench.training.run import Bench
from discbench.values.cells import Request
from discbench.values.checkpoints import locate
from discbench.values.jobs import Event
from discbench.values.place import Place
from discbench.values.recipes import Recipe

SHORT = Recipe(name="short", lr=1e-3, batch=8, epochs=1.2, evaluate_every=3)
"""Six steps on 37 rows: five an epoch, the last batch of an epoch has five rows."""
SOON = 1e-9


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A BERT without dropout, so that parts of a batch have the losses of the whole."""
    shape = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return locate(str(tiny_checkpoint(tmp_path_factory.mktemp("still") / "still-bert", **shape)))


def rows(*, scalar=False):
    draws = np.random.RandomState(0)
    made = [draws.choice([50, 60, 70], draws.randint(4, 9)) for _ in range(37)]
    offsets = np.cumsum([0, *map(len, made)]).astype(np.int64)
    first = np.array([int(r[0] == 60) for r in made])
    return Inputs(np.concatenate(made).astype(np.int64), offsets, first.astype(np.float32) if scalar else first, 0)


def short_of_memory(model, *, most=10**9, answered=10**9, error=torch.OutOfMemoryError):
    """The model on a device that holds so many rows of a batch in training, and so many that are answered."""

    def look(module, _args, given):
        if len(given["input_ids"]) > (most if module.training else answered):
            raise error("CUDA out of memory. Tried to allocate 20.00 GiB")

    model.register_forward_pre_hook(look, with_kwargs=True)
    return model


@functools.cache
def untrained(checkpoint, outputs):
    return models.build(checkpoint, "pretrained", outputs, 0, models.vocabulary_of(checkpoint))


def train(checkpoint, recipe=SHORT, *, scalar=False, changed=lambda model: model, built=None):
    """Train with whatever attempts it takes; return (answers, way, notes)."""
    data = rows(scalar=scalar)
    keeper = Keeper(path=None, whose={})
    keeper.find = lambda: None

    def build():
        if built is not None:
            built.append(1)
        return changed(copy.deepcopy(untrained(checkpoint, 1 if scalar else 2)))

    trained, _, way = Attempts(
        build=build, plan=lambda *_: Plan(), splits=(data, data, data), recipe=recipe, seed=0, device="cpu",
        score=lambda out: float(out[0, 0]), report=lambda *_: None, keeper=keeper,
    ).train()  # fmt: skip
    return trained, way, keeper.notes


@pytest.mark.parametrize("scalar", [False, True])
@pytest.mark.parametrize("recipe", [SHORT, replace(SHORT, optimizer="adagrad", clip=0.5)])
def test_a_batch_in_parts_has_the_losses_of_the_whole_one_also_where_it_does_not_divide(checkpoint, scalar, recipe):
    whole, _, _ = train(checkpoint, recipe, scalar=scalar)
    parts, way, _ = train(checkpoint, recipe, scalar=scalar, changed=lambda m: short_of_memory(m, most=3))

    assert {"accumulate": 4} == way.said(8, "no")
    assert np.allclose(whole.curve.loss, parts.curve.loss, rtol=0, atol=1e-5)
    assert np.allclose(whole.test, parts.test, rtol=0, atol=1e-4)


def test_the_batch_is_halved_as_often_as_it_takes_each_time_from_the_first_step(checkpoint):
    built = []
    trained, way, notes = train(checkpoint, changed=lambda m: short_of_memory(m, most=1), built=built)

    assert (4, {"accumulate": 8}, 6) == (len(built), way.said(8, "no"), len(trained.curve.loss))
    assert [f"in parts of {n} rows" for n in (4, 2, 1)] == [note[-18:] for note in notes]
    assert notes[0].startswith("OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB; it was trained anew")


def test_where_one_row_does_not_fit_the_cell_fails_in_one_line(checkpoint):
    with pytest.raises(CellError) as told:
        train(checkpoint, changed=lambda m: short_of_memory(m, most=0))

    assert (
        "memory does not hold one row of a batch at a time (OutOfMemoryError: CUDA out of memory. Tried to allocate"
        " 20.00 GiB); take a device with more memory, shorter rows (--set max_tokens=...) or a smaller checkpoint"
    ) == str(told.value)


def test_answers_are_given_in_smaller_batches_and_training_is_not_begun_again(checkpoint):
    built = []
    whole, _, _ = train(checkpoint)
    small, way, notes = train(checkpoint, changed=lambda m: short_of_memory(m, answered=20), built=built)

    assert (1, []) == (len(built), notes)
    assert {"answered"} == set(way.said(8, "no"))
    assert whole.curve.loss == small.curve.loss
    assert np.allclose(whole.test, small.test, rtol=0, atol=1e-5)
    with pytest.raises(CellError, match="memory does not hold one row at a time to be answered"):
        train(checkpoint, changed=lambda m: short_of_memory(m, answered=0))


@pytest.mark.parametrize(
    "error, again",
    [
        (MemoryError, True),
        (lambda _: RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (lambda _: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"), True),
        (lambda _: RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError, False),
    ],
)
def test_only_a_lack_of_memory_is_tried_again(checkpoint, error, again):
    built = []
    if again:
        train(checkpoint, changed=lambda m: short_of_memory(m, most=4, error=error), built=built)
    else:
        with pytest.raises((RuntimeError, ValueError)):
            train(checkpoint, changed=lambda m: short_of_memory(m, most=4, error=error), built=built)

    assert (2 if again else 1) == len(built)


def overflowing(model, *, always=False):
    """The model whose outputs are no numbers in 16 bits, or never."""

    def spoil(_module, _args, out):
        return out * float("nan") if always or torch.is_autocast_enabled("cpu") else out

    model.classifier.register_forward_hook(spoil)
    return model


def test_a_loss_that_is_not_finite_in_16_bits_is_tried_once_more_in_32(checkpoint):
    half = replace(SHORT, precision="bf16")
    whole, _, _ = train(checkpoint)
    again, way, notes = train(checkpoint, half, changed=overflowing)

    assert {"precision": "no"} == way.said(8, "bf16")
    assert [("the training loss is nan at step 1; no weight has moved yet: the targets or the checkpoint's weights are"
             " too large, in bf16; it was trained anew in 32 bits")] == notes  # fmt: skip
    assert (whole.curve, whole.test.tobytes()) == (again.curve, again.test.tobytes())


def test_in_32_bits_it_fails_as_ever(checkpoint):
    built = []
    with pytest.raises(NotFinite, match=r"the training loss is nan at step 1; no weight has moved yet"):
        train(checkpoint, replace(SHORT, precision="bf16"), changed=lambda m: overflowing(m, always=True), built=built)

    assert 2 == len(built)


def cell_of(checkpoint, bench, **changed):
    """A short cell of a shipped task."""
    task = registry.tasks(registry.plugins())["formal.factor"]
    asked = Request(inits=("pretrained",), seeds=(0,), recipe="quick", overrides={"epochs": "1", **changed}, limit=72)
    (cell,) = planned.cells([checkpoint], [task], {task.name: bench.rows_of(task).sha256}, asked)
    return cell, task


def run(checkpoint, root, *, minutes=None, threads=1, **changed):
    bench = Bench(Place(results=root, checkpoint_minutes=minutes), threads)
    cell, task = cell_of(checkpoint, bench, **changed)
    return bench.run(cell, checkpoint, task, lambda *_: None)


def lasting(root):
    """All files of a store but locks, results without what may differ between two runs."""
    found = {p.relative_to(root): p for p in root.rglob("*") if p.is_file() and ".locks" not in p.parts}
    return {
        str(name): {k: v for k, v in json.loads(path.read_text()).items() if k != "run"}
        if path.suffix == ".json" else path.read_bytes()
        for name, path in found.items()
    }  # fmt: skip


def killed(checkpoint, root, saves):
    """Run a cell in a process that is killed when it has saved its state so many times."""
    child = os.fork()
    if child == 0:
        write = statefile.write

        def last(*given):
            write(*given)
            left.pop()
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        left, statefile.write = [1] * saves, last
        try:
            run(checkpoint, root, minutes=SOON)
        finally:
            os._exit(0)
    assert signal.SIGKILL == os.WTERMSIG(os.waitpid(child, 0)[1])


@pytest.fixture(scope="module")
def dropping(checkpoint_directory):
    return locate(str(checkpoint_directory))


def test_a_cell_that_was_killed_goes_on_and_leaves_the_files_of_one_that_was_not(dropping, tmp_path):
    whole = run(dropping, tmp_path / "whole")
    killed(dropping, tmp_path / "cut", 2)
    between = sorted(path.name for path in (tmp_path / "cut").rglob("*") if path.is_file())
    result = run(dropping, tmp_path / "cut")

    assert [f"{whole['id']}.{end}" for end in ("holder", "lock", "safetensors")] == between
    assert lasting(tmp_path / "whole") == lasting(tmp_path / "cut")
    assert {**whole["run"], "resumed": [2]}.keys() == result["run"].keys()
    assert [2] == result["run"]["resumed"]
    assert not list((tmp_path / "cut" / ".training").iterdir())


@pytest.mark.parametrize("spoilt", ["damaged", "another thread"])
def test_a_state_that_cannot_be_used_is_told_and_the_result_is_the_same(dropping, tmp_path, spoilt):
    run(dropping, tmp_path / "whole")
    killed(dropping, tmp_path / "cut", 1)
    (state,) = (tmp_path / "cut" / ".training").iterdir()
    if spoilt == "damaged":
        state.write_bytes(state.read_bytes()[:-1] + b"?")
    else:
        record, tensors = statefile.read(state)
        record["whose"]["hardware"]["threads"] = 2
        statefile.write(state, record, tensors)
    result = run(dropping, tmp_path / "cut")

    why = "was damaged: its bytes do not have the hash that it names" if spoilt == "damaged" else None
    why = why or "belongs to another hardware"
    assert [f"its saved training state {why}; it was trained from the first step"] == result["run"]["notes"]
    assert lasting(tmp_path / "whole") == lasting(tmp_path / "cut")


def test_notes_are_told_when_their_cell_has_ended(dropping):
    cell, _ = cell_of(dropping, Bench(Place(results=None)))
    stream = io.StringIO()
    progress = Progress(total=1, stream=stream)
    progress.watch(Event("start", cell))
    progress.watch(Event("end", cell, result={"status": "failed", "cause": "why", "run": {"notes": ["first", "[b]"]}}))

    assert [f"{cell.words}: first", f"{cell.words}: [b]"] == stream.getvalue().splitlines()[:2]


def test_several_processes_for_one_cell_save_no_state(dropping, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        UserError, match="--checkpoint-minutes 5: torchrun started 2 processes, and the state of a cell"
    ):
        evaluate(dropping.location, "formal.factor", results=tmp_path, workers=0, checkpoint_minutes=5)


def test_boards_and_sweeps_pass_over_a_state_and_remove_one_whose_cell_is_finished(dropping, tmp_path):
    result = run(dropping, tmp_path)
    store, states = Store(tmp_path), tmp_path / ".training"
    states.mkdir()
    for name in (result["id"], "0" * 16):
        (states / f"{name}.safetensors").write_bytes(b"state")

    assert [result["id"]] == [r["id"] for r in store.results()]
    store.clear()
    assert [f"{'0' * 16}.safetensors"] == [path.name for path in states.iterdir()]


def test_what_a_result_says_of_its_training_must_fit_its_cell(dropping, tmp_path):
    result = run(dropping, tmp_path)
    (path,) = tmp_path.glob("*/*/*/*.json")
    batch = result["cell"]["recipe"]["batch"]

    def fault(marks=(), **said):
        path.write_text(json.dumps({**result, "marks": [*result["marks"], *marks], "run": {**result["run"], **said}}))
        try:
            return read_result(path) and ""
        except StoreError as error:
            return str(error).partition("(")[2]

    assert "" == fault(accumulate=batch, answered=512, resumed=[1, 2], notes=["a line"])
    assert fault(accumulate=batch + 1).startswith(f"$.run.accumulate: at most the {batch} rows of a batch was expected")
    assert fault(accumulate=1).startswith("$.run.accumulate: a whole number from 2")
    assert fault(precision="no").startswith("$.run.precision: none, for the recipe asks for 32 bits")
    assert fault(marks=["float32"]).startswith("$.marks: float32 where, and only where, $.run.precision is named")
    assert fault(resumed=[result["counts"]["steps"]]).startswith("$.run.resumed: steps before")


def test_a_cell_that_fell_to_32_bits_is_marked_in_its_result(dropping, tmp_path, monkeypatch):
    build = models.build
    monkeypatch.setattr(models, "build", lambda *given: overflowing(build(*given)))
    result = run(dropping, tmp_path, precision="bf16")

    assert ("finished", "no", ["limited", "float32"]) == (
        result["status"], result["run"]["precision"], result["marks"],
    )  # fmt: skip
    tasks = {task.id: task for task in registry.tasks(registry.plugins()).values()}
    verdict = Verifier(tasks=tasks, allow_marked=True).verify(tmp_path)
    assert [] == [finding for finding in verdict.findings if finding.check == "marks"]
