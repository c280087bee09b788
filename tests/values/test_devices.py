"""Which GPUs a job sees, which of them a sweep is given, and what each worker gets."""

import os

import pytest
from click.testing import CliRunner

from discbench.cli import cli
from discbench.errors import UserError
from discbench.executors.local import next_device
from discbench.values import place


@pytest.mark.parametrize(
    "visible, found",
    [
        (None, ("0", "1", "2", "3")),
        ("2,0", ("2", "0")),
        (" 3 ", ("3",)),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("1,7,2", ("1",)),
        ("GPU-8932f937-d72c,GPU-1a", ("GPU-8932f937-d72c", "GPU-1a")),
        ("MIG-8932f937/1/0", ("MIG-8932f937/1/0",)),
        ("0,0", ("0",)),
    ],
)
def test_a_job_sees_what_cuda_would_show_it_on_a_machine_of_four(visible, found):
    assert found == place.gpus_seen({} if visible is None else {place.VISIBLE: visible}, 4)


def test_a_machine_without_gpus_shows_none_whatever_the_variable_says():
    assert (
        ()
        == place.gpus_seen({}, 0)
        == place.gpus_seen({place.VISIBLE: "0"}, 0)
        == place.gpus_seen({place.VISIBLE: "GPU-1"}, 0)
    )


@pytest.mark.parametrize(
    "asked, device, found",
    [
        ("auto", None, ("4", "5")),
        (None, None, ("4", "5")),
        ("all", None, ("4", "5")),
        ("auto", "cuda", ("4", "5")),
        ("auto", "cpu", ()),
        ("cpu", None, ()),
        ("cpu", "cpu", ()),
        ("1", None, ("5",)),
        (1, None, ("5",)),
        ([1, 0], "cuda", ("5", "4")),
        ("0, 1", None, ("4", "5")),
        ("0+1", None, ("4", "5")),
    ],
)
def test_numbers_are_those_within_the_job(asked, device, found):
    assert found == place.gpus_chosen(asked, device, ("4", "5"))


def test_a_gpu_may_be_named_as_the_variable_names_it():
    assert ("GPU-b",) == place.gpus_chosen("GPU-b", None, ("GPU-a", "GPU-b"))


def test_without_a_gpu_the_cpu_is_taken_unless_one_is_asked_for():
    assert () == place.gpus_chosen("auto", None, ())
    with pytest.raises(UserError, match=r"^--devices all: this job sees no NVIDIA GPU.*; leave it out to use the CPU$"):
        place.gpus_chosen("all", None, ())


@pytest.mark.parametrize(
    "words, line",
    [
        (["--devices", "7"], "--devices 7: this job sees 2 GPUs (0, 1); give of those"),
        (["--devices", "0,x"], "--devices 0,x: auto, all, cpu or numbers with commas between were expected, such as 0,1"),
        (["--devices", "-1"], "--devices -1: auto, all, cpu or numbers with commas between were expected, such as 0,1"),
        (["--devices", "0,0"], "--devices 0,0 names a GPU twice; --per-device says how many workers each has"),
        (["--devices", "0", "--device", "cpu"], "--devices 0 and --device cpu say two things; leave --device out"),
        (["--devices", "cpu", "--per-device", "2"], "--per-device 2: cells run on the CPU here; give --workers instead"),
        (["--per-device", "2", "--workers", "3"], "--per-device 2 and --workers 3 say two things; leave one out"),
        (["--workers", "0", "--per-device", "1"], "--per-device 1 and --workers 0 say two things; leave one out"),
        (["--executor", "inprocess", "--per-device", "1"], "--per-device 1: --workers 0 runs one cell at a time, in this process"),
    ],
)  # fmt: skip
def test_a_device_that_cannot_be_is_one_line_before_anything_is_read(tmp_path, monkeypatch, words, line):
    monkeypatch.setenv(place.PRETENDED, "2")
    monkeypatch.delenv(place.VISIBLE, raising=False)
    result = CliRunner().invoke(
        cli, ["eval", "--model", "builtin:tiny", "--tasks", "formal", "--results", str(tmp_path / "r"), *words]
    )

    assert (2, f"error: {line}\n", []) == (result.exit_code, result.stderr, list(tmp_path.iterdir()))


@pytest.mark.parametrize("number", ["x", "-1", "", "1.5"])
def test_a_pretended_number_of_gpus_that_is_none_is_one_line(monkeypatch, number):
    monkeypatch.setenv(place.PRETENDED, number)

    with pytest.raises(UserError, match=f"^DISCBENCH_PRETEND_GPUS={number}: a number of GPUs was expected, such as 2$"):
        place.gpus_here()


def test_the_job_may_see_fewer_gpus_than_there_are_and_the_line_says_which(monkeypatch):
    monkeypatch.setenv(place.PRETENDED, "8")
    monkeypatch.setenv(place.VISIBLE, "5")

    with pytest.raises(UserError, match=r"^--devices 5: this job sees 1 GPU \(0 is 5\); give of those$"):
        place.gpus_chosen("5", None, place.gpus_here())


@pytest.mark.parametrize("given, count", [((None, None), 2), ((3, None), 3), ((None, 4), 8)])
def test_each_gpu_has_one_worker_or_as_many_as_are_asked_for(given, count):
    assert count == place.gpu_workers(("0", "1"), *given)


def test_workers_take_the_gpus_in_turns_and_a_dead_ones_place_is_taken_on_its_gpu():
    crew = []
    for _ in range(4):
        crew.append(next_device(("4", "5"), crew))
    assert ["4", "5", "4", "5"] == crew
    assert "5" == next_device(("4", "5"), ["4", "4", "5"])
    assert "4" == next_device(("4", "5"), ["5", "4", "5"])
    assert None is next_device((), crew)


def test_a_cell_of_this_process_has_the_one_gpu_that_was_asked_for(monkeypatch):
    monkeypatch.delenv(place.VISIBLE, raising=False)
    with place.one_gpu_here(("3",)):
        assert "3" == os.environ[place.VISIBLE]
    assert place.VISIBLE not in os.environ
    with pytest.raises(UserError, match="on one GPU, but 2 were asked for"), place.one_gpu_here(("0", "1")):
        pass
