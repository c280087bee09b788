"""The search for a recipe reads validation, never test, and leaves ordinary cells."""

import json

import pytest
from boards import record
from click.testing import CliRunner

from discbench.api import prepare
from discbench.cli import cli
from discbench.errors import UserError
from discbench.plugins import registry
from discbench.sweeps import search
from discbench.sweeps.sweep import Sweep
from discbench.values.asked import Evaluation
from discbench.values.cells import Request


def point(score, lr, optimizer="adam", seed=0, **fields):
    made = record(0.0, seed=seed, recipe={"name": "paper", "lr": lr, "optimizer": optimizer}, **fields)
    made["scores"]["validation"]["spearman"] = score
    return made


def test_the_best_is_the_highest_mean_on_validation():
    points = search.summary(
        [point(0.4, 1e-3), point(0.6, 1e-3, seed=1), point(0.7, 1e-4, "radam"), point(0.1, 1e-4, "radam", 1)]
    )

    assert [("adam", 1e-3, pytest.approx(0.5), 2)] == [
        (p["optimizer"], p["lr"], p["mean"], p["n"]) for p in search.best(points)
    ]


def test_of_equals_the_smaller_rate_is_taken():
    assert 1e-4 == search.best(search.summary([point(0.5, 1e-3), point(0.5, 1e-4)]))[0]["lr"]


def test_a_point_with_a_failed_seed_is_not_the_best():
    results = [point(0.9, 1e-2), {**point(0.9, 1e-2, seed=1), "status": "failed"}, point(0.5, 1e-3)]

    assert 1e-3 == search.best(search.summary(results))[0]["lr"]


def test_where_lower_is_better_the_lowest_is_the_best():
    results = [point(0.9, 1e-2), point(0.2, 1e-3)]
    for result in results:
        result["task"]["higher_is_better"] = False

    assert 1e-3 == search.best(search.summary(results))[0]["lr"]


def run(checkpoint_directory, results, *more):
    words = [
        "sweep-recipe",
        "--model",
        str(checkpoint_directory),
        "--tasks",
        "formal.factor",
        "--inits",
        "scratch",
        "--seeds",
        "1",
    ]
    words += ["--recipe", "quick", "--set", "epochs=1", "--limit", "16", "--results", str(results), "--workers", "0"]
    return CliRunner().invoke(cli, [*words, *more])


def test_every_optimiser_of_the_paper_trains_and_the_same_search_again_trains_nothing(checkpoint_directory, tmp_path):
    first = run(checkpoint_directory, tmp_path, "--lrs", "1e-3,1e-4", "--json")
    again = run(checkpoint_directory, tmp_path, "--lrs", "1e-3,1e-4")
    found = json.loads(first.stdout)

    assert 0 == first.exit_code, first.stderr
    assert {(o, lr) for o in search.OPTIMIZERS for lr in (1e-3, 1e-4)} == {
        (p["optimizer"], p["lr"]) for p in found["points"]
    }
    assert all(1 == p["n"] and 0 == p["failed"] for p in found["points"])
    assert "trained nothing: every cell was in the store" in again.stderr
    assert f"--set optimizer={found['best'][0]['optimizer']} --set lr={found['best'][0]['lr']:g}" in again.stdout


def test_a_grid_that_no_recipe_can_have_is_refused_before_training(checkpoint_directory, tmp_path):
    wrong = run(checkpoint_directory, tmp_path, "--optimizers", "sgd")

    assert (2, []) == (wrong.exit_code, list(tmp_path.glob("*/*/*/*.json")))
    assert "error: --set optimizer=sgd: 'sgd' is no value for optimizer" in wrong.stderr


def test_a_search_on_two_tasks_is_refused(checkpoint_directory, tmp_path):
    both = run(checkpoint_directory, tmp_path, "--tasks", "formal.depth")

    assert 2 == both.exit_code
    assert "error: --tasks names 2 tasks; a recipe is searched for on one at a time\n" == both.stderr


def test_rates_are_not_tuned_within_a_search(checkpoint_directory, tmp_path):
    tuned = run(checkpoint_directory, tmp_path, "--rates", "tuned")

    assert (2, "error: --rates tuned: the search goes over rates itself; leave it out\n") == (
        tuned.exit_code,
        tuned.stderr,
    )


def test_splits_that_are_smaller_than_what_is_taken_are_whole_in_a_search_as_in_eval():
    _, prepared = prepare(
        Evaluation(["builtin:tiny"], ["formal.factor"], recipe="quick", take="9999,9999,9999"), load=False
    )
    found = search.grid(prepared, Request(recipe="quick", overrides={}, take=(9999, 9999, 9999)), ["adam"], ["1e-3"])

    assert {None} == {cell.take for cell in found.cells}


def test_a_rate_that_diverges_is_an_outcome_shown_and_not_tried_again(checkpoint_directory, tmp_path):
    words = ["--optimizers", "adam", "--lrs", "1e30,1e-3,1e-4", "--set", "clip=none", "--set", "epochs=3"]
    first, again = run(checkpoint_directory, tmp_path, *words), run(checkpoint_directory, tmp_path, *words)

    assert (0, 0) == (first.exit_code, again.exit_code), first.stderr
    assert ["1e+30", "diverged"] in [line.split() for line in first.stdout.splitlines()]
    assert "best of" in first.stdout
    assert "Chosen on validation rows alone; test rows took no part." in first.stdout
    assert "3 of 3 cells are in the store and will not be run again" in again.stderr


def test_progress_of_a_search_names_the_point_and_tells_no_test_score(checkpoint_directory, tmp_path):
    told = run(checkpoint_directory, tmp_path, "--optimizers", "adamax", "--lrs", "1e-3").stderr

    assert "formal.factor@1 scratch seed 0 adamax lr 0.001: accuracy 0." in told
    assert " on validation" in told


def test_a_best_rate_at_the_end_of_its_row_says_so():
    points = search.summary([point(0.4, 1e-2), point(0.5, 1e-3), point(0.6, 1e-4), point(0.1, 1e-3, "radam")])

    assert {1e-2: "highest", 1e-3: None, 1e-4: "lowest"} == {
        p["lr"]: p["edge"] for p in points if p["optimizer"] == "adam"
    }
    assert [None] == [p["edge"] for p in points if p["optimizer"] == "radam"]


def test_fields_that_the_search_goes_over_and_models_without_a_recipe_are_refused(checkpoint_directory, tmp_path):
    fixed = run(checkpoint_directory, tmp_path, "--set", "lr=1e-3")
    trivial = CliRunner().invoke(
        cli, ["sweep-recipe", "--model", "baseline:majority", "--tasks", "formal.factor", "--results", str(tmp_path)]
    )

    assert (2, 2) == (fixed.exit_code, trivial.exit_code)
    assert "error: --set lr=...: the search goes over it; give --optimizers or --lrs instead\n" == fixed.stderr
    assert "error: model 'baseline:majority' is trained without a recipe; give a checkpoint\n" == trivial.stderr


def test_a_task_scored_on_its_validation_rows_is_refused(checkpoint_directory):
    task = registry.tasks(registry.plugins())["glue.mrpc"]
    swept = Sweep(checkpoints={}, tasks={task.id: task}, cells=[])

    with pytest.raises(
        UserError, match=r"glue\.mrpc is scored on its validation rows, so a recipe chosen on them would"
    ):
        search.grid(swept, Request(overrides={}), ("adam",), ("1e-3",))


def test_checkpoints_of_one_name_share_no_mean():
    points = search.summary([point(0.2, 1e-3), point(0.8, 1e-3, revision="s")])

    assert [("m@r", 0.2, 1), ("m@s", 0.8, 1)] == [(p["checkpoint"], p["mean"], p["n"]) for p in points]
