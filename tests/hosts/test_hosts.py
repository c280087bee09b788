"""Hosts are views over the store: the command line, lm-evaluation-harness and inspect_ai name the same cells."""

import importlib.util
import json
import subprocess
import sys
from inspect import signature

import numpy as np
import pytest
from click.testing import CliRunner

from discbench import Board, evaluate
from discbench.cli import cli
from discbench.errors import NoSuchName, UserError
from discbench.hosts import stubs
from discbench.hosts.arguments import FIELDS, OPTIONS, keywords
from discbench.hosts.seeds import answer, values
from discbench.plugins import registry
from discbench.results.stats import interval

TASKS = ["formal.factor", "formal.depth"]
SEEDS = 3
ASKED = {"recipe": "quick", "epochs": 1, "limit": 32, "seeds": SEEDS}


@pytest.fixture(scope="module")
def done(checkpoint_directory, tmp_path_factory):
    """Cells that the command line trained: the store."""
    results = tmp_path_factory.mktemp("hosts") / "results"
    words = ["--model", checkpoint_directory, "--tasks", ",".join(TASKS), "--seeds", SEEDS, "--results", results]
    more = ["--recipe", "quick", "--set", "epochs=1", "--limit", 32]
    run = CliRunner().invoke(cli, ["eval", *map(str, words), *map(str, more)])
    assert 0 == run.exit_code, run.output
    return results


def stamps(results):
    return {path: path.stat().st_mtime_ns for path in results.rglob("*.json")}


def cells_of(results, task):
    """(init, seed) -> (id, score), as the command line stored them."""
    stored = [r for r in Board.read(results).results if r["cell"]["task"] == f"{task}@1"]
    return {(r["cell"]["init"], r["cell"]["seed"]): (r["id"], r["scores"]["test"][r["task"]["metric"]]) for r in stored}


def seen(cells, seed):
    """The same, out of a host's sample."""
    return {(cell["init"], seed): (cell["id"], cell["score"]) for cell in cells}


@pytest.fixture(scope="module")
def by_lm_eval(done, checkpoint_directory, tmp_path_factory):
    """What lm-eval makes of the same words, and whether the store was left alone."""
    lm_eval = pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    from lm_eval.tasks import TaskManager

    from discbench.hosts.lm_eval import DiscbenchLM

    folder = tmp_path_factory.mktemp("stubs")
    stubs.write(registry.tasks(registry.plugins()), folder)
    given = {**ASKED, "pretrained": str(checkpoint_directory), "results": str(done)}
    before = stamps(done)
    found = lm_eval.simple_evaluate(
        model=DiscbenchLM(**given),
        tasks=TASKS,
        task_manager=TaskManager(include_defaults=False, include_path=str(folder), metadata=given),
    )
    return found, before == stamps(done)


@pytest.fixture(scope="module")
def by_inspect(done, checkpoint_directory, tmp_path_factory):
    """What inspect_ai makes of them, and whether the store was left alone."""
    pytest.importorskip("inspect_ai", reason="inspect_ai is not installed: discbench[inspect]")
    from inspect_ai.log import read_eval_log

    before, logs = stamps(done), tmp_path_factory.mktemp("logs")
    given = [word for name, value in {**ASKED, "results": done}.items() for word in ("-T", f"{name}={value}")]
    run = inspect(
        "eval", *(f"discbench/{task}" for task in TASKS), "--model", f"discbench/{checkpoint_directory}", *given,
        "--log-dir", logs, "--display", "none",
    )  # fmt: skip
    assert 0 == run.returncode, run.stderr
    found = [read_eval_log(str(path)) for path in logs.glob("*.eval")]
    return {log.eval.task.split("/")[-1]: log for log in found}, before == stamps(done), logs


def inspect(*words):
    return subprocess.run(
        [sys.executable, "-m", "inspect_ai", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_lm_eval_shows_the_ids_and_scores_of_the_command_line_and_trains_nothing(done, by_lm_eval):
    found, untouched = by_lm_eval

    assert untouched
    for task in TASKS:
        answers = [json.loads(sample["filtered_resps"][0]) for sample in found["samples"][task]]
        shown = {k: v for a in answers for k, v in seen(a["cells"], a["seed"]).items()}
        assert cells_of(done, task) == shown


def test_inspect_shows_the_ids_and_scores_of_the_command_line_and_trains_nothing(done, by_inspect):
    logs, untouched, _ = by_inspect

    assert untouched
    assert set(TASKS) == set(logs)
    for task, log in logs.items():
        assert ("success", [f"seed-{s}" for s in range(SEEDS)]) == (log.status, [s.id for s in log.samples])
        shown = {
            k: v
            for sample in log.samples
            for k, v in seen(sample.scores["cells"].metadata["cells"], sample.metadata["seed"]).items()
        }
        assert cells_of(done, task) == shown


def test_lm_eval_gives_the_boards_means_spreads_and_gains(done, checkpoint_directory, by_lm_eval):
    board, results = Board.read(done), by_lm_eval[0]["results"]["formal.depth"]
    (entry,) = [e for e in board.record["entries"] if e["task"] == "formal.depth@1"]
    column = entry["inits"]["pretrained"]

    assert pytest.approx(column["mean"]) == results["spearman,none"]
    assert pytest.approx(column["sd"]) == results["spearman_seed_sd,none"]
    assert pytest.approx(column["sd"] / SEEDS**0.5) == results["spearman_stderr,none"]
    assert pytest.approx(entry["inits"]["scratch"]["mean"]) == results["spearman_scratch,none"]
    assert pytest.approx([entry["gain"][k] for k in ("mean", "low", "high")]) == [
        results[f"{k},none"] for k in ("gain", "gain_low", "gain_high")
    ]
    assert (0, 2 * SEEDS) == (results["failed_cells,none"], results["marked_cells,none"])
    assert {"original": SEEDS, "effective": SEEDS} == by_lm_eval[0]["n-samples"]["formal.depth"]
    assert 1 == by_lm_eval[0]["versions"]["formal.depth"]


def test_inspect_gives_the_boards_means_spreads_and_gains(done, by_inspect):
    (entry,) = [e for e in Board.read(done).record["entries"] if e["task"] == "formal.factor@1"]
    found = {s.name: {k: m.value for k, m in s.metrics.items()} for s in by_inspect[0]["formal.factor"].results.scores}
    column = entry["inits"]["scratch"]

    assert pytest.approx([column["mean"], column["sd"], column["sd"] / SEEDS**0.5]) == [
        found["accuracy_scratch"][k] for k in ("mean", "std", "stderr")
    ]
    gain = {name.removeprefix("discbench/"): value for name, value in found["gain"].items()}
    assert {k: pytest.approx(entry["gain"][k]) for k in ("mean", "low", "high")} == {
        k: gain[k] for k in ("mean", "low", "high")
    }


def test_inspect_bundles_the_logs_for_a_browser(by_inspect, tmp_path):
    run = inspect("view", "bundle", "--log-dir", by_inspect[2], "--output-dir", tmp_path / "bundle")

    assert 0 == run.returncode, run.stderr
    assert (tmp_path / "bundle" / "index.html").is_file()
    assert sorted(path.name for path in by_inspect[2].glob("*.eval")) == sorted(
        path.name for path in (tmp_path / "bundle" / "logs").glob("*.eval")
    )


def test_bad_input_through_inspect_is_one_line(checkpoint_directory, tmp_path):
    pytest.importorskip("inspect_ai", reason="inspect_ai is not installed: discbench[inspect]")
    run = inspect(
        "eval", "discbench/formal.factor", "--model", f"discbench/{checkpoint_directory}", "-T", "lr=fast",
        "--log-dir", tmp_path, "--display", "plain",
    )  # fmt: skip

    assert (1, "error: --set lr=fast: 'fast' is no value for lr, which is float") == (
        run.returncode,
        run.stdout.strip(),
    )


def test_a_seed_with_a_failed_cell_keeps_its_other_numbers_and_counts_it():
    cell = {"checkpoint": "m", "task": "a.b@1", "seed": 0}
    about = {"metric": "rmse", "higher_is_better": False}
    done = {"status": "finished", "marks": [], "task": about, "collapsed": True}
    results = [
        {**done, "id": "p", "cell": {**cell, "init": "pretrained"}, "scores": {"test": {"rmse": 1.0}}},
        {**done, "id": "s", "cell": {**cell, "init": "scratch"}, "scores": {"test": {"rmse": 1.5}}},
        {"id": "f", "status": "failed", "cause": "no memory", "marks": [], "task": {}, "cell": {**cell, "init": "frozen"}},
    ]  # fmt: skip

    answered = answer(Board({}, tuple(results)), "a.b", 0)

    assert ["pretrained", "scratch", "frozen"] == [cell["init"] for cell in answered["cells"]]
    assert answered["cells"][2] == {
        "id": "f", "init": "frozen", "apart": {}, "status": "failed", "marks": [], "cause": "no memory",
    }  # fmt: skip
    assert {
        "rmse": 1.0, "rmse_scratch": 1.5, "gain": 0.5, "failed_cells": 1, "collapsed_cells": 2, "marked_cells": 0,
    } == values(answered)  # fmt: skip


def made_up(score, init, seed=0, mapping_seed=0, **more):
    """A finished result of which a host reads these fields."""
    cell = {"checkpoint": "m", "task": "a.b@1", "seed": seed, "init": init, "mapping_seed": mapping_seed, **more}
    return {
        "id": f"{init}{seed}{mapping_seed}", "status": "finished", "marks": [], "collapsed": score < 0.2, "cell": cell,
        "task": {"metric": "accuracy", "higher_is_better": True}, "scores": {"test": {"accuracy": score}},
    }  # fmt: skip


def test_a_seed_with_several_mapping_seeds_is_the_mean_of_all_its_cells_each_with_its_own_control():
    results = (
        made_up(0.9, "pretrained"), made_up(0.5, "pretrained", mapping_seed=7), made_up(0.3, "pretrained", mapping_seed=8),
        made_up(0.4, "scratch"), made_up(0.1, "scratch", mapping_seed=7), made_up(0.0, "pretrained", seed=1),
    )  # fmt: skip

    answered = answer(Board({}, results), "a.b", 0)

    assert [("pretrained", 0), ("pretrained", 7), ("pretrained", 8), ("scratch", 0), ("scratch", 7)] == [
        (cell["init"], cell["apart"]["mapping_seed"]) for cell in answered["cells"]
    ]
    assert values(answered) == pytest.approx({
        "accuracy": (0.9 + 0.5 + 0.3) / 3, "accuracy_scratch": (0.4 + 0.1) / 2, "gain": (0.5 + 0.4) / 2,
        "failed_cells": 0, "collapsed_cells": 1, "marked_cells": 0,
    })  # fmt: skip


def test_cells_that_differ_in_any_other_field_are_no_pair():
    results = (made_up(0.9, "pretrained", fraction=1.0), made_up(0.4, "scratch", fraction=0.1))

    assert "gain" not in values(answer(Board({}, results), "a.b", 0))


def test_a_baseline_has_a_cell_a_seed_where_the_seed_draws_its_rows_and_else_one_for_all():
    drawn = Board({}, tuple(made_up(score, "none", seed) for seed, score in enumerate((0.4, 0.6, 0.8))))
    whole = Board({}, (made_up(0.4, "none"),))

    assert [0.4, 0.6, 0.8] == [values(answer(drawn, "a.b", seed))["accuracy"] for seed in range(3)]
    assert [0.4, 0.4, 0.4] == [values(answer(whole, "a.b", seed))["accuracy"] for seed in range(3)]


@pytest.fixture(scope="module")
def mapped(checkpoint_directory, tmp_path_factory):
    """A store with two mapping tables of one seed, and of its two boards' entries the mean of each number."""
    results = tmp_path_factory.mktemp("mapped") / "results"
    asked = {"recipe": "quick", "limit": 32, "seeds": 1, "mapping_seeds": (0, 7), "set": {"epochs": 1}}
    entries = evaluate(checkpoint_directory, "formal.depth", results=results, **asked).record["entries"]
    assert {None, 7} == {entry["mapping_seed"] for entry in entries}
    expected = {
        "spearman": np.mean([e["inits"]["pretrained"]["mean"] for e in entries]),
        "spearman_scratch": np.mean([e["inits"]["scratch"]["mean"] for e in entries]),
        "gain": np.mean([e["gain"]["mean"] for e in entries]),
        "collapsed_cells": sum(len(c["collapsed"]) for e in entries for c in e["inits"].values()),
        "marked_cells": 4,
    }
    return results, pytest.approx(expected)


ONE_SEED = {"recipe": "quick", "epochs": 1, "limit": 32, "seeds": 1, "mapping_seeds": "0+7"}


def test_lm_eval_gives_the_boards_numbers_of_all_mapping_seeds(checkpoint_directory, mapped, tmp_path):
    lm_eval = pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    from lm_eval.tasks import TaskManager

    from discbench.hosts.lm_eval import DiscbenchLM

    results, expected = mapped
    stubs.write(registry.tasks(registry.plugins()), tmp_path)
    given = {**ONE_SEED, "pretrained": str(checkpoint_directory), "results": str(results)}
    found = lm_eval.simple_evaluate(
        model=DiscbenchLM(**given),
        tasks=["formal.depth"],
        task_manager=TaskManager(include_defaults=False, include_path=str(tmp_path), metadata=given),
    )

    numbers = found["results"]["formal.depth"]
    assert expected == {name: numbers[f"{name},none"] for name in expected.expected}
    assert "N/A" == numbers["gain_stderr,none"]
    (answered,) = [json.loads(sample["filtered_resps"][0]) for sample in found["samples"]["formal.depth"]]
    assert {r["id"] for r in Board.read(results).results} == {cell["id"] for cell in answered["cells"]}


def test_inspect_gives_the_boards_numbers_of_all_mapping_seeds_and_no_spread_of_one_seed(
    checkpoint_directory, mapped, tmp_path
):
    pytest.importorskip("inspect_ai", reason="inspect_ai is not installed: discbench[inspect]")
    from inspect_ai.log import read_eval_log

    results, expected = mapped
    given = [word for name, value in {**ONE_SEED, "results": results}.items() for word in ("-T", f"{name}={value}")]
    run = inspect(
        "eval", "discbench/formal.depth", "--model", f"discbench/{checkpoint_directory}", *given,
        "--log-dir", tmp_path, "--display", "none",
    )  # fmt: skip

    assert 0 == run.returncode, run.stderr
    (log,) = [read_eval_log(str(path)) for path in tmp_path.glob("*.eval")]
    found = {s.name: {k: m.value for k, m in s.metrics.items()} for s in log.results.scores}
    assert expected == {name: found[name]["mean"] for name in expected.expected}
    assert all(np.isnan([numbers["stderr"], numbers["std"]]).all() for numbers in found.values())


@pytest.mark.parametrize(
    "patterns,named",
    [
        (["formal.factor", "formal"], ["discbench.formal"]),
        (["formal", "formal.*"], ["discbench.formal"]),
        (["formal.*,formal.factor"], "formal"),
        (["formal.factor", "formal.f*", "formal.factor@1"], ["formal.factor"]),
        (["chem.esol", "discbench.formal", "formal.depth"], ["discbench.formal", "chem.esol"]),
    ],
)
def test_lm_eval_is_asked_for_each_task_once(patterns, named):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    from discbench.hosts.lm_eval import names

    known = registry.tasks(registry.plugins())
    named = sorted(n for n in known if n.startswith("formal.")) if named == "formal" else named

    assert named == names(patterns, known)


def test_stubs_hold_every_task_and_a_group_a_discipline(tmp_path):
    known = registry.tasks(registry.plugins())
    result = CliRunner().invoke(cli, ["lm-eval", "tasks", "--out", str(tmp_path)])
    groups = {f"discbench.{task.discipline}" for task in known.values()}

    assert (0, f"{tmp_path}: {len(known)} tasks, {len(groups)} groups\n") == (result.exit_code, result.output)
    assert {f"{name}.yaml" for name in {*known, *groups}} == {path.name for path in tmp_path.iterdir()}
    assert (
        'task: "formal.depth"\nclass: !function discbench.hosts.lm_eval.SeedTask\n'
        == (tmp_path / "formal.depth.yaml").read_text()
    )


def test_a_group_that_has_errors_is_the_mean_of_their_shares_of_scratchs():
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    from discbench.hosts.lm_eval import SeedTask

    def numbers(task, metric, higher, pretrained, scratch):
        done = {"status": "finished", "collapsed": False, "marks": []}
        scores = {"pretrained": pretrained, "scratch": scratch}
        cells = [{**done, "id": i, "init": i, "apart": {}, "score": s} for i, s in scores.items()]
        about = {"metric": metric, "higher_is_better": higher}
        return SeedTask({"task": task}).process_results({}, [json.dumps({"cells": cells, "about": about})])

    assert 0.25 == numbers("chem.esol", "rmse", False, 1.5, 2.0)["gain_share"]
    assert 0.5 == numbers("chem.bbbp", "auroc", True, 1.0, 0.5)["gain_share"]
    assert "gain_share" not in numbers("chem.esol", "rmse", False, 0.5, 0.0)
    assert "gain_share" not in numbers("dna.splice", "accuracy", True, 1.0, 0.5)


def test_the_group_of_chemistry_has_errors_and_that_of_dna_has_none(tmp_path):
    stubs.write(registry.tasks(registry.plugins()), tmp_path)

    assert "  - metric: gain_share\n" in (tmp_path / "discbench.chem.yaml").read_text()
    assert "  - metric: gain\n" in (tmp_path / "discbench.dna.yaml").read_text()


def test_a_group_of_a_discipline_is_its_mean_gain_as_lm_eval_reads_it(tmp_path):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    from lm_eval.tasks import TaskManager

    known = registry.tasks(registry.plugins())
    stubs.write(known, tmp_path)
    loaded = TaskManager(include_defaults=False, include_path=str(tmp_path)).load(["discbench.formal"])

    assert {name for name in known if name.startswith("formal.")} == set(loaded["tasks"])
    (gain,) = loaded["groups"]["discbench.formal"].aggregate_metric_list
    assert ("gain", False) == (gain.metric, gain.weight_by_size)


def test_what_a_hosts_user_writes_becomes_keywords_and_recipe_fields():
    given = {
        "inits": "pretrained+scratch",
        "seeds": 2,
        "lr": 5e-5,
        "mapping_seeds": "0+1",
        "unverified": True,
        "limit": None,
    }

    assert {
        "inits": ("pretrained", "scratch"), "seeds": 2, "mapping_seeds": (0, 1), "unverified": True, "set": {"lr": 5e-5},
    } == keywords(given)  # fmt: skip
    assert keywords({"inits": ["pretrained"]}) == keywords({"inits": "[pretrained]"})
    assert set() == set(OPTIONS) & set(FIELDS)


def test_hosts_take_every_keyword_of_evaluate():
    by_the_host = {"model", "tasks", "set", "sbatch", "stream"}

    assert set(signature(evaluate).parameters) == set(OPTIONS) | by_the_host


@pytest.mark.parametrize(
    "given,line",
    [
        ({"seeds": "three"}, "seeds='three': a whole number was expected"),
        ({"fraction": "half"}, "fraction='half': a number was expected"),
        ({"unverified": "maybe"}, "unverified='maybe': true or false was expected"),
        ({"inits": ""}, "inits='': names with + between were expected"),
    ],
)
def test_a_value_of_the_wrong_kind(given, line):
    with pytest.raises(UserError) as error:
        keywords(given)

    assert line == str(error.value)


def test_an_argument_that_does_not_exist():
    with pytest.raises(NoSuchName) as error:
        keywords({"recpe": "quick"})

    assert str(error.value).startswith("no argument 'recpe'; did you mean 'recipe'? there are suite, inits, seeds, ")


@pytest.mark.parametrize(
    "words,line",
    [
        (
            ["--tasks", "formal.fctor"],
            "no task matches 'formal.fctor'; did you mean 'formal.factor'? `discbench tasks` lists them",
        ),
        (
            ["--tasks", "formal", "--model", "hf"],
            "--model hf: `discbench lm-eval run` runs discbench; for others run `lm-eval run`",
        ),
        (["--model", "discbench"], "--tasks names no task; `discbench tasks` lists them"),
    ],
)
def test_bad_input_through_lm_eval_is_the_same_one_line(words, line):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    result = CliRunner().invoke(cli, ["lm-eval", "run", *words])

    assert (2, f"error: {line}\n") == (result.exit_code, result.stderr)


@pytest.mark.parametrize(
    "given,line",
    [
        ({}, "--model discbench names no checkpoint; give --model_args pretrained=NAME"),
        (
            {"pretrained": "x", "batch_size": 8},
            "--batch_size 8: the batch is the recipe's; give --model_args batch=N",
        ),
        (
            {"pretrained": "x", "recipe": "quck"},
            "no recipe 'quck'; did you mean 'quick'? there are paper, paper-glue, quick, low-data, quick-low-data",
        ),
    ],
)
def test_model_arguments_that_make_no_sense(given, line):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    from discbench.hosts.lm_eval import DiscbenchLM

    with pytest.raises(UserError) as error:
        DiscbenchLM(**given)

    assert line == str(error.value)


def test_a_host_that_is_not_installed_is_named_with_what_to_install():
    code = (
        "import sys; sys.modules['lm_eval'] = None; sys.argv = ['discbench', 'lm-eval', 'run', '--tasks', 'formal'];"
        " from discbench.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (
        2,
        "error: discbench lm-eval run: lm-evaluation-harness is not installed; `pip install 'discbench[lm-eval]'`\n",
    ) == (done.returncode, done.stderr)


def test_through_lm_evals_own_command_line_a_failed_cell_leaves_results_and_exit_code_1(checkpoint_directory, tmp_path):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    given = f"pretrained={checkpoint_directory},recipe=quick,epochs=1,limit=32,seeds=1,inits=scratch,lr=1e38"
    words = ["--tasks", "formal.factor", "--model_args", f"{given},results={tmp_path / 'r'}", "--log_samples"]
    done = subprocess.run(
        [sys.executable, "-m", "discbench", "lm-eval", "run", *words, "--output_path", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 1 == done.returncode, done.stderr
    assert done.stderr.endswith(f"trained 0 cells, 1 failed (run again to retry them); results in {tmp_path / 'r'}\n")
    (results,) = (tmp_path / "out").rglob("results_*.json")
    assert 1 == json.loads(results.read_text())["results"]["formal.factor"]["failed_cells,none"]
    (samples,) = (tmp_path / "out").rglob("samples_*.jsonl")
    assert "the training loss is nan" in samples.read_text()


@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-evaluation-harness is not installed: discbench[lm-eval]"
)
def test_the_bounds_that_hosts_give_are_the_boards():
    from discbench.hosts.lm_eval import _high, _low, _sd

    pairs = [0.1, 0.3, 0.2]

    assert interval(pairs) == (_low(pairs), _high(pairs))
    assert (None, None) == (_low(pairs[:2]), _sd(pairs[:1]))
    assert pytest.approx(np.std(pairs, ddof=1)) == _sd(pairs)
