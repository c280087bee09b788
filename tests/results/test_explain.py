"""What explains the gain: predictors out of results, measurements and facts; the verdict in words; what is refused."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from explained import STEPS, SUITE, TASKS, measured, run, runs, staircase

import discbench
from discbench.cli import cli
from discbench.errors import CheckpointError, UserError
from discbench.plugins import registry
from discbench.probes.builtin import discbench_probes
from discbench.results import board
from discbench.results.explaining import explain, facts, predictors, text
from discbench.results.explaining.predictors import PREDICTORS
from discbench.results.store import Store, as_text, place
from discbench.values.checkpoints import BUILTIN, locate
from discbench.words.terminal import Terminal

ROOT = Path(__file__).parents[2]
NAMED = {each.name: each for each in PREDICTORS}


def built(results, measurements=(), known=None, discipline=None, suite=SUITE):
    (table,) = board.tables([suite], results)
    return explain.build(suite, table, results, measurements, known or {}, discipline)


def found(name, results=(), measurements=(), known=None):
    return predictors.values(NAMED[name], results, measurements, known or {}).values


def key(name):
    return name, "r"


def row(record, name):
    return next(each for each in record["predictors"] if each["name"] == name)


def test_every_shipped_probe_is_a_predictor_and_no_other():
    assert {p.name for p in discbench_probes()} == {p.name for p in PREDICTORS if p.source in {"pair", "single"}}
    assert {p.name: p.pair for p in discbench_probes()} == {p.name: p.source == "pair" for p in PREDICTORS if p.value}


def test_every_probe_of_the_published_store_gives_its_number():
    taken = list(Store(ROOT / "leaderboard" / "results").probes())
    missing = [p.name for p in PREDICTORS if p.value and not predictors.values(p, (), taken, {}).values]

    assert [] == missing


def test_a_planted_relation_is_found_and_told_in_words():
    gains = staircase(8)
    made = built(runs(gains, drops=[gain + 0.3 for gain in gains], parameters=[10**6 + i for i in range(8)]))

    assert (pytest.approx(1.0), True) == (row(made, "loss_drop")["rho"], row(made, "loss_drop")["significant"])
    assert "predicts: more of it, more gain" == row(made, "loss_drop")["verdict"]
    assert "not significant" == row(made, "parameters")["verdict"]
    assert (
        "1 of the 2 predictors that were tried is significant at n = 8, suite small@1: loss_drop (+1.00). loss_drop also"
        " comes nearer to the gain of a left-out checkpoint than the mean of the others." == made["verdict"]
    )


def test_that_nothing_predicts_is_said_in_plain_words():
    made = built(runs(staircase(8), parameters=[10**6 + i for i in range(8)]))

    assert [False] == [each["significant"] for each in made["predictors"]]
    assert re.fullmatch(
        r"Nothing does, at n = 8: the one predictor that was tried is not significant, suite small@1;"
        r" a rank correlation would have to be 0\.\d\d or more\.", made["verdict"],
    )  # fmt: skip


def test_four_checkpoints_are_too_few_for_any_order_and_told_so():
    gains = staircase(4)
    made = built(runs(gains, drops=[gain + 0.3 for gain in gains]))

    assert "too few checkpoints to be significant" == row(made, "loss_drop")["verdict"]
    assert made["verdict"].endswith("not even a perfect order would be at so few.")


def test_three_checkpoints_are_refused():
    with pytest.raises(UserError) as error:
        built([*runs(staircase(3)), run(0.5, "half", TASKS[0], "scratch", 0)])
    assert (
        "suite small@1: a rank correlation needs 4 complete checkpoints at least, but the store holds 3 and 1 incomplete;"
        " `discbench eval --suite` completes them" == str(error.value)
    )


def test_equal_gains_leave_nothing_to_explain():
    with pytest.raises(UserError, match="all 4 checkpoints have the same gain, so there is nothing to explain"):
        built(runs([0.1] * 4))


def test_constant_and_missing_predictors_are_not_tried_and_do_not_count():
    made = built(runs(staircase(6)), known={key(f"c{i}"): {"layers": 2} for i in range(3)})

    assert [] == made["predictors"]
    assert {
        "layers": "known of 3 only, 4 checkpoints are needed",
        "parameters": "1000 in all 6 checkpoints",
        "tokens_seen": "not known of any checkpoint",
        "loss_drop": "0.1 in all 6 checkpoints",
    }.items() <= {each["name"]: each["why"] for each in made["untested"]}.items()
    assert made["verdict"].startswith("Nothing could be tried")


def test_a_predictor_that_some_checkpoints_lack_says_of_how_many_it_is():
    known = {key(f"c{i}"): {"layers": i + 1} for i in range(5)}
    made = built(runs(staircase(7)), known=known)

    assert (5, ["c5", "c6"]) == (row(made, "layers")["n"], row(made, "layers")["missing"])
    assert "layers: not known of c5, c6" in text.lines(made)


def test_an_incomplete_checkpoint_has_no_part_in_it_and_is_named():
    results = [
        *runs(staircase(5), parameters=[1, 2, 3, 4, 5]),
        run(0.9, "half", TASKS[0], "pretrained", 0, parameters=9),
    ]
    made = built(results)

    assert 5 == row(made, "parameters")["n"]
    assert "left out, incomplete: half" in text.lines(made)


def test_the_same_weights_under_two_names_count_once():
    one = [
        run(0.5 + (gain if init == "pretrained" else 0), f"c{i}", task, init, seed, parameters=i + 1, revision=revision)
        for i, (gain, revision) in enumerate(
            ((0.1, "sha256-a"), (0.2, "sha256-b"), (0.3, "sha256-c"), (0.4, "sha256-d"), (0.5, "sha256-a"))
        )
        for task in TASKS
        for init in ("pretrained", "scratch")
        for seed in range(3)
    ]
    made = built(one)

    assert 4 == row(made, "parameters")["n"]
    assert "left out, the same weights as c0: c4" in text.lines(made)


def test_a_discipline_has_the_gain_of_its_own_tasks():
    tasks = (TASKS[0], "dna.splice@1")
    suite = discbench.Suite(name="two", version=1, parts=(discbench.Part(tasks=tasks, seeds=3),))
    results = [
        run(0.5 + (gain if init == "pretrained" else 0), f"c{i}", task, init, seed, parameters=i + 1)
        for i, gains in enumerate(([0.1, 0.4], [0.2, 0.3], [0.3, 0.2], [0.4, 0.1]))
        for task, gain in zip(tasks, gains, strict=True)
        for init in ("pretrained", "scratch")
        for seed in range(3)
    ]

    assert pytest.approx(1.0) == row(built(results, discipline="formal", suite=suite), "parameters")["rho"]
    assert pytest.approx(-1.0) == row(built(results, discipline="dna", suite=suite), "parameters")["rho"]
    with pytest.raises(UserError, match="has no discipline 'dnb'; did you mean 'dna'"):
        built(results, discipline="dnb", suite=suite)


def test_results_of_other_recipes_move_nothing():
    results = runs(staircase(5), parameters=[5, 6, 7, 8, 9])
    other = [{**r, "cell": {**r["cell"], "fraction": 0.5}, "counts": {**r["counts"], "parameters": 1}} for r in results]

    assert built(results) == built([*results, *other])


def test_the_loss_drop_is_a_share_of_guessing_by_step_50_less_scratchs():
    results = runs([0.1], drops=[0.25])

    assert {key("c0"): pytest.approx(0.25)} == found("loss_drop", results)
    twice = [{**r, "dynamics": {**r["dynamics"], "reference": 2.0}} for r in results]
    assert {key("c0"): pytest.approx(0.125)} == found("loss_drop", twice)


def test_a_run_shorter_than_50_steps_has_no_loss_drop():
    results = runs([0.1, 0.2])
    short = [
        {**r, "curve": {**r["curve"], "loss": [1.0] * 49}} if r["cell"]["checkpoint"] == "c0" else r for r in results
    ]

    assert STEPS > predictors.STEPS
    assert {key("c1")} == set(found("loss_drop", short))


def test_size_is_that_of_the_smallest_head():
    results = [
        run(0.1, "c0", task, "scratch", 0, parameters=size) for task, size in zip(TASKS, (1010, 1003), strict=True)
    ]

    assert {key("c0"): 1003.0} == found("parameters", results)


def test_a_probe_of_two_models_is_its_mean_over_seeds_above_its_null():
    taken = [
        measured("pwcca", {"pwcca_x": v, "null_pwcca_x": 0.2}, seed=s, pair=True) for s, v in enumerate((0.6, 0.4))
    ]
    bare = [measured("attention", {"mean": 1.5}, pair=True)]

    assert {key("c0"): pytest.approx((0.5 + 0.25) / 2)} == found("pwcca", (), taken)
    assert {key("c0"): 1.5} == found("attention", (), bare)


def test_a_probe_of_one_model_is_pretrained_less_scratch_with_seeds_paired():
    taken = [
        measured("gradients", {"mean": 0.5}),
        measured("gradients", {"mean": 0.2}, init="scratch"),
        measured("gradients", {"mean": 0.9}, seed=1),
    ]

    assert {key("c0"): pytest.approx(0.3)} == found("gradients", (), taken)
    assert {} == found("gradients", (), taken[:1])


@pytest.mark.parametrize(
    "other",
    [
        {"as_published": True},
        {"layers": [0]},
        {"against": {"checkpoint": "d", "revision": "r", "init": "scratch", "seed": 0}},
        {"against": None},
    ],
)
def test_measurements_of_another_kind_have_no_part_in_it(other):
    kept = measured("pwcca", {"pwcca_x": 0.5}, pair=True)

    assert {key("c0"): 0.5} == found(
        "pwcca", (), [kept, measured("pwcca", {"pwcca_x": 0.9}, seed=1, pair=True, **other)]
    )


def test_measurements_of_other_rows_never_mix_and_those_of_most_checkpoints_count():
    few = [measured("pwcca", {"pwcca_x": 0.9}, name=f"c{i}", pair=True, limit=16) for i in range(2)]
    many = [measured("pwcca", {"pwcca_x": 0.1 * i}, name=f"c{i}", pair=True) for i in range(3)]

    assert {key(f"c{i}"): pytest.approx(0.1 * i) for i in range(3)} == found("pwcca", (), [*few, *many])


def test_a_probes_tasks_are_those_that_most_checkpoints_have():
    both = [
        measured("attention", {"mean": 1.0 + k}, name=f"c{i}", task=t, pair=True)
        for i in range(2)
        for k, t in enumerate(TASKS)
    ]
    one = measured("attention", {"mean": 7.0}, name="c2", task=TASKS[1], pair=True)
    of = predictors.values(NAMED["attention"], (), [*both, one], {})

    assert [TASKS[1]] == of.tasks
    assert {key("c0"): 2.0, key("c1"): 2.0, key("c2"): 7.0} == of.values
    assert {key("c0"): 1.5, key("c1"): 1.5} == found("attention", (), both)


def test_probes_of_tasks_outside_the_suite_do_not_count_and_are_named():
    made = built(
        runs(staircase(5)),
        [measured("pwcca", {"pwcca_x": 0.1 * i}, name=f"c{i}", pair=True, task="dna.h3@1") for i in range(5)],
    )

    assert "pwcca" in {each["name"] for each in made["untested"]}
    assert "probes of other tasks do not count: dna.h3@1" in text.lines(made)


def test_the_same_store_gives_the_same_bytes_in_any_order():
    results = runs(staircase(6), parameters=[3, 1, 4, 1, 5, 9])

    assert as_text(built(results)) == as_text(built(results[::-1]))


def test_the_shipped_checkpoint_tells_its_own_facts():
    tiny = ("builtin:tiny", locate("builtin:tiny").revision)
    told, strange = facts.placed([], [tiny, ("builtin:tiny", "sha256-other"), key("c0")])

    assert ([tiny], []) == (list(told), strange)
    assert {"layers": 2.0, "tokens_seen": 61_440_000.0, "held_out_loss": pytest.approx(3.949, abs=1e-3)} == told[tiny]


@pytest.mark.parametrize(
    "name, said",
    [
        ("a.json", '{"c0": {"layers": 12, "tokens_seen": 3.3e9}}'),
        ("a.toml", "[c0]\nlayers = 12\ntokens_seen = 3.3e9\n"),
        ("a.csv", "checkpoint,layers,tokens_seen,held_out_loss\nc0,12,3.3e9,\n"),
    ],
)
def test_facts_are_read_from_json_toml_and_csv(tmp_path, name, said):
    (tmp_path / name).write_text(said)

    assert {"c0": {"layers": 12.0, "tokens_seen": 3.3e9}} == facts.read(str(tmp_path / name))


def test_facts_are_read_from_a_checkpoints_directory():
    assert {"mine"} == set(facts.read(f"mine={BUILTIN / 'tiny'}"))
    assert 2.0 == facts.read(f"mine={BUILTIN / 'tiny'}")["mine"]["layers"]
    assert {"pretrain:nesting@steps=10"} == set(facts.read(f"pretrain:nesting@steps=10={BUILTIN / 'tiny'}"))


def test_later_facts_go_over_earlier_ones_and_a_strange_name_is_told():
    told, strange = facts.placed(
        [{"c0": {"layers": 2.0}, "x": {"layers": 1.0}}, {"c0@r": {"layers": 3.0}}], [key("c0")]
    )

    assert ({key("c0"): {"layers": 3.0}}, ["x"]) == (told, strange)


@pytest.mark.parametrize(
    "name, said, wrong",
    [
        ("a.json", '{"c0": {"layer": 1}}', "c0: no fact 'layer'; did you mean 'layers'"),
        (
            "a.json",
            '{"c0": {"layers": "12"}}',
            "c0: layers is a number above 0 (layers of the body), but '12' was given",
        ),
        ("a.json", '{"c0": {"layers": NaN}}', "but nan was given"),
        ("a.json", '{"c0": {"layers": true}}', "but True was given"),
        ("a.json", '{"c0": 12}', "checkpoint -> field -> number is expected"),
        ("a.json", "{", "cannot be read"),
        ("a.toml", "[c0", "cannot be read"),
        ("a.csv", "name,layers\nc0,1\n", "its first line names no column 'checkpoint'"),
        ("a.csv", "checkpoint,layers\nc0,1\nc0,2\n", "'c0' stands in it twice"),
        ("a.csv", "checkpoint,layers\nc0,1,2\n", "line 2 has more cells than columns"),
        ("a.csv", "checkpoint,layers\nc0,many\n", "could not convert string to float"),
        ("a.txt", "", "a file .json, .toml, .csv or NAME=DIRECTORY is expected, but it is another file"),
    ],
)
def test_facts_that_are_none_are_refused(tmp_path, name, said, wrong):
    (tmp_path / name).write_text(said)

    with pytest.raises(UserError, match=re.escape(wrong)):
        facts.read(str(tmp_path / name))


def test_a_place_without_facts_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        facts.read(str(tmp_path / "no.json"))
    with pytest.raises(UserError, match="is no directory"):
        facts.read(f"m={tmp_path / 'no'}")
    with pytest.raises(UserError, match="is no directory"):
        facts.read("m=")
    (tmp_path / "config.json").write_text('{"n_layer": 4}')
    assert {"m": {"layers": 4.0}} == facts.read(f"m={tmp_path}")
    (tmp_path / "pretraining.json").write_text("[]")
    with pytest.raises(CheckpointError, match="is no card of `discbench pretrain`"):
        facts.read(f"m={tmp_path}")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of suite `formal`: five checkpoints whose loss falls as their gain grows."""
    suite, rows = registry.suites(registry.plugins())["formal"], registry.named_rows([])
    root = tmp_path_factory.mktemp("explained")
    for i, gain in enumerate(staircase(5)):
        for task in suite.tasks:
            for init, seed in ((init, seed) for init in ("pretrained", "scratch") for seed in range(5)):
                more = gain if init == "pretrained" else 0.0
                result = run(
                    0.5 + more, f"c{i}", task, init, seed, more + 0.1, parameters=100 + i, rows=rows[task], rate="tuned"
                )
                path = root / place(result["cell"])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(as_text(result))
    return root


def test_the_command_prints_a_table_and_the_verdict(store):
    done = CliRunner().invoke(cli, ["explain", "--results", str(store)])

    assert 0 == done.exit_code, done.output
    assert "what explains the gain: 5 checkpoints of formal@1" in done.stdout
    assert re.search(
        r"loss_drop +loss drop by step 50, less scratch's +5 +\+1\.00 +0\.017 \(0\.033\) +0\.0000 \(", done.stdout
    )
    assert "1 of the 2 predictors that were tried is significant at n = 5" in done.stdout


def test_a_narrow_terminal_cuts_no_word_and_tells_what_predictors_are_below(store):
    told = io.StringIO()
    text.table(discbench.explain(store).record, Terminal(file=told, width=100, color_system=None))

    assert "\N{HORIZONTAL ELLIPSIS}" not in told.getvalue()
    assert "\nloss_drop: loss drop by step 50, less scratch's\n" in re.sub(" +\n", "\n", told.getvalue())


def test_the_command_the_call_and_the_notebook_say_the_same(store):
    done = CliRunner().invoke(cli, ["explain", "--results", str(store), "--suite", "formal", "--json"])
    called = discbench.explain(store, suite="formal@1", discipline=None)

    assert json.loads(done.stdout) == called.record
    assert called.verdict in " ".join(repr(called).split())
    assert called.verdict in called._repr_html_()


def test_facts_that_are_given_count(store, tmp_path):
    (tmp_path / "a.json").write_text(
        json.dumps({f"c{i}": {"layers": i + 1} for i in range(4)} | {"<b>": {"layers": 1}})
    )
    called = discbench.explain(store, about=tmp_path / "a.json")

    assert (4, ["c4"]) == (row(called.record, "layers")["n"], row(called.record, "layers")["missing"])
    assert ["<b>"] == called.record["strangers"]
    assert "no checkpoint here is called '&lt;b&gt;'" in called._repr_html_().replace("&#x27;", "'")


@pytest.mark.parametrize(
    "words, wrong",
    [
        (["--suite", "forml"], "error: no suite 'forml'; did you mean 'formal'? there are formal, lite, paper\n"),
        (
            ["--suite", "paper"],
            "error: the store holds no runs of suite paper; `discbench eval --suite paper` makes some\n",
        ),
        (["--discipline", "dna"], "error: suite formal@1 has no discipline 'dna'; there are formal\n"),
    ],
)
def test_what_cannot_be_explained_is_one_line(store, words, wrong):
    done = CliRunner().invoke(cli, ["explain", "--results", str(store), *words])

    assert (2, wrong) == (done.exit_code, done.stderr)


def test_without_a_whole_suite_one_is_asked_for(tmp_path):
    (tmp_path / "s").mkdir()
    with pytest.raises(UserError, match="holds no checkpoint that is complete in a suite; give --suite NAME"):
        discbench.explain(tmp_path / "s")


def test_the_figures_are_written_and_stand_alone(store, tmp_path):
    pytest.importorskip("vl_convert")
    done = CliRunner().invoke(cli, ["explain", "--results", str(store), "--out", str(tmp_path / "o")])
    drawn = sorted(path.name for path in (tmp_path / "o").iterdir())

    assert 0 == done.exit_code, done.output
    assert [
        "explained-dark.svg",
        "explained-light.svg",
        "explanation.json",
        "points-dark.svg",
        "points-light.svg",
    ] == drawn
    pictures = {name: (tmp_path / "o" / name).read_text() for name in drawn if name.endswith("svg")}
    assert [] == [
        name for name, svg in pictures.items() if "currentColor" in svg or "http://www.w3.org/2000/svg" not in svg
    ]
    assert all("loss_drop" in svg and "parameters" in svg for svg in pictures.values())
    assert "Rank correlations of 2 predictors with the gain, over 5 checkpoints" in pictures["explained-light.svg"]


def test_a_predictor_that_orders_but_is_farther_than_the_mean_says_so():
    x = [1.0, 2.0, 3.0, 4.0, 5.0, 600.0]
    known = {key(f"c{i}"): {"held_out_loss": v} for i, v in enumerate(x)}
    made = built(runs(np.linspace(0, 0.1, 6).tolist()), known=known)

    assert "more of it, more gain, but the mean is nearer to a left-out gain" == row(made, "held_out_loss")["verdict"]
    assert made["verdict"].endswith(
        "None of them comes nearer to the gain of a left-out checkpoint than the mean of the others."
    )
