"""The board is a pure function of results; its statistics are those of a worked example."""

import json
import math

import jsonschema
import numpy as np
import pytest
from boards import NOTE, leaking, pairs, record, way
from scipy.stats import ttest_rel

from discbench.results import board, stats
from discbench.results.boardview import Board
from discbench.results.leaktext import notes


def test_gain_is_the_mean_of_paired_differences():
    results = [
        record(0.5, "scratch", 0),
        record(0.7, "scratch", 1),
        record(0.9, seed=0),
        record(0.6, seed=1),
        record(0.1, seed=2),
    ]
    entry = board.build(results)["entries"][0]

    assert pytest.approx((0.4 - 0.1) / 2) == entry["gain"]["mean"]
    assert 2 == entry["gain"]["n"]
    assert pytest.approx(1.6 / 3) == entry["inits"]["pretrained"]["mean"]
    assert pytest.approx(math.sqrt(0.02)) == entry["inits"]["scratch"]["sd"]


def test_with_two_seeds_no_interval_is_invented_and_with_three_there_is_one():
    gain = board.build(pairs([0.1, 0.2]))["entries"][0]["gain"]
    assert (None, None) == (gain["low"], gain["high"])
    gain = board.build(pairs([0.1, 0.2, 0.3]))["entries"][0]["gain"]
    assert gain["low"] < 0.2 < gain["high"]


def test_the_interval_is_that_of_a_paired_t_test():
    pretrained, control = [0.61, 0.72, 0.55, 0.80], [0.50, 0.58, 0.49, 0.41]
    expected = ttest_rel(pretrained, control).confidence_interval(0.95)

    found = stats.interval([p - c for p, c in zip(pretrained, control, strict=True)])
    assert (expected.low, expected.high) == pytest.approx(found)


def test_recovery_on_localization_is_the_papers():
    specialist = {"name": "PLUS-TFM", "score": 0.690, "source": "Table 5"}
    entry = board.build([record(0.578, "scratch", specialist=specialist), record(0.641, specialist=specialist)])[
        "entries"
    ][0]

    assert pytest.approx((64.1 - 57.8) / (69.0 - 57.8)) == entry["gain"]["recovery"]
    assert 0.56 == round(entry["gain"]["recovery"], 2)


def test_recovery_is_undefined_without_a_specialist():
    assert board.build(pairs([0.1]))["entries"][0]["gain"]["recovery"] is None


def test_adaptability_is_the_mean_over_tasks_then_over_disciplines():
    results = pairs([0.1] * 3, task="protein.a") + pairs([0.3] * 3, task="protein.b") + pairs([0.6] * 3, task="dna.c")
    headline = board.build(results)["checkpoints"][0]

    assert pytest.approx((0.2 + 0.6) / 2) == headline["adaptability"]
    assert {"dna": pytest.approx(0.6), "protein": pytest.approx(0.2)} == headline["disciplines"]
    assert (0.4, 0.4) == (pytest.approx(headline["low"]), pytest.approx(headline["high"]))


def test_marked_cells_never_share_a_mean_with_whole_ones():
    made = board.build(
        pairs([0.1]) + pairs([0.9], limit=64, marks=["limited"]) + pairs([0.5], marks=["unverified"], rows="1" * 64)
    )

    assert [
        (None, 0.1),
        (None, 0.5),
        (64, 0.9),
    ] == sorted(((e["limit"], round(e["gain"]["mean"], 3)) for e in made["entries"]), key=lambda p: p[1])
    assert 3 == len(made["checkpoints"])


def test_recipes_that_differ_never_share_a_mean():
    assert 2 == len(board.build(pairs([0.1]) + pairs([0.9], changed={"epochs": 1.0}))["entries"])


def test_an_incomplete_checkpoint_says_what_is_missing():
    results = (
        pairs([0.1], task="dna.a", checkpoint="one")
        + pairs([0.1], task="dna.b", checkpoint="one")
        + pairs([0.1], task="dna.a", checkpoint="two")
    )
    whole, part = board.build(results)["checkpoints"]

    assert (True, []) == (whole["complete"], whole["missing"])
    assert (False, ["dna.b"]) == (part["complete"], part["missing"])


def test_a_failed_cell_is_counted_and_kept_out_of_the_mean():
    failed = {**record(0.0, seed=1), "status": "failed", "cause": "NaN"}
    column = board.build([record(0.4), failed])["entries"][0]["inits"]["pretrained"]

    assert (1, [1], 0.4) == (column["n"], column["failed"], column["mean"])


def test_the_board_fits_its_schema_and_does_not_depend_on_the_order_of_results():
    results = (
        pairs([0.1, 0.2, 0.3]) + pairs([0.1], limit=8, marks=["limited"]) + [{**record(0, seed=9), "status": "failed"}]
    )
    made = board.build(results)

    jsonschema.validate(json.loads(board.to_bytes(made)), json.loads(board.SCHEMA.read_text()))
    assert board.to_bytes(made) == board.to_bytes(board.build(results[::-1]))


def test_a_known_leak_is_told_below_the_scores_of_its_task_and_keeps_nothing_out_of_means():
    made = board.build(leaking([way(31)], task="dna.splice") + leaking([way(1)], task="dna.other"))
    lines = repr(Board.of(leaking([way(31)], task="dna.splice") + leaking([way(1)], task="dna.other"))).splitlines()

    jsonschema.validate(json.loads(board.to_bytes(made)), json.loads(board.SCHEMA.read_text()))
    assert [[way(1)], [way(31)]] == [entry["copies"] for entry in made["entries"]]
    assert [[NOTE], []] == [notes([made["entries"][1]]), notes([made["entries"][0]])]
    assert pytest.approx(0.2) == made["checkpoints"][0]["adaptability"]
    assert ["dna.other", "dna.splice"] == made["checkpoints"][0]["tasks"]
    assert " ".join(NOTE.split()[:8]) in " ".join(" ".join(lines).split())
    assert [True, False] == [
        any(line.split()[:2] == [f"dna.{name}@1", "\N{DAGGER}"] for line in lines) for name in ("splice", "other")
    ]


def test_a_board_in_a_notebook_tells_a_known_leak():
    shown = Board.of(leaking([way(31)], task="dna.splice"))._repr_html_()

    assert "dna.splice@1 \N{DAGGER}" in shown
    assert NOTE in shown


def test_a_board_of_results_that_do_not_say_has_no_copies_and_no_note():
    made = board.build(pairs([0.1]))

    assert made["entries"][0]["copies"] is None
    assert [] == notes(made["entries"])


def test_a_metric_whose_lower_is_better_gains_when_it_falls():
    results = pairs([-0.2])
    for r in results:
        r["task"]["higher_is_better"] = False

    assert pytest.approx(0.2) == board.build(results)["entries"][0]["gain"]["mean"]


def errors(task, pretrained, scratch):
    """Results of a task that is scored by RMSE, seed by seed."""
    made = [record(p, seed=s, task=task) for s, p in enumerate(pretrained)]
    made += [record(c, "scratch", seed=s, task=task) for s, c in enumerate(scratch)]
    for r in made:
        r["task"] |= {"higher_is_better": False}
    return made


def test_an_error_counts_in_means_by_the_share_of_scratchs_that_is_gone_whatever_its_unit():
    degrees = errors("sky.heat", [3.0, 4.0, 2.0], [4.0, 5.0, 4.0])
    thousandths = errors("sky.heat", [3000.0, 4000.0, 2000.0], [4000.0, 5000.0, 4000.0])
    others = pairs([0.1] * 3, task="sky.cloud")
    one, other = (board.build(r + others)["checkpoints"][0] for r in (degrees, thousandths))

    assert {"sky.heat": pytest.approx((0.25 + 0.2 + 0.5) / 3)} == one["shares"]
    assert pytest.approx(((0.25 + 0.2 + 0.5) / 3 + 0.1) / 2) == one["adaptability"]
    assert [one["adaptability"], one["low"], one["high"]] == pytest.approx(
        [other["adaptability"], other["low"], other["high"]]
    )
    assert {"sky": pytest.approx(0.6)} == one["scores"]["pretrained"]
    assert pytest.approx(4000 / 3) == 1000 * board.build(degrees)["entries"][0]["gain"]["mean"]


def test_test_rows_spread_an_error_by_the_share_too():
    made = errors("sky.heat", [3.0, 4.0, 2.0], [4.0, 5.0, 3.0])
    for r in made:
        draw = np.random.default_rng(r["cell"]["seed"] + 10 * (r["cell"]["init"] == "scratch"))
        r["resampled"] = (-r["scores"]["test"]["spearman"] + draw.normal(0, 0.1, 200)).tolist()
    headline, entry = (board.build(made)[part][0] for part in ("checkpoints", "entries"))

    assert pytest.approx(entry["gain"]["rows"]["shared_sd"] / 4) == headline["rows_sd"]


def test_an_error_that_scratch_does_not_make_is_in_no_mean():
    headline = board.build(errors("sky.heat", [0.1], [0.0]) + pairs([0.2], task="sky.cloud"))["checkpoints"][0]

    assert ({}, ["sky.heat"]) == (headline["shares"], headline["missing"])
    assert pytest.approx(0.2) == headline["adaptability"]


def test_cells_of_quick_with_raw_labels_share_no_mean_with_those_of_today():
    before, today = {"name": "quick", "lr": 1e-3}, {"name": "quick", "lr": 1e-3, "targets": "standardised"}
    found = board.build(pairs([0.1, 0.1, 0.1], recipe=before) + pairs([0.3, 0.3, 0.3], recipe=today))

    gains = {entry["changed"].get("targets"): entry["gain"]["mean"] for entry in found["entries"]}
    assert {None: pytest.approx(0.3), "raw": pytest.approx(0.1)} == gains
    assert [3, 3] == [row["n"] for row in found["checkpoints"]]


def test_ranks_name_rivals_of_one_name_by_their_revisions():
    results = pairs([0.1, 0.2, 0.3]) + pairs([0.1, 0.2, 0.31], revision="s")
    found = board.build(results)["checkpoints"]

    assert [["m@s"], ["m@r"]] == [row["inseparable"] for row in found]
    assert ["m@r", "m@s"] == [row["checkpoint"] for row in board.shown(board.build(results))["checkpoints"]]
