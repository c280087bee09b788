"""The same cell has the same bytes: alone, beside others, in this process, and after code that moves torch's state."""

import json

import pytest
import torch

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, evaluate
from discbench.training.steady import settle, steady


def load_and_meddle():
    import torch

    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("medium")
    rows = [Row(("ab" if i % 2 else "ba") * (i % 5 + 40), i % 2) for i in range(48)]
    return Splits(train=rows[:24], validation=rows[24:36], test=rows[36:])


MEDDLING = Task(
    name="toy.meddling",
    version=1,
    dataset=Dataset(load_and_meddle, license="CC0-1.0", cite=""),
    mapping=RandomTable("ab"),
    target=Classes(2),
    metric=accuracy,
)


def lasting(results, folder):
    """Cell id -> all of its result that may not differ between two runs; the number of threads is among it."""
    found = {}
    for result in results:
        (path,) = folder.glob(f"*/*/*/{result['id']}.json")
        kept = json.loads(path.read_text())
        kept["run"] = kept["run"]["hardware"]
        found[result["id"]] = kept
    return found


def made(folder, workers, tasks=("formal.depth",), **more):
    board = evaluate(
        "builtin:tiny", list(tasks), recipe="quick", seeds=1, limit=72, set={"epochs": 2}, results=folder,
        workers=workers, unverified=True, **more,
    )  # fmt: skip
    assert not board.failed
    return lasting(board.results, folder)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Two cells, run by one worker."""
    return made(tmp_path_factory.mktemp("alone"), 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_cell_has_the_same_bytes_whatever_the_number_of_workers(alone, tmp_path, workers):
    had = torch.get_num_threads()

    assert alone == made(tmp_path, workers)
    assert {1} == {result["run"]["threads"] for result in alone.values()}
    assert had == torch.get_num_threads()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_task_whose_reader_sets_threads_and_precision_moves_no_bytes_of_another(alone, tmp_path, workers):
    found = made(tmp_path, workers, (MEDDLING, "formal.depth"))

    assert alone == {name: found[name] for name in alone}
    assert {1} == {result["run"]["threads"] for result in found.values()}


def test_threads_that_are_asked_for_are_in_the_result(tmp_path):
    assert {2} == {result["run"]["threads"] for result in made(tmp_path, 1, inits="scratch", threads=2).values()}


def test_what_was_set_before_is_set_again_after():
    had = torch.get_num_threads()
    settle(1)
    torch.set_num_threads(3)
    with steady(2):
        torch.set_default_dtype(torch.float64)
        assert 2 == torch.get_num_threads()

    assert (3, torch.float32) == (torch.get_num_threads(), torch.get_default_dtype())
    torch.set_num_threads(had)
