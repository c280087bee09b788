"""A saved state is whole, its own cell's and of this form, or it is passed over in a line."""

import json
import os
import random
import signal

import pytest
import torch
from safetensors.torch import save_file

from discbench.training.loop import statefile
from discbench.training.loop.keeper import FORM, Keeper
from discbench.training.loop.way import Way

WHOSE = {"cell": {"seed": 0}, "code": "abc", "versions": {"torch": "2"}, "hardware": {"threads": 1}}
TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    "none": torch.zeros(0, 3),
    "one": torch.tensor(1.5),
    "yes": torch.tensor([True]),
    "half": torch.ones(3, dtype=torch.bfloat16),
}
RECORD = {
    "form": FORM, "whose": WHOSE, "way": Way(precision="no").record, "savings": [], "done": 3, "resumed": [],
    "notes": [], "seconds": 1.0, "state": {"loss": [0.1 + 0.2, float("-inf")]},
}  # fmt: skip
ANEW = "; it was trained from the first step"


def found(path, whose=WHOSE):
    keeper = Keeper(path=path, whose=whose)
    return keeper.find(), keeper.notes


def test_what_is_written_is_read_to_the_bit(tmp_path):
    statefile.write(tmp_path / "deep" / "state", RECORD, TENSORS)
    record, tensors = statefile.read(tmp_path / "deep" / "state")

    assert record == RECORD
    assert {n: (t.dtype, t.shape) for n, t in TENSORS.items()} == {n: (t.dtype, t.shape) for n, t in tensors.items()}
    assert all(torch.equal(t, tensors[n]) for n, t in TENSORS.items())
    assert [tmp_path / "deep" / "state"] == list((tmp_path / "deep").iterdir())


def test_a_sound_state_is_found_with_its_way(tmp_path):
    statefile.write(tmp_path / "state", {**RECORD, "way": Way(precision="bf16", rows=4).record}, TENSORS)

    assert (Way(precision="bf16", rows=4), []) == found(tmp_path / "state")
    assert (None, []) == found(tmp_path / "none")


@pytest.mark.parametrize(
    "name, other",
    [("cell", {"seed": 1}), ("code", "abd"), ("versions", {"torch": "3"}), ("hardware", {"threads": 2})],
)
def test_a_state_of_something_else_is_passed_over(tmp_path, name, other):
    statefile.write(tmp_path / "state", RECORD, TENSORS)

    told = f"its saved training state belongs to another {name}{ANEW}"
    assert (None, [told]) == found(tmp_path / "state", {**WHOSE, name: other})


@pytest.mark.parametrize(
    "record, why",
    [
        ({**RECORD, "form": 0}, f"has form 0, and this discbench reads form {FORM}"),
        ({}, f"has form None, and this discbench reads form {FORM}"),
        ({"form": FORM}, "is a file of another kind (KeyError)"),
        ({**RECORD, "way": {"speed": 3}}, "is a file of another kind (TypeError)"),
        ([1], "is a file of another kind"),
    ],
)
def test_a_state_of_another_form_is_passed_over(tmp_path, record, why):
    statefile.write(tmp_path / "state", record, TENSORS)

    assert (None, [f"its saved training state {why}{ANEW}"]) == found(tmp_path / "state")


def test_a_damaged_state_is_passed_over_wherever_a_byte_is_other(tmp_path):
    statefile.write(tmp_path / "state", RECORD, TENSORS)
    content = (tmp_path / "state").read_bytes()
    draws = random.Random(0)
    for _ in range(300):
        spoilt = bytearray(content)
        spoilt[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
        (tmp_path / "state").write_bytes(spoilt)
        try:
            record, tensors = statefile.read(tmp_path / "state")
        except statefile.Unfit:
            continue
        assert json.dumps(RECORD, sort_keys=True) == json.dumps(record, sort_keys=True)
        assert all(torch.equal(t, tensors[n]) for n, t in TENSORS.items())


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_state_that_was_cut_off_is_passed_over(tmp_path, kept):
    statefile.write(tmp_path / "state", RECORD, TENSORS)
    (tmp_path / "state").write_bytes((tmp_path / "state").read_bytes()[:kept])
    way, (note,) = found(tmp_path / "state")

    assert way is None
    assert note.startswith("its saved training state cannot be read (")
    assert note.endswith(ANEW)


def test_foreign_files_and_folders_are_passed_over(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "model")
    (tmp_path / "folder").mkdir()
    (tmp_path / "pickle").write_bytes(b"\x80\x04" * 50)

    assert (None, [f"its saved training state is a file of another kind{ANEW}"]) == found(tmp_path / "model")
    assert found(tmp_path / "folder")[0] is found(tmp_path / "pickle")[0] is None


def test_a_process_that_is_killed_while_it_saves_leaves_the_state_of_before(tmp_path):
    statefile.write(tmp_path / "state", RECORD, TENSORS)
    child = os.fork()
    if child == 0:
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        statefile.write(tmp_path / "state", {**RECORD, "done": 4}, TENSORS)
        os._exit(0)
    ended = os.waitpid(child, 0)[1]

    assert signal.SIGKILL == os.WTERMSIG(ended)
    assert 3 == statefile.read(tmp_path / "state")[0]["done"]
