"""A board tells each task on it, from what the task says and what results hold; it reads no rows."""

import json

import jsonschema
import pytest
from boards import pairs, record
from stores import by_id, rows_of, tasks, write

from discbench.plugins import registry
from discbench.results import board
from discbench.results.boardview import Board
from discbench.results.forms.result import result_fault
from discbench.results.store import Store
from discbench.values.cells import all_said

NAMES = ("formal.depth", "formal.factor")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("told")
    write(root, NAMES, overrides={"epochs": "0.1"})
    return list(Store(root).results())


def told(results, said=None):
    return {card["task"]: card for card in board.build(results, said=said)["tasks"]}


def trivial(name, score, task="protein.stability", **fields):
    how = {"mapping": "none", "recipe": {"name": "none", "lr": None}}
    return record(score, "none", task=task, checkpoint=f"baseline:{name}", **how, **fields)


def test_a_task_is_told_by_what_it_says_of_itself(results):
    card = told(results, all_said(by_id().values()))["formal.factor@1"]["said"]
    task = tasks()["formal.factor"]

    assert (task.about, list("abcd"), 4, "random") == tuple(
        card[n] for n in ("about", "alphabet", "symbols", "mapping")
    )
    assert ("Apache-2.0", task.dataset.cite) == (card["license"], card["cite"])
    assert list(task.dataset.sizes) == card["sizes"]


def test_labels_and_rows_are_those_that_the_results_hold(results):
    depth, factor = (told(results)[f"{name}@1"]["datasets"][0] for name in NAMES)
    train = rows_of("formal.depth").train.targets

    assert {"train": 1024, "validation": 256, "test": 512} == depth["rows"]
    assert pytest.approx((train.mean(), train.std()), rel=1e-5) == (
        depth["labels"]["train"]["mean"],
        depth["labels"]["train"]["sd"],
    )
    assert [256, 256] == factor["labels"]["test"]["counts"]


def test_rows_are_pinned_where_the_task_names_their_hash(results):
    said = all_said(by_id().values())
    other = {**said, "formal.factor@1": {**said["formal.factor@1"], "rows_sha256": None}}

    pinned = [told(results, given)["formal.factor@1"]["datasets"][0]["pinned"] for given in (said, other, {})]
    assert [True, False, None] == pinned


def test_a_task_that_is_not_installed_is_told_by_its_results_alone(results):
    card = told(results)["formal.factor@1"]

    assert card["said"] is None
    assert "accuracy" == card["facts"]["metric"]


def test_baselines_on_all_rows_are_its_trivial_scores():
    results = [
        *pairs([0.1]),
        trivial("kmer", 0.4),
        trivial("majority", 0.1),
        trivial("kmer", 0.9, limit=8, marks=["limited"]),
    ]

    assert {"baseline:kmer": 0.4, "baseline:majority": 0.1} == told(results)["protein.stability@1"]["datasets"][0][
        "trivial"
    ]


def test_results_made_before_labels_were_recorded_give_a_board_without_them(results):
    older = [{**r, "dataset": {n: v for n, v in r["dataset"].items() if n != "labels"}} for r in results]
    data = told(older)["formal.factor@1"]["datasets"][0]

    assert [None] * len(older) == [result_fault(result) for result in older]
    assert (None, {"train": 1024, "validation": 256, "test": 512}) == (data["labels"], data["rows"])


def test_the_cards_have_the_schemas_form_and_one_order(results):
    said = all_said(by_id().values())
    made = board.build(results, said=said)

    jsonschema.validate(json.loads(board.to_bytes(made)), json.loads(board.SCHEMA.read_text()))
    assert board.to_bytes(made) == board.to_bytes(board.build(results[::-1], said=dict(reversed(said.items()))))


def test_python_and_the_command_line_tell_the_same_of_a_task(tmp_path):
    write(tmp_path, ("formal.factor",), seeds=(0,), overrides={"epochs": "0.1"})

    made = board.build(Store(tmp_path).results(), said=registry.told_tasks([]))
    assert Board.read(tmp_path).to_json().encode() == board.to_bytes(made)


def spread(**changed):
    """Labels of 2,000 rows a split, as a result of two classes may hold them."""
    return {split: {"rows": 2000, "counts": [900, 1100]} for split in ("train", "validation", "test")} | changed


FAULTS = [
    ({"labels": {"train": {"rows": 2000, "counts": [900, 1100]}}}, "it lacks 'validation'"),
    ({"labels": spread(test={"rows": 2000})}, "rows with counts of classes"),
    ({"labels": spread(test={"rows": 2001, "counts": [900, 1100]})}, "2001 rows in all"),
    ({"labels": spread(train={"rows": 8, "counts": [3, 5]})}, "at most 8"),
    ({"labels": spread(test={"rows": 2000, "counts": [900, 1000, 100]})}, "are not of the same classes"),
    ({"labels": spread(test={"rows": 2000, "mean": 1.0, "sd": 0.0, "min": 2.0, "max": 1.0})}, "at most 1.0"),
    ({"labels": spread(), "words": ["a", "b", "c"]}, "are not of the same classes"),
    ({"words": ["a", "b"]}, "are not of the same classes"),
]


@pytest.mark.parametrize("data, words", FAULTS)
def test_labels_that_cannot_be_are_no_result(results, data, words):
    whole = next(r for r in results if r["cell"]["task"] == "formal.factor@1")
    bare = {n: v for n, v in whole["dataset"].items() if n != "labels"}

    assert words in result_fault({**whole, "dataset": {**bare, **data}})
