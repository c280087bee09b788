"""Packing: the same store gives the same bytes, and what cannot be accepted is refused in one line."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from stores import by_id, write

from discbench.cli import cli
from discbench.results.forms import result as form
from discbench.results.store import Store, as_text
from discbench.submissions import manifest as listing
from discbench.submissions.findings import CHECKS
from discbench.submissions.manifest import commands
from discbench.submissions.submit import pack
from discbench.submissions.verify import Verifier
from discbench.values.cells import Cell
from discbench.words.forms import fault


def discbench(*words):
    return CliRunner().invoke(cli, [str(word) for word in words])


def refused(result, line):
    assert (2, f"error: {line}\n", "") == (result.exit_code, result.stderr, result.stdout)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("submit") / "store"
    write(root, seeds=(0,))
    return root


def test_a_packed_store_is_accepted_and_unpacked_it_is_the_store(tmp_path, store):
    done = discbench("submit", "--results", store, "--out", tmp_path / "a.zip")
    size = (tmp_path / "a.zip").stat().st_size
    assert (0, f"{tmp_path}/a.zip: 2 cells, {size:,} bytes; check it with `discbench verify {tmp_path}/a.zip`\n") == (
        done.exit_code,
        done.stdout,
    )
    checked = discbench("verify", tmp_path / "a.zip", "--strict")
    assert (
        0,
        (
            "2 cells, 0 errors, 0 not checked; mapping tables drawn again: 2;"
            " scores counted from predictions and the task's own labels: 2\n"
        ),
    ) == (checked.exit_code, checked.stdout)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert list(Store(store).results()) == list(Store(tmp_path / "unpacked").results())


def test_the_same_store_gives_the_same_bytes(store):
    content, manifest = pack(store)

    assert content == pack(store)[0]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sorted(archive.namelist()) == archive.namelist()
        assert {(1980, 1, 1, 0, 0, 0)} == {info.date_time for info in archive.infolist()}
        assert manifest == json.loads(archive.read("submission.json"))
    assert fault(listing.FORM, manifest) is None
    assert [
        (
            "discbench eval --model builtin:tiny --tasks formal.factor --seeds 1 --inits pretrained,scratch --recipe quick"
            " --mapping random --keep-specials"
        )
    ] == manifest["commands"]


def test_the_derived_command_runs_the_same_cells(tmp_path):
    """The words of the command, given to `discbench plan`, name the cells that it was derived from."""
    asked = {"seeds": (0, 1), "limit": 8, "fraction": 0.5, "subset": "first", "mapping_seeds": (4,)}
    paths = write(tmp_path, inits=("frozen", "scratch"), overrides={"epochs": "2.5"}, **asked)
    cells = [json.loads(path.read_text())["cell"] for path in paths]
    words = commands(cells)
    assert 1 == len(words)
    import shlex

    planned = discbench("plan", *shlex.split(words[0])[2:], "--json")
    assert sorted(Cell(**cell).id for cell in cells) == sorted(row["id"] for row in json.loads(planned.stdout))


@pytest.mark.parametrize(
    ("revision", "model"), [("sha256-0123456789ab", "mine=DIRECTORY"), ("0" * 40, f"mine@{'0' * 40}")]
)
def test_the_derived_command_asks_for_a_vocabulary_where_one_was_given(tmp_path, revision, model):
    cell = json.loads(write(tmp_path)[0].read_text())["cell"]
    told = [
        commands([{**cell, "checkpoint": "mine", "revision": r}])[0] for r in (revision, f"{revision}+vocab-{'a' * 12}")
    ]

    assert [f"discbench eval --model {model}", f"discbench eval --model {model}"] == [
        t.split(" --tasks")[0] for t in told
    ]
    assert [False, True] == [" --vocab FILE " in line for line in told]


def change(path, **fields):
    path.write_text(as_text({**json.loads(path.read_text()), **fields}))


def test_what_cannot_be_accepted_is_refused_in_one_line(tmp_path):
    root, out = tmp_path / "store", tmp_path / "a.zip"
    refused(
        discbench("submit", "--results", root, "--out", out),
        f"--results '{root}' is no directory; run `discbench eval --results DIR` first",
    )
    root.mkdir()
    refused(
        discbench("submit", "--results", root, "--out", out),
        "there is no result of a cell to submit; run `discbench eval --results DIR` first",
    )
    path = write(root, inits=("pretrained",), seeds=(0,))[0]
    refused(
        discbench("submit", "--results", root, "--out", out),
        "1 of 1 cells have no scratch control, the first is builtin:tiny formal.factor@1 pretrained seed 0;"
        " run the same with --inits scratch",
    )
    change(path, marks=["limited"])
    refused(
        discbench("submit", "--results", root, "--out", out),
        "1 of 1 cells are marked, the first is builtin:tiny formal.factor@1 pretrained seed 0 (limited);"
        " run on whole, verified rows, or pack them with --allow-marked",
    )
    record = json.loads(path.read_text())
    kept = {name: record[name] for name in ("format", "id", "cell", "task", "run")}
    path.write_text(as_text({**kept, "status": "failed", "cause": "CellError: NaN", "marks": []}))
    refused(
        discbench("submit", "--results", root, "--out", out),
        "1 of 1 cells failed, the first is builtin:tiny formal.factor@1 pretrained seed 0 (CellError: NaN);"
        " run them again, or remove their files",
    )
    assert not out.exists()


def test_altered_predictions_are_not_packed(tmp_path):
    path = write(tmp_path / "store", inits=("scratch",), seeds=(0,))[0]
    answers = path.with_name(f"{path.stem}.predictions.parquet")
    answers.write_bytes(answers.read_bytes() + b"x")

    refused(
        discbench("submit", "--results", tmp_path / "store", "--out", tmp_path / "a.zip"),
        f"{answers} was altered: it has not the SHA-256 that its result names; have the cell run again",
    )


def test_a_submission_whose_list_does_not_fit_is_rejected(tmp_path, store):
    content, _ = pack(store)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    names = [name for name in files if name != "submission.json"]
    for spoiled in (
        {n: c for n, c in files.items() if n != "submission.json"},
        {n: c for n, c in files.items() if n not in names[:2]},
        {**files, "submission.json": b"{}"},
        {**files, "a/b/c/extra.txt": b"hello"},
        {**files, names[0]: files[names[0]].replace(b'"seconds"', b'"seconds" ')},
    ):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name, data in spoiled.items():
                archive.writestr(name, data)
        assert {"manifest", "form"} & {f.check for f in Verifier(tasks=by_id()).verify(tmp_path / "a.zip").findings}


def test_verify_says_what_cannot_be_read(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"hello")

    refused(
        discbench("verify", tmp_path / "none"),
        f"'{tmp_path}/none' does not exist; give a file of `discbench submit`, a results directory or a published board",
    )
    refused(
        discbench("verify", tmp_path / "a.zip"),
        f"{tmp_path}/a.zip is refused: it is no zip archive that begins with a file; pack results with"
        " `discbench submit --results DIR --out FILE.zip`",
    )


def test_an_empty_directory_is_no_submission(tmp_path):
    done = discbench("verify", tmp_path)

    assert (1, f"error: form: {tmp_path}: it holds no result of a cell\n0 cells, 1 errors, 0 not checked\n") == (
        done.exit_code,
        done.stdout,
    )


def test_a_verdict_is_json_for_programs(tmp_path, store):
    done = json.loads(discbench("verify", store, "--json").stdout)

    assert ("discbench-verification", 2, 0, []) == (done["format"], done["cells"], done["errors"], done["findings"])


@pytest.mark.parametrize("schema", [form.schema(), listing.schema()], ids=["result", "list"])
def test_the_published_schemas_are_made_of_the_forms(schema):
    published = Path(form.__file__).parents[2] / schema["$id"].replace("https://discbench.dev/schemas/", "")
    folder = "results/schemas" if "cell" in published.name else "submissions"
    jsonschema.Draft202012Validator.check_schema(schema)

    assert json.dumps(schema, indent=1) + "\n" == (published.parent / folder / published.name).read_text()


def test_results_fit_their_schema(store):
    fits = jsonschema.Draft202012Validator(form.schema())

    assert [True, True] == [fits.is_valid(result) for result in Store(store).results()]
    assert [None, None] == [form.result_fault(result) for result in Store(store).results()]


def test_a_selection_of_seeds_is_refused_in_one_line(tmp_path):
    write(tmp_path / "store", inits=("scratch",), seeds=(0, 3))

    refused(
        discbench("submit", "--results", tmp_path / "store", "--out", tmp_path / "a.zip"),
        "builtin:tiny formal.factor@1 scratch seed 0 and its like have seeds 0, 3, a selection; run 0 to 1, and keep"
        " other runs in another store",
    )


def test_the_guide_explains_every_check():
    text = (Path(__file__).parents[2] / "docs" / "submit.md").read_text()

    assert [] == [word for word, about in CHECKS.items() if f"| `{word}` | {about} |" not in text]


def test_a_real_evaluation_is_packed_and_accepted(checkpoint_directory, tmp_path):
    """From the command line to the verdict, nothing made up: a model, its control and a baseline."""

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "discbench", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert (0, "") == (done.returncode, "" if words[0] == "eval" else done.stderr)
        return done.stdout

    run(
        "eval", "--model", checkpoint_directory, "--model", "baseline:majority", "--tasks", "formal.factor", "--seeds", 1,
        "--inits", "pretrained,scratch,frozen", "--limit", 16, "--recipe", "quick", "--results", "r",
    )  # fmt: skip
    run("submit", "--results", "r", "--out", "a.zip", "--allow-marked")

    assert (
        "4 cells, 0 errors, 0 not checked; baselines run again: 1; mapping tables drawn again: 3;"
        " scores counted from predictions and the task's own labels: 4\n"
    ) == run("verify", "a.zip", "--allow-marked", "--strict", "--model", checkpoint_directory)
