"""A specialist measured here is what recovery is held against; the published one stays beside it."""

import io
import json

import jsonschema
import pytest
from boards import pairs, record
from rich.console import Console

from discbench.results import board, boardtext, references
from discbench.site import pages

QUOTED = {"name": "PLUS-TFM", "score": 0.9, "source": "Table 5"}


def native(score, checkpoint="special", n=3, **fields):
    return [record(score, "pretrained", seed, checkpoint=checkpoint, mapping="native", **fields) for seed in range(n)]


def entry_of(results, checkpoint="m"):
    return next(
        e for e in board.build(results)["entries"] if e["checkpoint"] == checkpoint and e["mapping"] == "random"
    )


def test_recovery_is_measured_against_the_best_checkpoint_that_reads_the_rows_natively():
    results = [*pairs([0.1, 0.1, 0.1], specialist=QUOTED), *native(0.6, "weaker"), *native(0.7), *native(0.65, "third")]
    entry = entry_of(results)

    assert {"checkpoint": "special", "revision": "r", "score": 0.7, "sd": 0.0, "n": 3} == {
        **entry["reference"], "sd": round(entry["reference"]["sd"], 9), "score": round(entry["reference"]["score"], 9)
    }  # fmt: skip
    assert pytest.approx(0.1 / (0.7 - 0.5)) == entry["gain"]["recovery"]
    assert pytest.approx(0.1 / (0.9 - 0.5)) == entry["gain"]["recovery_quoted"]


def test_without_one_the_published_score_counts_as_before():
    entry = entry_of(pairs([0.1], specialist=QUOTED))

    assert (None, entry["gain"]["recovery_quoted"]) == (entry["reference"], entry["gain"]["recovery"])


@pytest.mark.parametrize(
    "fields",
    [
        {"rows": "1" * 64}, {"take": [8, 8, 8]}, {"limit": 5}, {"fraction": 0.5}, {"changed": {"lr": 1e-4}},
        {"recipe": {"name": "quick", "lr": 1e-5}}, {"marks": ["partial"]}, {"task": "protein.localization"},
    ],
    ids=lambda fields: next(iter(fields)),
)  # fmt: skip
def test_other_rows_or_another_way_of_training_make_no_reference(fields):
    assert entry_of([*pairs([0.1], take=None), *native(0.7, **{"take": None, **fields})])["reference"] is None


def test_a_checkpoint_is_no_reference_of_itself_with_another_vocabulary_neither():
    own = [*pairs([0.1]), *native(0.8, "m", revision="r+vocab-0123456789ab")]

    assert entry_of(own)["reference"] is None
    assert "special" == entry_of([*own, *native(0.7)])["reference"]["checkpoint"]


def test_a_specialist_that_is_not_better_than_scratch_gives_no_recovery():
    entry = entry_of([*pairs([0.1]), *native(0.4)])

    assert entry["gain"]["recovery"] is None
    assert "it is not better than scratch" in references.notes([entry])[0]


def test_a_failed_specialist_is_none():
    assert entry_of([*pairs([0.1]), *native(0.7, status="failed")])["reference"] is None


def test_a_board_on_which_no_control_finished_has_no_gain_and_is_printed():
    failed = [{**record(0.5, "scratch", status="failed"), "task": {}, "cause": "out of memory"}, record(0.6)]
    made = board.build([*failed, *native(0.7)])
    boardtext.board(made, Console(file=(out := io.StringIO()), width=160))

    assert [None] == [e["gain"] for e in made["entries"] if e["mapping"] == "random"]
    assert "0.600" in out.getvalue()


def test_of_an_error_the_lowest_is_the_best():
    results = [*pairs([-0.1, -0.1, -0.1], control=1.0), *native(0.5), *native(0.6, "weaker")]
    for result in results:
        result["task"]["higher_is_better"] = False
    entry = entry_of(results)

    assert ("special", pytest.approx(0.1 / 0.5)) == (entry["reference"]["checkpoint"], entry["gain"]["recovery"])


def test_terminal_page_and_json_tell_of_it():
    results = [*pairs([0.1, 0.1, 0.1], specialist=QUOTED), *native(0.7, specialist=QUOTED)]
    made = board.build(results)
    told = (
        "protein.stability@1: specialist special, read natively on the same rows, 0.700 (3 seeds); 50% of its lead over"
        " scratch is recovered; as published, PLUS-TFM 0.900, 25%"
    )
    out = io.StringIO()
    boardtext.board(made, Console(file=out, width=300))
    built = {
        name: page.decode() for name, page in pages.render(json.loads(board.to_bytes(made)), figures=False).items()
    }

    assert told in out.getvalue()
    assert [f"{told}." in text for name, text in built.items() if name.startswith("checkpoint-m-")] == [True]
    assert "Specialist measured here: special, read natively on the same rows, 0.700 (seeds: 3)." in "".join(
        built.values()
    )
    jsonschema.validate(json.loads(board.to_bytes(made)), json.loads(board.SCHEMA.read_text()))
