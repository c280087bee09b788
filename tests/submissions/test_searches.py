"""A tuned run is accepted with the search that its rate follows from, and not without it."""

import json
import shutil

import pytest
from stores import by_id

from discbench import evaluate
from discbench.errors import UserError
from discbench.results import rates
from discbench.results.forms.result import result_fault
from discbench.results.store import Store, place
from discbench.submissions import submit
from discbench.submissions.verify import Verifier
from discbench.testing import tiny_checkpoint
from discbench.values.cells import Cell
from discbench.values.rates import SEEDS

TASK = "formal.factor"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture(scope="module")
def store(tmp_path_factory, checkpoint):
    """A control whose rate was tuned: one run, and its search."""
    folder = tmp_path_factory.mktemp("searches") / "store"
    asked = {"inits": "scratch", "recipe": "quick", "seeds": 1, "set": {"epochs": 1, "batch": 8}, "take": (16, 8, 8)}
    with pytest.MonkeyPatch.context() as patch:  # a short grid, for verification too
        patch.setattr(rates, "STEPS", (-1, 0))
        patch.setattr(rates, "WIDER", 1)
        evaluate(f"m={checkpoint}", TASK, rates="tuned", results=folder, workers=0, **asked)
        yield folder


@pytest.fixture(scope="module")
def verifier():
    return Verifier(tasks=by_id())


def copied(store, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(store, folder, ignore=shutil.ignore_patterns(".locks"))
    return folder, list(Store(folder).results())


def moved(folder, result, **changes):
    """Change a result's cell, and put it where that cell's result lies."""
    old = folder / place(result["cell"])
    predictions = old.with_name(result["predictions"]["file"])
    cell = Cell(**{**result["cell"], **changes})
    named = {**result, "id": cell.id, "cell": cell.record}
    named["predictions"] = {**result["predictions"], "file": f"{cell.id}.predictions.parquet"}
    old.unlink()
    (folder / place(cell.record)).write_text(json.dumps(named))
    predictions.rename(predictions.with_name(named["predictions"]["file"]))


def lines(verifier, folder):
    return [finding.message for finding in verifier.verify(folder).findings if finding.level == "error"]


def run_of(results):
    return next(result for result in results if result["cell"]["rate"] == "tuned")


def trial_at(results, lr, seed=SEEDS[0]):
    return next(r for r in results if r["cell"]["rate"] == "search" and (r["cell"]["recipe"]["lr"], r["cell"]["seed"]) == (lr, seed))  # fmt: skip


def test_a_tuned_run_with_its_search_is_accepted_and_packed_with_it(store, verifier, tmp_path):
    content, made = submit.pack(store)
    (tmp_path / "packed.zip").write_bytes(content)
    verdict = verifier.verify(tmp_path / "packed.zip")

    assert [] == [finding.line for finding in verdict.findings if finding.level == "error"]
    assert verdict.cells - 1 == verdict.done["cells of searches counted from predictions and the task's own labels"]
    assert 1 == len(made["commands"])
    assert "--recipe quick --rates tuned" in made["commands"][0]


def test_a_search_that_lacks_a_cell_is_told_and_not_packed(store, verifier, tmp_path):
    folder, results = copied(store, tmp_path)
    (folder / place(trial_at(results, 1e-3)["cell"])).unlink()
    told = "1 cells of the search for its rate are missing: lr 0.001 seed 1000000"

    assert told in lines(verifier, folder)
    with pytest.raises(UserError, match=told):
        submit.pack(folder)


def test_a_rate_that_is_not_the_choice_is_told(store, verifier, tmp_path):
    folder, results = copied(store, tmp_path)
    run = run_of(results)
    lr = run["cell"]["recipe"]["lr"]
    other = 3e-4 if lr == 1e-3 else 1e-3
    moved(folder, run, recipe={**run["cell"]["recipe"], "lr": other})

    assert [f"it has lr {other:g}, but its search chooses {lr:g}"] == lines(verifier, folder)


def test_a_rate_beside_the_grid_is_told(store, verifier, tmp_path):
    folder, results = copied(store, tmp_path)
    run = run_of(results)
    moved(folder, run, recipe={**run["cell"]["recipe"], "lr": 2e-3})

    assert "recipe 'quick' for scratch with its changes has lr 0.001, not 0.002" in lines(verifier, folder)


def test_answers_of_a_search_that_do_not_give_its_score_are_told(store, verifier, tmp_path):
    folder, results = copied(store, tmp_path)
    trial = trial_at(results, 1e-3)
    path = folder / place(trial["cell"])
    score = trial["scores"]["validation"]["accuracy"]
    better = score + 0.125 if score < 1 else 0.5
    text = path.read_text().replace(f'"accuracy": {score}', f'"accuracy": {better}')
    path.write_text(text)

    assert any(line.startswith(f"validation accuracy is {score!r} by its predictions, not {better}") for line in lines(verifier, folder))  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "seed", "told"),
    [
        ("search", 0, "$.cell.seed: searches have seeds from 1000000, and no run has; 0 was found (search)"),
        ("tuned", SEEDS[0], "$.cell.seed: searches have seeds from 1000000, and no run has; 1000000 was found (tuned)"),
    ],
)
def test_a_search_on_a_boards_seeds_is_no_result_and_a_run_on_a_searchs_neither(store, rate, seed, told):
    results = list(Store(store).results())
    result = run_of(results) if rate == "tuned" else trial_at(results, 1e-3)
    cell = Cell(**{**result["cell"], "seed": seed, "mapping_seed": seed})

    assert told == result_fault({**result, "id": cell.id, "cell": cell.record})
