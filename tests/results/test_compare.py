"""Two checkpoints, task by task."""

import json

import pytest
from boards import pairs, record
from click.testing import CliRunner
from scipy.stats import ttest_rel
from stores import completed

from discbench.cli import cli
from discbench.errors import NoSuchName, UserError
from discbench.results import board
from discbench.results.compare import compare
from discbench.results.store import Store
from discbench.values.cells import Cell


def test_a_difference_of_scores_is_that_of_a_paired_t_test():
    a, b = [0.61, 0.72, 0.55], [0.50, 0.58, 0.49]
    results = [record(s, seed=i, checkpoint=n) for n, scores in (("a", a), ("b", b)) for i, s in enumerate(scores)]
    found = compare(board.build(results), "a", "b")["tasks"][0]
    expected = ttest_rel(a, b).confidence_interval(0.95)

    assert (expected.low, expected.high) == pytest.approx((found["score"]["low"], found["score"]["high"]))
    assert found["gain"] is None


def test_a_difference_of_gains_takes_each_ones_own_scratch():
    results = pairs([0.1, 0.2, 0.3], checkpoint="a", control=0.2) + pairs([0.1, 0.1, 0.1], checkpoint="b", control=0.6)
    found = compare(board.build(results), "a", "b")["tasks"][0]

    assert pytest.approx(0.1) == found["gain"]["mean"]
    assert pytest.approx(-0.3) == found["score"]["mean"]


def test_lower_is_better_is_turned():
    results = [record(0.9, checkpoint="a"), record(0.4, checkpoint="b")]
    for r in results:
        r["task"]["higher_is_better"] = False

    assert pytest.approx(-0.5) == compare(board.build(results), "a", "b")["tasks"][0]["score"]["mean"]


def test_entries_of_another_recipe_are_not_compared():
    results = [record(0.9, checkpoint="a"), record(0.4, checkpoint="b", recipe={"name": "quick", "lr": 1e-3})]

    with pytest.raises(UserError, match="'a' and 'b' share no task"):
        compare(board.build(results), "a", "b")


def test_a_name_of_two_revisions_is_asked_for():
    results = [record(0.9, checkpoint="a"), record(0.9, checkpoint="a", revision="s"), record(0.4, checkpoint="b")]

    with pytest.raises(UserError) as error:
        compare(board.build(results), "a", "b")
    assert "'a' has 2 revisions here; give one of a@r, a@s" == str(error.value)
    assert 0.9 == compare(board.build(results), "a@r", "b")["tasks"][0]["one"]


def trivial(score, name="kmer", **fields):
    how = {"mapping": "none", "recipe": {"name": "none", "lr": None}, "mapping_seed": 0, **fields}
    return record(score, "none", checkpoint=f"baseline:{name}", **how)


def test_a_baselines_one_run_stands_against_every_seed():
    scores = [0.61, 0.72, 0.55]
    results = [*(record(s, seed=i, checkpoint="a") for i, s in enumerate(scores)), trivial(0.5)]
    found = compare(board.build(results), "a", "baseline:kmer")["tasks"][0]
    expected = ttest_rel(scores, [0.5] * 3).confidence_interval(0.95)

    assert (3, "paper", None) == (found["score"]["n"], found["recipe"], found["gain"])
    assert (expected.low, expected.high) == pytest.approx((found["score"]["low"], found["score"]["high"]))
    turned = compare(board.build(results), "baseline:kmer", "a")["tasks"][0]
    assert (-found["score"]["high"], "paper") == (turned["score"]["low"], turned["recipe"])


def test_a_baseline_is_compared_with_each_way_of_running_and_with_another_baseline():
    results = [record(0.6, checkpoint="a"), record(0.4, checkpoint="a", recipe={"name": "quick", "lr": 1e-3})]
    made = board.build([*results, trivial(0.5), trivial(0.2, "majority")])

    assert [0.6, 0.4] == [row["one"] for row in compare(made, "a", "baseline:kmer")["tasks"]]
    assert [0.3] == [
        round(row["score"]["mean"], 9) for row in compare(made, "baseline:kmer", "baseline:majority")["tasks"]
    ]


def test_a_baseline_whose_rows_are_drawn_by_seed_is_paired_by_seed():
    drawn = {"limit": 8, "marks": ["limited"]}
    results = [record(0.5 + 0.1 * seed, seed=seed, checkpoint="a", **drawn) for seed in range(3)]
    results += [trivial(0.5 + 0.1 * seed, seed=seed, **drawn) for seed in range(2)]

    score = compare(board.build(results), "a", "baseline:kmer")["tasks"][0]["score"]
    assert (2, 0.0) == (score["n"], score["mean"])


def test_a_baseline_on_other_rows_is_not_compared():
    with pytest.raises(UserError, match="share no task"):
        compare(board.build([record(0.5, checkpoint="a"), trivial(0.5, fraction=0.5)]), "a", "baseline:kmer")


def test_a_baseline_on_fewer_rows_taken_is_not_compared():
    taken = [64, 32, 64]
    made = board.build([record(0.5, checkpoint="a", take=taken), trivial(0.4), trivial(0.2, take=taken)])

    assert [0.2] == [row["other"] for row in compare(made, "a", "baseline:kmer")["tasks"]]


def test_intervals_over_test_rows_are_those_of_the_paired_draws():
    results = [record(0.6, checkpoint="a"), trivial(0.5)]
    draws = {results[0]["id"]: [0.6, 0.7, 0.5, 0.6], results[1]["id"]: [0.5, 0.6, 0.4, 0.5]}
    made = board.build(results)

    one = compare(made, "a", "baseline:kmer", draws=draws)["tasks"][0]["score"]
    assert pytest.approx((0.1, 0.1)) == (
        one["rows"]["low"],
        one["rows"]["high"],
    )  # the draws differ by as much each time
    assert (None, None) == (one["low"], one["both"])
    assert compare(made, "a", "baseline:kmer")["tasks"][0]["score"]["rows"] is None


def test_an_unknown_name_is_guessed():
    with pytest.raises(NoSuchName) as error:
        compare(board.build([record(0.9, checkpoint="bert")]), "brt", "bert")
    assert "no results of 'brt'; did you mean 'bert'? there are bert" == str(error.value)


@pytest.fixture
def store(tmp_path):
    for result in pairs([0.1, 0.2, 0.3], checkpoint="a") + pairs([0.1, 0.1, 0.2], checkpoint="b"):
        whole = completed(result)
        Store(tmp_path).put(Cell(**whole["cell"]), whole, None)
    return tmp_path


def test_the_command_prints_a_table_or_json(store):
    text = CliRunner().invoke(cli, ["compare", "a", "b", "--results", str(store)])
    record = json.loads(CliRunner().invoke(cli, ["compare", "a", "b", "--results", str(store), "--json"]).stdout)

    assert 0 == text.exit_code
    assert "a@r minus b@r" in text.stdout
    assert "+0.067" in text.stdout
    assert pytest.approx(0.2 / 3) == record["tasks"][0]["gain"]["mean"]
