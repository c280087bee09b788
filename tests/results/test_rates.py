"""A search's choice is what a reader of its cells would choose; a board says what was chosen, and among how much."""

import json

import jsonschema
import pytest
from boards import pairs, record
from hypothesis import given, settings
from hypothesis import strategies as st

from discbench import Part, Suite
from discbench.errors import PluginError, UserError
from discbench.results import board, rates
from discbench.results.boardview import Board
from discbench.values.cells import Request
from discbench.values.rates import FIRST_SEED, SEEDS, STEPS, WIDER, grid

OWN = 1e-5
LADDER = grid(OWN)
FIRST = [LADDER[step] for step in STEPS]


def trial(lr, score, seed=SEEDS[0], **fields):
    """A cell of a search; a score of None is a cell that failed."""
    made = record(
        0.0, seed=seed, recipe={"name": "paper", "lr": lr}, rate="search", status="finished" if score is not None else "failed", **fields
    )  # fmt: skip
    made["scores"] = {"validation": {"spearman": score}}
    return {**made, "cause": "CellError: the training loss is nan"} if score is None else made


def trials(scores, **fields):
    """Cells of every rate and seed: rate -> one score for both seeds, or a pair of them."""
    pairs = {lr: of if isinstance(of, tuple) else (of, of) for lr, of in scores.items()}
    return [trial(lr, score, seed, **fields) for lr, of in pairs.items() for seed, score in zip(SEEDS, of, strict=True)]


def search(scores, **fields):
    (of,) = rates.grouped(trials(scores, **fields)).values()
    return rates.search(OWN, of)


def scored(*values):
    return dict(zip(FIRST, values, strict=True))


def test_the_grid_is_in_half_decades_of_1_and_3_around_the_recipes_rate():
    assert [1e-6, 3e-6, 1e-5, 3e-5, 1e-4] == FIRST
    assert (1e-8, 1e-2) == (min(LADDER.values()), max(LADDER.values()))


@pytest.mark.parametrize(
    ("scores", "lr", "count"),
    [
        (scored(0.1, 0.2, 0.5, 0.3, 0.2), 1e-5, 5),
        (scored(0.1, 0.5, 0.5, 0.3, 0.2), 3e-6, 5),
        (scored(0.1, 0.2, (0.9, 0.0), 0.46, 0.2), 3e-5, 5),
        (scored(0.1, 0.2, 0.3, (0.9, None), 0.2), 1e-5, 5),
        (scored(0.1, 0.2, None, 0.3, None), 3e-5, 5),
        ({**scored(0.1, 0.2, 0.3, 0.4, 0.5), 3e-4: 0.4}, 1e-4, 6),
        ({**scored(0.1, 0.2, 0.3, 0.4, 0.5), 3e-4: 0.6, 1e-3: None}, 3e-4, 7),
        ({**scored(0.5, 0.2, 0.3, 0.4, 0.5), 3e-7: 0.4}, 1e-6, 6),
        ({**scored(0.5, 0.4, 0.3, 0.3, 0.3), 3e-7: 0.6, 1e-7: 0.7, 3e-8: 0.8, 1e-8: 0.9}, 1e-8, 9),
        (dict.fromkeys(FIRST, 0.5), 1e-6, 5),
        ({**scored(0.5, 0.4, 0.3, 0.3, 0.3), 3e-7: 0.5}, 3e-7, 6),
        (dict.fromkeys(FIRST), None, 5),
    ],
)
def test_the_best_mean_is_chosen_of_equals_the_smaller_never_one_that_failed_and_an_edge_widens_the_grid(
    scores, lr, count
):
    found = search(scores)

    assert (lr, count, ()) == (found.lr, len(found.rates), found.missing)


def test_where_lower_is_better_the_lowest_mean_is_chosen():
    made = trials(scored(0.9, 0.2, 0.3, 0.4, 0.5))
    for one in made:
        one["task"]["higher_is_better"] = False
    (of,) = rates.grouped(made).values()

    assert 3e-6 == rates.search(OWN, of).lr


@settings(max_examples=50, deadline=None, database=None, derandomize=True)
@given(scores=st.lists(st.sampled_from([None, 0.1, 0.2, 0.3]), min_size=len(LADDER), max_size=len(LADDER)))
def test_any_search_ends_at_what_a_plain_reader_of_its_cells_chooses(scores):
    of = dict(zip(LADDER.values(), scores, strict=True))
    found = search(of)
    worth = [(score, -lr) for lr in found.rates if (score := of[lr]) is not None]

    assert found.lr == (-max(worth)[1] if worth else None)
    level = found.lr == min(found.rates) and of[found.lr] == of[found.rates[1]]
    assert found.lr is None or found.edge or level or min(found.rates) < found.lr < max(found.rates)
    assert len(STEPS) <= len(found.rates) <= len(STEPS) + 2 * WIDER


def test_a_search_that_lacks_a_cell_chooses_nothing_and_names_it():
    (of,) = rates.grouped(trials(scored(0.1, 0.2, 0.3, 0.2, 0.1))[1:]).values()
    found = rates.search(OWN, of)

    assert (None, ((1e-6, SEEDS[0]),)) == (found.lr, found.missing)


def tuned(lr=1e-5, gain=0.1, count=3, **fields):
    return [
        record(0.5 + (gain if init == "pretrained" else 0.0) + seed / 100, init, seed, recipe={"name": "paper", "lr": lr}, rate="tuned", **fields)
        for init in ("pretrained", "scratch")
        for seed in range(count)
    ]  # fmt: skip


def searched(**scratch):
    best = scored(0.1, 0.2, 0.5, 0.3, 0.2)
    return trials(best) + trials({**best, **scratch.pop("scores", {})}, init="scratch", **scratch)


def plain(**fields):
    return [{**run, "cell": {**run["cell"], "rate": None}} for run in tuned(gain=0.3, **fields)]


def entry_of(results):
    return next(entry for entry in board.build(results)["entries"] if entry["rate"])


def test_cells_of_a_search_are_no_runs_and_tuned_runs_share_no_mean_with_others():
    made = board.build([*tuned(), *plain(), *searched()])

    assert [None, "tuned"] == sorted((e["rate"] for e in made["entries"]), key=str)
    assert {3} == {column["n"] for e in made["entries"] for column in e["inits"].values()}
    assert [pytest.approx(0.3)] == [e["gain"]["mean"] for e in made["entries"] if e["rate"] is None]


def test_an_entry_holds_its_search_and_the_gain_at_the_recipes_single_rate_beside():
    entry = entry_of([*tuned(), *plain(), *searched()])
    means = {"1e-06": 0.1, "3e-06": 0.2, "1e-05": 0.5, "3e-05": 0.3, "0.0001": 0.2}

    assert {"lr": 1e-5, "rates": means, "seeds": 2, "failed": 0, "missing": 0, "edge": None} == entry["search"][
        "scratch"
    ]
    assert (pytest.approx(0.1), pytest.approx(0.3)) == (entry["gain"]["mean"], entry["default_rate"]["gain"]["mean"])
    assert [] == entry["rate_warnings"]
    assert None is entry_of([*tuned(), *searched()])["default_rate"]


@pytest.mark.parametrize(
    ("results", "lines"),
    [
        (tuned(), ["pretrained: 10 cells of its search are not here", "scratch: 10 cells of its search are not here"]),
        (
            [*tuned(), *searched(scores={1e-4: None, 1e-6: None})],
            ["scratch was searched over 3 rates, pretrained over 5"],
        ),
        (
            [*tuned(lr=3e-5), *searched()],
            [f"{i}: runs have lr 3e-05, but its search chooses 1e-05" for i in ("pretrained", "scratch")],
        ),
    ],
)
def test_a_board_warns_of_a_smaller_search_of_the_control_and_of_rates_that_do_not_follow(results, lines):
    assert lines == entry_of(results)["rate_warnings"]


def test_where_a_search_has_changed_its_mind_runs_at_its_choice_count_and_those_of_before_do_not():
    now, before = tuned(), tuned(lr=3e-5, gain=0.4)
    made = entry_of([*before, *now, *searched()])

    assert ([1e-5, 1e-5], pytest.approx(0.1)) == ([c["lr"] for c in made["inits"].values()], made["gain"]["mean"])
    assert {run["id"] for run in before} == rates.superseded([*before, *now], searched())
    assert set() == rates.superseded([*before, *plain()], searched())


def test_a_board_with_tuned_rates_is_valid_by_its_schema():
    suite = Suite(
        name="one", version=1, parts=(Part(tasks=("protein.stability@1",), seeds=3, recipe="paper", rates="tuned"),)
    )
    runs = [{**run, "counts": {"train": 9, "validation": 9, "test": 9}} for run in [*tuned(), *plain()]]
    made = board.build([*runs, *searched()], suites=[suite])
    for part in (made["entries"], *(entry["inits"].values() for entry in made["entries"])):
        for one in part:
            one["curve"] = None
    schema = json.loads(board.SCHEMA.read_text())
    for entry in made["entries"]:
        jsonschema.validate({k: v for k, v in entry.items() if k != "curve"}, {**schema, **schema["$defs"]["entry"]})
    jsonschema.validate(made["suites"][0], {**schema, **schema["$defs"]["suite"]})
    (row,) = made["suites"][0]["checkpoints"]

    assert (pytest.approx(0.1), pytest.approx(0.3)) == (row["adaptability"], row["default_rates"]["adaptability"])
    assert {"protein.stability@1": {"pretrained": 1e-5, "scratch": 1e-5}} == row["rates"]


def test_a_suite_counts_chosen_rates_only_where_it_asks_for_them():
    part = Part(tasks=("protein.stability@1",), seeds=3, recipe="paper")
    counted = {"counts": {"train": 9, "validation": 9, "test": 9}}
    with_counts = [{**run, **counted} for run in (tuned()[0], plain()[0])] + [trial(1e-5, 0.5)]
    fixed = Suite(name="fixed", version=1, parts=(part,))
    chosen = Suite(name="chosen", version=1, parts=(Part(tasks=part.tasks, seeds=3, recipe="paper", rates="tuned"),))

    assert [False, True, False] == [fixed.holds(run) for run in with_counts]
    assert [True, False, False] == [chosen.holds(run) for run in with_counts]


def test_what_cannot_be_asked_of_rates_is_one_line():
    with pytest.raises(UserError, match=r"^--set lr and --rates tuned: the rate is fixed or searched for; leave one"):
        Request(overrides={"lr": "1e-3"}, rates="tuned")
    with pytest.raises(UserError, match=r"^seed 1000000: seeds from 1000000 belong to the search for rates$"):
        Request(overrides={}, rates="tuned", seeds=(0, FIRST_SEED))
    with pytest.raises(UserError, match=r"^no rates 'tune'; did you mean 'tuned'\?"):
        Request(overrides={}, rates="tune")
    with pytest.raises(
        PluginError, match=r"^suite 'many': seeds from 1000000 belong to searches for rates, but 1000001"
    ):
        Suite(name="many", version=1, parts=(Part(tasks=("formal.factor@1",), seeds=FIRST_SEED + 1),))


def test_a_notebook_and_a_data_frame_tell_tuned_runs_and_rows_taken_apart():
    runs = [*pairs([0.1]), *pairs([0.2], rate="tuned", take=[64, 32, 64])]
    made = Board.of(runs)
    frame = made.to_pandas()[["rate", "take"]].fillna("")

    assert {("", ""), ("tuned", "64/32/64")} == set(frame.itertuples(index=False, name=None))
    assert all(
        f"<td>{way}</td>" in made._repr_html_() for way in ("paper", "paper, rates tuned, at most 64/32/64 rows")
    )
