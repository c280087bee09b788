"""Ranks exist within a suite; its table is made of its own runs, whatever else lies in the store."""

import io
import json
from dataclasses import replace

import jsonschema
import pytest
from click.testing import CliRunner
from rich.console import Console

from discbench import Part, Splits, Suite, evaluate
from discbench.cli import cli
from discbench.data import rowcache
from discbench.data.rows import SPLITS
from discbench.errors import NoSuchName, PluginError, UserError
from discbench.plugins import registry
from discbench.results import board, boardtext, rates
from discbench.results.store import Store
from discbench.sweeps import plan
from discbench.tasks import formal
from discbench.testing import tiny_checkpoint
from discbench.values.cells import Cell, Request
from discbench.values.checkpoints import locate

TASKS = ("formal.factor@1", "formal.markov@1")
SUITE = Suite(name="two", version=1, parts=(Part(tasks=TASKS, seeds=3, recipe="quick"),))
QUICK = {"name": "quick", "lr": 1e-3, "targets": "standardised"}
COUNTS = {"train": 1024, "validation": 256, "test": 512}


def result(score, checkpoint="m", task=TASKS[0], init="pretrained", seed=0, **other):
    counts = other.pop("counts", COUNTS)
    marks = other.pop("marks", [])
    cell = Cell(**{
        "checkpoint": checkpoint, "revision": "r", "task": task, "rows": "0" * 64, "mapping": "random", "mapping_seed": seed,
        "map_specials": False, "init": init, "seed": seed, "fraction": 1.0, "subset": "drawn", "limit": None,
        "recipe": QUICK, "changed": {}, "specials": {}, **other,
    })  # fmt: skip
    name = task.split("@", maxsplit=1)[0]
    about = {
        "name": name, "discipline": name.split(".")[0], "metric": "accuracy", "higher_is_better": True, "chance": 0.5,
        "ceiling": 1.0, "control": False, "specialist": None,
    }  # fmt: skip
    return {
        "format": 1, "id": cell.id, "cell": cell.record, "task": about, "status": "finished", "marks": marks,
        "scores": {"test": {"accuracy": score}, "validation": {"accuracy": score}}, "collapsed": False, "counts": counts,
    }  # fmt: skip


def runs(checkpoint, gain, tasks=TASKS, seeds=3, **other):
    return [
        result(0.5 + (gain + seed / 100 if init == "pretrained" else 0.0), checkpoint, task, init, seed, **other)
        for task in tasks
        for init in ("pretrained", "scratch")
        for seed in range(seeds)
    ]


def table(results, suite=SUITE):
    (found,) = board.tables([suite], results)
    return {row["checkpoint"]: row for row in found["checkpoints"]}


def test_complete_checkpoints_are_ranked_and_one_without_a_task_is_not():
    found = table(runs("good", 0.3) + runs("fair", 0.1) + runs("half", 0.9, TASKS[:1]))

    assert [1, 2, None] == [found[name]["rank"] and found[name]["rank"]["place"] for name in ("good", "fair", "half")]
    assert {TASKS[1]: {"pretrained": [0, 1, 2], "scratch": [0, 1, 2]}} == found["half"]["missing"]
    assert {"good": 0.31, "fair": 0.11, "half": 0.91} == {n: pytest.approx(r["adaptability"]) for n, r in found.items()}


def test_a_checkpoint_that_lacks_one_seed_of_one_init_is_incomplete_and_that_is_named():
    results = [r for r in runs("m", 0.1) if (r["cell"]["init"], r["cell"]["seed"]) != ("scratch", 2)]

    assert {task: {"scratch": [2]} for task in TASKS} == table(results)["m"]["missing"]


@pytest.mark.parametrize(
    "other",
    [
        {"mapping": "unused"},
        {"recipe": {"name": "paper", "lr": 1e-5}},
        {"changed": {"lr": 0.5}},
        {"recipe": {**QUICK, "targets": "raw"}},
        {"fraction": 0.5},
        {"limit": 10},
        {"marks": ["unverified"]},
        {"take": [10, 10, 10]},
        {"map_specials": True},
        {"task": "formal.depth@1"},
        {"task": "formal.factor@2"},
        {"mapping_seed": 7},
        {"init": "reembedded"},
    ],
)
def test_runs_of_another_kind_and_other_tasks_leave_a_suites_table_as_it_is(other):
    own = runs("good", 0.3) + runs("fair", 0.1)
    strange = [result(0.99, name, **other) for name in ("good", "fair")]

    assert table(own) == table(own + strange)


def test_seeds_beyond_a_suites_are_not_counted():
    assert table(runs("m", 0.1)) == table(runs("m", 0.1, seeds=9))


def test_a_baseline_has_no_place():
    own = runs("m", 0.1)
    named = result(0.9, "baseline:kmer", init="none", mapping="none", recipe={"name": "none", "lr": None})

    assert table(own) == table([*own, named])


def test_rows_are_whole_for_a_suite_that_takes_more_than_there_are_and_a_taken_cell_for_that_suite_only():
    few = replace(SUITE, parts=(replace(SUITE.parts[0], take=(1024, 256, 1024)),))
    fewer = replace(SUITE, parts=(replace(SUITE.parts[0], take=(512, 256, 1024)),))
    whole, taken = runs("m", 0.1), runs("m", 0.1, take=[512, 256, 1024], counts={**COUNTS, "train": 512})

    assert [True, False, True] == [suite.holds(whole[0]) for suite in (few, fewer, SUITE)]
    assert [False, True, False] == [suite.holds(taken[0]) for suite in (few, fewer, SUITE)]


def test_a_board_with_suites_is_valid_by_its_schema():
    made = board.build(runs("good", 0.3) + runs("half", 0.9, TASKS[:1]), suites=[SUITE])
    for entry in made["entries"]:
        entry["curve"] = None

    schema = json.loads(board.SCHEMA.read_text())
    jsonschema.validate(made["suites"][0], {**schema, **schema["$defs"]["suite"]})


def test_the_built_in_suites_name_installed_tasks_and_lite_has_every_discipline_with_rows_known_by_hash():
    manager = registry.plugins()
    suites, tasks = registry.suites(manager), {task.id: task for task in registry.tasks(manager).values()}

    assert ["formal", "lite", "paper"] == list(suites)
    assert set() == {name for suite in suites.values() for name in suite.tasks} - set(tasks)
    assert {""} == {tasks[name].dataset.source for name in suites["formal"].tasks}
    assert set() == {name for name in suites["lite"].tasks if tasks[name].dataset.rows_sha256 is None}
    assert {"chem", "dna", "formal", "glue", "music", "protein"} == {
        name.split(".")[0] for name in suites["lite"].tasks
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "Two Words"}, "suite 'Two Words': its name is a word in lower case, such as 'lite'"),
        ({"version": 0}, "suite 'two': its version is a whole number from 1, but 0 was given"),
        (
            {"parts": (Part(tasks=("formal.factor",), seeds=1),)},
            "suite 'two': tasks are named with their versions, such as 'formal.factor@1', but 'formal.factor' was given",
        ),
        (
            {"parts": (Part(tasks=TASKS, seeds=1, inits=("pretrained",)),)},
            "suite 'two': inits hold scratch, which gains are counted from",
        ),
        ({"parts": (Part(tasks=TASKS, seeds=1),) * 2}, "suite 'two': a task stands in one part, but formal.factor@1, "),
    ],
)
def test_a_suite_that_cannot_be(change, told):
    with pytest.raises(PluginError) as raised:
        replace(SUITE, **change)

    assert str(raised.value).startswith(told)


def planned(task, request):
    sizes = {task.name: rowcache.load(task, None).sizes}
    return plan.cells([locate("builtin:tiny", {})], [task], {task.name: "0" * 64}, request, sizes)


def test_who_takes_all_rows_or_more_has_the_cells_of_whole_splits():
    task = next(t for t in formal.discbench_tasks() if t.name == "formal.factor")
    whole = planned(task, Request(overrides={}))

    assert whole == planned(task, Request(overrides={}, take=(2000, 256, 512)))
    assert [[1000, 256, 512]] * 6 == [c.take for c in planned(task, Request(overrides={}, take=(1000, 256, 512)))]
    assert "take" not in whole[0].record


def test_taken_rows_are_the_first_by_their_hashes_whatever_order_they_come_in(tmp_path):
    task = next(t for t in formal.discbench_tasks() if t.name == "formal.factor")
    splits = task.dataset.load()
    turned = Splits(**{name: list(getattr(splits, name))[::-1] for name in SPLITS})
    scores = []
    for name, rows in (("as", splits), ("turned", turned)):
        made = replace(task, name="formal.taken", dataset=replace(task.dataset, load=lambda rows=rows: rows))
        asked = {"results": tmp_path / name, "take": (30, 9, 12), "seeds": 1, "workers": 0, "unverified": True}
        (done,) = evaluate("baseline:kmer", [made], **asked).results
        scores.append((done["id"], done["scores"], done["counts"]["train"], done["marks"]))

    assert scores[0] == scores[1]
    assert (30, []) == scores[0][2:]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A small checkpoint's runs of one task of the suite `formal`, by the command line; one rate is searched over."""
    folder = tmp_path_factory.mktemp("suite")
    tiny_checkpoint(folder / "small")
    words = ["--model", f"small={folder / 'small'}", "--suite", "formal", "--tasks", "formal.factor", "--results"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "STEPS", (0,))
        patch.setattr(rates, "WIDER", 0)
        done = CliRunner().invoke(cli, ["eval", *words, str(folder / "results"), "--workers", "0"])
        assert 0 == done.exit_code, done.output
        yield folder, done


def test_the_command_ends_with_the_suites_table_and_what_is_missing(store):
    _, done = store

    assert "suite formal@1  six formal languages, made here: nothing is downloaded" in done.stdout
    lacks = ", ".join(f"formal.{name}@1" for name in ("brackets", "depth", "markov", "palindrome", "shift"))
    assert f"small lacks {lacks} (pretrained and scratch, seed 0, 1, 2, 3, 4)\n" in done.stdout
    assert 1 == done.stdout.count(" of 1 of 6 tasks ")


def test_marked_runs_of_a_task_that_is_missing_are_named_with_their_marks():
    made = board.build(runs("m", 0.1, TASKS[:1]) + runs("m", 0.3, TASKS[1:], marks=["unverified"]), suites=[SUITE])
    made["entries"] = [{**entry, "curve": None} for entry in made["entries"]]
    out = Console(file=io.StringIO(), width=300)
    boardtext.suite(made["suites"][0], out, made["entries"])

    assert f"; marked runs have no place: {TASKS[1]} (unverified)\n" in out.file.getvalue()


def test_the_same_suite_in_python_trains_nothing(store):
    folder, _ = store
    given = f"small={folder / 'small'}"
    made = evaluate(given, ["formal.factor"], suite="formal@1", results=folder / "results", workers=0)

    assert (0, 14) == (made.trained, made.kept)
    assert ["small"] == [row["checkpoint"] for row in made.record["suites"][0]["checkpoints"]]
    assert 14 == len(list(Store(folder / "results").results()))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--suite", "form"], "no suite 'form'; did you mean 'formal'? there are formal, lite, paper"),
        (["--suite", "formal@2"], "--suite formal@2: the installed one is formal@1"),
        (
            ["--suite", "formal", "--seeds", "2", "--limit", "9"],
            "--suite formal says seeds, limit itself; leave them out, or leave out --suite",
        ),
        (
            ["--suite", "formal", "--tasks", "dna.splice"],
            "no task matches 'dna.splice'; `discbench tasks` lists them",
        ),
        ([], "no task was asked for; give --tasks or --suite (`discbench tasks` and `suites` list them)"),
        (
            ["--tasks", "formal.factor", "--take", "10,10"],
            "--take '10,10': three whole numbers from 1 were expected, such as 1024,256,1024",
        ),
        (
            ["--tasks", "formal.factor", "--take", "9,9,9", "--limit", "5"],
            "--take and --limit or --fraction: rows are taken by hash or drawn, not both; give one",
        ),
    ],
)
def test_what_cannot_be_asked_of_a_suite_is_one_line(words, line):
    done = CliRunner().invoke(cli, ["plan", "--model", "builtin:tiny", *words])

    assert f"error: {line}\n" == done.stderr
    assert 2 == done.exit_code


def test_listing_suites_counts_cells_and_names_what_it_cannot_count():
    done = CliRunner().invoke(cli, ["suites", "--json"])
    found = {row["id"]: row for row in json.loads(done.stdout)}

    assert (60, 120, 3 * 7740, []) == tuple(
        found["formal@1"][name] for name in ("cells", "search_cells", "steps", "unknown")
    )
    assert ["music.maestro@1"] == found["paper@1"]["unknown"]


def test_asking_without_a_task_or_a_suite_in_python_says_so():
    with pytest.raises(UserError, match="evaluate\\(\\) needs a model and a task"):
        evaluate("builtin:tiny", [])


def test_both_hosts_have_a_document_for_each_of_a_suites_seeds(tmp_path):
    lm_eval = pytest.importorskip("discbench.hosts.lm_eval")
    inspect = pytest.importorskip("discbench.hosts.inspect")
    given = {"suite": "formal@1", "results": str(tmp_path)}

    docs = lm_eval.SeedTask({"task": "formal.factor", "metadata": given}).test_docs()
    assert [0, 1, 2, 3, 4] == [doc["seed"] for doc in docs]
    assert 5 == len(inspect.TASKS["formal.factor"](**given).dataset)
    told = "suite formal@1 has no task formal.other@1; it has formal.brackets@1, "
    with pytest.raises(NoSuchName, match=told):
        registry.suites(registry.plugins())["formal"].seeds_of("formal.other@1")
