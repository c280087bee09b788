"""Exports hold to the formats of others, by those projects' own readers where they are at hand."""

import csv
import io
import json
import re

import jsonschema
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from stores import tasks, write

from discbench.cli import cli
from discbench.errors import UserError
from discbench.exports import eee, hub, lm_eval, tables
from discbench.exports.selection import organised, select
from discbench.results import board
from discbench.results.forms.records import failed
from discbench.results.store import Store, as_text
from discbench.values.cells import Cell

FORMATS = {
    "lm-eval": lm_eval.to_lm_eval,
    "eee": eee.to_eee,
    "hf-eval-results": hub.to_eval_results,
    "eval-yaml": hub.to_eval_yaml,
    "model-index": hub.to_model_index,
    "csv": tables.to_csv,
    "latex": tables.to_latex,
}
NASTY = "o<script>alert(1)</script>/m_50%&#{}$~^\\ \"'`= |x"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two tasks, three inits, three seeds; one control has failed."""
    root = tmp_path_factory.mktemp("exports") / "store"
    paths = write(
        root, ("formal.depth", "formal.factor"), inits=("pretrained", "scratch", "reembedded"), seeds=(0, 1, 2)
    )
    for path in paths:
        record = json.loads(path.read_text())
        if (record["cell"]["task"], record["cell"]["init"], record["cell"]["seed"]) == (
            "formal.factor@1",
            "scratch",
            2,
        ):
            kept = {name: record[name] for name in ("format", "id", "cell", "task", "run")}
            path.write_text(as_text({**kept, "status": "failed", "cause": "OutOfMemoryError: no", "marks": []}))
            path.with_name(f"{path.stem}.predictions.parquet").unlink()
    return root


def selection(root, form="lm-eval", *, marked=False, **hub):
    return select(
        Store(root), recipe=None, marked=marked, whole_only=form not in {"csv", "latex"}, **{"benchmark": "a/b", **hub}
    )


def discbench(*words):
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_store_gives_the_same_files(tmp_path, store, form):
    words = ["export", "--results", store, "--to", form, "--benchmark", "a/b"]
    results = [discbench(*words, "--out", tmp_path / name) for name in ("one", "two")]
    one, two = (
        {p.relative_to(tmp_path / name).as_posix(): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("one", "two")
    )

    assert [0, 0] == [result.exit_code for result in results]
    assert one == two != {}
    assert results[0].stdout.endswith(f"{len(one)} files, of {18 if form in {'csv', 'latex'} else 17} cells\n")


def means(store):
    made = board.build(list(Store(store).results()))
    return {entry["task"].split("@")[0]: entry for entry in made["entries"]}


def test_every_eval_ever_takes_the_records(store):
    files = eee.to_eee(selection(store))
    (name, content), record = next(iter(files.items())), json.loads(next(iter(files.values())))
    schema = json.loads(eee.SCHEMA.read_text())
    by_name = {result["evaluation_name"]: result["score_details"] for result in record["evaluation_results"]}
    gain = means(store)["formal.depth"]["gain"]

    assert 1 == len(files)
    assert re.fullmatch(r"data/discbench/discbench/builtin-tiny/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]+\.json", name)
    jsonschema.Draft7Validator(schema).validate(record)
    assert content.endswith(b"\n")
    assert gain["mean"] == by_name["formal.depth@1 gain over scratch"]["score"]
    assert (gain["low"], gain["high"]) == tuple(
        by_name["formal.depth@1 gain over scratch"]["uncertainty"]["confidence_interval"][k] for k in ("lower", "upper")
    )
    assert "mean " in by_name["formal.factor@1 pretrained"]["details"]["control_scratch"]
    assert "3 seeds" in by_name["formal.depth@1 pretrained"]["details"]["control_scratch"]


def test_the_hubs_own_class_reads_what_was_written_and_writes_the_same(store):
    from huggingface_hub import eval_result_entries_to_yaml
    from huggingface_hub._eval_results import parse_eval_result_entries

    files = hub.to_eval_results(selection(store, source_url="https://example.org/r"))
    written = yaml.safe_load(files["builtin__tiny/.eval_results/discbench.yaml"])
    entries = parse_eval_result_entries(written)

    assert written == eval_result_entries_to_yaml(entries)
    assert {"formal.depth", "formal.depth.gain", "formal.factor", "formal.factor.gain"} == {e.task_id for e in entries}
    assert means(store)["formal.depth"]["inits"]["pretrained"]["mean"] == entries[0].value
    assert "3 seeds paired" in entries[1].notes
    assert {e.task_id for e in entries} == {
        t["id"] for t in yaml.safe_load(hub.to_eval_yaml(selection(store))["eval.yaml"])["tasks"]
    }


def test_two_ways_of_running_are_not_one_number(tmp_path):
    for recipe in (None, 3):
        write(tmp_path, seeds=(0,), mapping_seeds=() if recipe is None else (recipe,))
    result = discbench(
        "export", "--results", tmp_path, "--to", "hf-eval-results", "--out", tmp_path / "x", "--benchmark", "a/b"
    )

    assert 2 == result.exit_code
    assert result.stderr.startswith("error: builtin:tiny has two numbers for formal.factor: ")
    assert 1 == result.stderr.count("\n")


def test_model_cards_hold_what_was_written(tmp_path, store):
    from huggingface_hub import ModelCard

    (tmp_path / "README.md").write_bytes(hub.to_model_index(selection(store))["builtin__tiny/README.md"])
    found = ModelCard.load(tmp_path / "README.md").data.eval_results
    depth = [r for r in found if r.dataset_type == "discbench/formal.depth"]

    assert ["spearman", "gain"] == [r.metric_type for r in depth]
    assert means(store)["formal.depth"]["gain"]["mean"] == depth[1].metric_value
    assert "test" == depth[0].dataset_split


NAMED = [
    ("org/name", "0" * 40, "org/name"),
    ("builtin:tiny", "sha256-434d29bced96", "discbench/builtin-tiny"),
    ("baseline:kmer", "1", "discbench/baseline-kmer"),
    ("my model", "sha256-434d29bced96", "local/my-model"),
    ("bert-base-uncased", "0" * 40, "hub/bert-base-uncased"),
    ("/home/a/bert", "sha256-434d29bced96", "local/home-a-bert"),
    ("../bert", "sha256-434d29bced96", "local/bert"),
    ("lr=1e-5/step:7", "sha256-434d29bced96", "lr=1e-5/step-7"),
    ("org/name@1f2e3d4", "0" * 40, "org/name@1f2e3d4"),
    ("\N{GREEK SMALL LETTER PI}", "sha256-434d29bced96", "local/model"),
]


@pytest.mark.parametrize("checkpoint, revision, name", NAMED)
def test_every_checkpoint_has_an_organisation_and_a_model_that_a_folder_can_be_called(checkpoint, revision, name):
    organisation, model = organised({"checkpoint": checkpoint, "revision": revision})

    assert name == f"{organisation}/{model}"
    assert all(re.fullmatch(r"[\w+@=-][\w.+@=-]*", part, re.ASCII) for part in (organisation, model))


def test_lm_evals_file_names_an_organisation_and_the_checkpoint_itself(store):
    files = lm_eval.to_lm_eval(selection(store))
    args = json.loads(files[next(name for name in files if "/results_" in name)])["config"]["model_args"]

    assert ("discbench/builtin-tiny", "builtin:tiny") == (args["pretrained"], args["checkpoint"])


RESULTS_KEYS = {
    "results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "config", "git_hash",
    "date", "pretty_env_info", "transformers_version", "lm_eval_version", "upper_git_hash", "task_hashes", "model_source",
    "model_name", "model_name_sanitized", "system_instruction", "system_instruction_sha", "fewshot_as_multiturn",
    "chat_template", "chat_template_sha", "total_evaluation_time_seconds",
}  # fmt: skip
SAMPLE_KEYS = {
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
    "target_hash",
}  # fmt: skip


def test_lm_eval_finds_its_documented_keys(store):
    files = lm_eval.to_lm_eval(selection(store))
    name = next(name for name in files if "/results_" in name)
    record = json.loads(files[name])
    factor, entry = record["results"]["formal.factor"], means(store)["formal.factor"]
    samples = [json.loads(line) for line in files[next(n for n in files if "samples_formal.factor_" in n)].splitlines()]

    assert re.fullmatch(r"[\w.=-]+/builtin__tiny/results_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}\.json", name)
    assert RESULTS_KEYS == set(record)
    assert {"name", "alias", "sample_len"} <= set(factor)
    assert entry["inits"]["pretrained"]["mean"] == factor["accuracy,pretrained"]
    assert entry["gain"]["mean"] == factor["gain,pretrained"]
    assert all({*SAMPLE_KEYS, "correct"} == set(sample) for sample in samples)
    of_run = [s["correct"] for s in samples if s["filter"] == "pretrained/seed-0"]
    assert entry["inits"]["pretrained"]["scores"]["0"] == np.mean(of_run)


def test_lm_evals_own_functions_read_the_files(store):
    utils = pytest.importorskip("lm_eval.utils")
    pytest.importorskip("pytablewriter")
    files = lm_eval.to_lm_eval(selection(store))
    results = utils.get_results_filenames(list(files))

    assert [utils.get_latest_filename(results)] == results
    assert {"formal.depth", "formal.factor"} == {
        utils.get_file_task_name(n.rsplit("/", 1)[1]) for n in utils.get_sample_results_filenames(list(files))
    }
    assert "|formal.factor|" in utils.make_table(json.loads(files[results[0]]))


def test_csv_has_a_line_a_cell_and_failed_ones_no_score(store):
    files = tables.to_csv(selection(store, "csv"))
    cells, entries = (list(csv.DictReader(io.StringIO(files[name].decode()))) for name in ("cells.csv", "entries.csv"))
    failed = [line for line in cells if line["status"] == "failed"]

    assert (18, 6, [""]) == (len(cells), len(entries), [line["score"] for line in failed])
    assert {r["id"]: r for r in Store(store).results()}.keys() == {line["id"] for line in cells}
    gain = next(line for line in entries if (line["task"], line["init"]) == ("formal.depth@1", "pretrained"))
    assert means(store)["formal.depth"]["gain"]["low"] == float(gain["gain_low"])


def test_csv_has_a_line_of_a_cell_that_failed_with_its_process(tmp_path):
    (path,) = write(tmp_path, inits=("scratch",), seeds=(0,))
    path.write_text(as_text(failed(Cell(**json.loads(path.read_text())["cell"]), "its process was ended by SIGKILL")))
    (line,) = csv.DictReader(io.StringIO(tables.to_csv(selection(tmp_path, "csv"))["cells.csv"].decode()))

    assert ("failed", "", "") == (line["status"], line["score"], line["seconds"])


def test_tuned_rates_and_the_recipes_own_stand_apart_in_every_format(tmp_path):
    root = tmp_path / "store"
    write(root)
    write(root, seed=1, rates="tuned")
    found = select(Store(root), recipe=None, marked=False, whole_only=True)
    lines = csv.DictReader(io.StringIO(tables.to_csv(found)["entries.csv"].decode()))
    rates = [each["rate"] for each in csv.DictReader(io.StringIO(tables.to_csv(found)["cells.csv"].decode()))]
    card = yaml.safe_load(hub.to_model_index(found)["builtin__tiny/README.md"].decode().split("---")[1])
    named = [(each["dataset"]["name"], len(each["metrics"])) for each in card["model-index"][0]["results"]]

    assert ["", "", "tuned", "tuned"] == sorted(line["rate"] for line in lines)
    assert (4, 4) == (rates.count(""), rates.count("tuned"))
    assert [
        ("formal.factor@1 (recipe quick, mapping random)", 2),
        ("formal.factor@1 (recipe quick, rate tuned, mapping random)", 2),
    ] == sorted(named)


def test_cells_with_the_recipes_own_rate_or_a_tuned_one_are_exported_alone_by_name(tmp_path):
    write(tmp_path / "store")
    write(tmp_path / "store", seed=1, rates="tuned")
    words = ["export", "--results", tmp_path / "store", "--to", "hf-eval-results", "--benchmark", "a/b"]
    both = discbench(*words, "--out", tmp_path / "both")
    alone = {kind: discbench(*words, "--out", tmp_path / kind, "--rates", kind) for kind in ("default", "tuned")}
    told = {kind: next((tmp_path / kind).rglob("*.yaml")).read_text() for kind in alone}

    assert "choose one with --recipe or --rates" in both.stderr
    assert [0, 0] == [done.exit_code for done in alone.values()]
    assert {"default": False, "tuned": True} == {kind: "rate tuned" in text for kind, text in told.items()}


def test_scores_on_rows_taken_are_none_of_the_hubs_numbers(tmp_path):
    write(tmp_path / "store", take=(64, 32, 64))

    with pytest.raises(UserError, match="no checkpoint was run with an unchanged recipe on all train rows"):
        hub.to_eval_results(selection(tmp_path / "store", "hf-eval-results"))


def test_marked_cells_are_left_out_unless_they_are_asked_for(tmp_path):
    write(tmp_path / "store", seeds=(0,), limit=8)
    words = ["export", "--results", tmp_path / "store", "--to", "eee", "--out", tmp_path / "out"]
    refused = discbench(*words)

    assert (
        2,
        f"error: nothing of '{tmp_path}/store' can be exported: 2 marked cells (--allow-marked takes them)\n",
    ) == (
        refused.exit_code,
        refused.stderr,
    )
    assert 0 == discbench(*words, "--allow-marked").exit_code
    made = next(p for p in (tmp_path / "out").rglob("*.json"))
    assert "limited" == json.loads(made.read_text())["evaluation_results"][0]["score_details"]["details"]["marks"]


def test_failed_cells_are_told(store, tmp_path):
    assert (
        "left out: 1 failed cells\n" == discbench("export", "--results", store, "--to", "eee", "--out", tmp_path).stderr
    )


def test_an_unknown_format_is_told(store, tmp_path):
    assert (
        "error: no format 'latx'; did you mean 'latex'? there are lm-eval, eee, hf-eval-results, eval-yaml, model-index,"
        " csv, latex\n"
    ) == discbench("export", "--results", store, "--to", "latx", "--out", tmp_path).stderr


def entry(**columns):
    """An entry of a board with these scores by seed."""
    inits = {
        init: {
            "n": len(scores), "mean": float(np.mean(scores)), "sd": float(np.std(scores, ddof=1)), "collapsed": [], "failed": [],
            "scores": {str(seed): score for seed, score in enumerate(scores)},
        }
        for init, scores in columns.items()
    }  # fmt: skip
    about = {"metric": "accuracy", "higher_is_better": True}
    return {"task": "formal.x@1", "about": about, "inits": inits, "gain": None, "marks": []}


def test_the_best_is_bold_only_where_the_interval_separates_it():
    apart = entry(pretrained=[0.9, 0.91, 0.92], scratch=[0.5, 0.52, 0.51])
    close = entry(pretrained=[0.9, 0.5, 0.7], scratch=[0.6, 0.62, 0.61])

    assert "$\\mathbf{0.910} \\pm 0.010$ & $0.510 \\pm 0.010$" in tables._line(
        apart, ["pretrained", "scratch"], gains=False
    )
    assert "mathbf" not in tables._line(close, ["pretrained", "scratch"], gains=False)
    apart["about"]["higher_is_better"] = False
    assert "& $\\mathbf{0.510} \\pm 0.010$" in tables._line(apart, ["pretrained", "scratch"], gains=False)


def test_marks_failures_and_constant_predictions_are_footnotes(store, tmp_path):
    text = tables.to_latex(selection(store, "latex"))["discbench.tex"].decode()
    assert "$^{\\dagger}$~some seeds failed and are left out." in text
    write(tmp_path, seeds=(0,), limit=8)
    marked = tables.to_latex(selection(tmp_path, "latex"))["discbench.tex"].decode()

    assert "formal.factor@1$^{\\mathrm{l}}$ & accuracy" in marked
    assert "$^{\\mathrm{l}}$~on a limited number of rows." in marked


def test_a_hostile_name_is_only_ever_text(tmp_path):
    from dataclasses import replace

    from stores import result_of, tiny

    from discbench.sweeps.plan import cells
    from discbench.values.cells import Request

    task, random = tasks()["formal.factor"], np.random.default_rng(0)
    from stores import rows_of

    asked = Request(recipe="quick", overrides={}, seeds=(0,))
    for cell in cells([tiny()[0]], [task], {task.name: rows_of(task.name).sha256}, asked):
        named = replace(cell, checkpoint=NASTY)
        Store(tmp_path).put(named, *result_of(named, task, random))
    made = {form: make(selection(tmp_path, form)) for form, make in FORMATS.items()}

    for files in made.values():
        assert all(".." not in name and "<" not in name and "\\" not in name for name in files)
    latex = made["latex"]["discbench.tex"].decode()
    caption = next(line for line in latex.splitlines() if line.startswith("\\caption"))
    assert r"o\textless{}script\textgreater{}alert(1)" in caption
    assert r"m\_50\%\&\#\{\}\$\textasciitilde{}\textasciicircum{}\textbackslash{}" in caption
    plain = re.sub(r"\\[{}]", "", latex)
    assert plain.count("{") == plain.count("}")
    assert NASTY == next(csv.DictReader(io.StringIO(made["csv"]["cells.csv"].decode())))["checkpoint"]
    assert (
        NASTY
        == yaml.safe_load(made["model-index"][next(iter(made["model-index"]))].decode().split("---\n")[1])[
            "model-index"
        ][0]["name"]
    )
    jsonschema.Draft7Validator(json.loads(eee.SCHEMA.read_text())).validate(
        json.loads(next(iter(made["eee"].values())))
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_text_that_a_spreadsheet_would_run_is_quoted(text):
    assert f"'{text}" == tables._plain(text)
    assert -0.5 == tables._plain(-0.5)
