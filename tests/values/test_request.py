"""What the options of mappings and of few rows ask for, and what becomes of it in a cell."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from discbench.cli import cli
from discbench.errors import CheckpointError, DiscbenchError
from discbench.models.building import load_tokenizer, vocabulary_of
from discbench.models.tokenizing import native_table
from discbench.plugins import registry
from discbench.results.store import unpack_predictions
from discbench.sweeps import plan
from discbench.training.run import Bench
from discbench.values.asked import Evaluation
from discbench.values.cells import Request
from discbench.values.checkpoints import locate
from discbench.values.place import Place


@pytest.fixture(scope="module")
def factor():
    return registry.tasks(registry.plugins())["formal.factor"]


def cells(found, task, **fields):
    request = Request(**{"inits": ("scratch",), "seeds": (0, 1), "recipe": "quick", "overrides": {}, **fields})
    return plan.cells([found], [task], {task.name: task.dataset.rows_sha256}, request)


@pytest.fixture(scope="module")
def tiny():
    return locate("builtin:tiny")


def test_the_mapping_seed_is_the_runs_own_unless_it_is_given(tiny, factor):
    assert [(0, 0), (1, 1)] == [(c.seed, c.mapping_seed) for c in cells(tiny, factor)]
    assert [(0, 7), (0, 8), (1, 7), (1, 8)] == [
        (c.seed, c.mapping_seed) for c in cells(tiny, factor, mapping_seeds=(7, 8))
    ]


def test_symbols_keep_the_models_special_ids_and_shifted_text_moves_them_unless_told_otherwise(tiny, factor):
    cola = registry.tasks(registry.plugins())["glue.cola"]
    rows = {"glue.cola": "0" * 64}
    request = Request(inits=("scratch",), seeds=(0,), recipe="quick", overrides={})

    assert [False] == [c.map_specials for c in cells(tiny, factor, seeds=(0,))]
    assert [True] == [c.map_specials for c in cells(tiny, factor, seeds=(0,), map_specials=True)]
    assert [True] == [c.map_specials for c in plan.cells([tiny], [cola], rows, request)]


def test_moved_specials_stand_around_the_rows_and_in_the_padding(tiny, factor):
    bench = Bench(Place(results=None))
    (kept,) = cells(tiny, factor, seeds=(0,))
    (moved,) = cells(tiny, factor, seeds=(0,), map_specials=True)
    table, own = bench.mapped(factor, kept, tiny)
    same, other = bench.mapped(factor, moved, tiny)

    assert (table, (2,), (3,), 0) == (same, own.prefix, own.suffix, own.pad)
    assert 3 == len({*other.prefix, *other.suffix, other.pad} - set(table) - {0, 1, 2, 3, 4})


def test_a_share_is_drawn_for_each_seed_or_is_the_first_rows_by_number_for_all(tiny, factor):
    bench, count = Bench(Place(results=None)), 1024
    train = replace(bench.rows_of(factor).train, numbers=np.arange(count)[::-1])
    drawn = [bench.keep(c, factor, "train", train) for c in cells(tiny, factor, fraction=0.05)]
    first = [bench.keep(c, factor, "train", train) for c in cells(tiny, factor, fraction=0.05, subset="first")]

    assert [51, 51, 51, 51] == [len(rows) for rows in (*drawn, *first)]
    assert drawn[0].tolist() != drawn[1].tolist()
    assert list(range(count - 51, count)) == first[0].tolist() == first[1].tolist()
    assert count == len(train)
    assert 256 == len(
        bench.keep(cells(tiny, factor, fraction=0.05)[0], factor, "validation", bench.rows_of(factor).validation)
    )


def test_a_whole_run_is_the_same_cell_whatever_subset_is_named(tiny, factor):
    assert [c.id for c in cells(tiny, factor)] == [c.id for c in cells(tiny, factor, subset="first")]


def test_few_rows_are_trained_to_almost_no_loss_and_then_it_stops(tiny, factor, tmp_path):
    (cell,) = cells(tiny, factor, inits=("pretrained",), seeds=(0,), recipe="quick-low-data", fraction=0.02)
    result = Bench(Place(results=tmp_path)).run(cell, tiny, factor, lambda *_: None)
    path = next(tmp_path.glob("*/*/*/*.parquet"))

    assert (20, 512) == (result["counts"]["train"], result["counts"]["test"])
    assert np.mean(result["curve"]["loss"][-1:]) < 0.01
    assert result["counts"]["steps"] < 400
    assert result["counts"]["steps"] == result["curve"]["best_step"] == result["curve"]["validation"][-1][0]
    assert 512 == len(unpack_predictions(path)[0])


def test_native_reads_symbols_with_the_checkpoints_own_tokenizer(tiny):
    vocabulary = vocabulary_of(tiny)
    table = native_table(tiny, load_tokenizer(tiny), "ACGT", vocabulary)
    words = (Path(tiny.location) / "vocab.txt").read_text(encoding="utf-8").splitlines()

    assert ["a", "c", "g", "t"] == [words[i] for i in table]


def test_native_refuses_a_symbol_that_the_checkpoint_has_no_token_for(tiny):
    with pytest.raises(CheckpointError) as error:
        native_table(tiny, load_tokenizer(tiny), ["A", "\u2603"], vocabulary_of(tiny))
    assert (
        "mapping 'native': '\u2603' is no token of model 'builtin:tiny'; native is for checkpoints of the task's own"
        " discipline, take 'random' for others"
    ) == str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction": 0.0}, "--fraction 0: a share of the train rows above 0 and at most 1 was expected"),
        ({"fraction": 1.5}, "--fraction 1.5: a share of the train rows above 0 and at most 1 was expected"),
        ({"subset": "last"}, "no subset 'last'; there are drawn, first"),
        ({"mapping_seeds": "1,x"}, "--mapping-seed '1,x': whole numbers from 0 with commas between were expected"),
        (
            {"mapping": "randum"},
            "no mapping 'randum'; did you mean 'random'? there are random, shift, permute, unused, identity, native",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(options, message):
    with pytest.raises(DiscbenchError) as error:
        _ = Evaluation(**options).request
    assert message == str(error.value)


def test_a_crossed_grid_of_mappings_and_seeds_tells_their_shares_of_the_spread(checkpoint_directory, tmp_path):
    words = [
        "eval",
        "--model",
        str(checkpoint_directory),
        "--tasks",
        "formal.factor",
        "--inits",
        "scratch",
        "--seeds",
        "2",
    ]
    words += ["--mapping-seed", "0,1", "--recipe", "quick", "--set", "epochs=1", "--limit", "16", "--workers", "0"]
    made = CliRunner().invoke(cli, [*words, "--results", str(tmp_path), "--json"])
    text = CliRunner().invoke(cli, ["board", "--results", str(tmp_path)])
    board = json.loads(made.stdout)

    assert [None, 0, 1] == sorted((e["mapping_seed"] for e in board["entries"]), key=lambda s: (s is not None, s))
    assert [(2, 2)] == [(v["mappings"], v["seeds"]) for v in board["variance"]]
    assert "2 mappings x 2 seeds" in text.stdout
