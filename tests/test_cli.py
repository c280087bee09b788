"""What a user types, and what comes back: exact lines, exit codes, and no torch where none is needed."""

import json
import lzma
import subprocess
import sys

import pytest
from click.testing import CliRunner

from discbench.cli import cli

QUICK = ["--inits", "scratch", "--recipe", "quick", "--limit", "8"]


def discbench(*words):
    return CliRunner().invoke(cli, [str(w) for w in words])


def refused(result, line):
    """One line on stderr, exit code 2, no traceback."""
    assert (2, f"error: {line}\n") == (result.exit_code, result.stderr)
    assert "" == result.stdout


@pytest.fixture
def model(checkpoint_directory):
    return ["--model", checkpoint_directory]


@pytest.mark.parametrize(
    "words", [["tasks"], ["plan", "--model", "builtin:tiny", "--tasks", "formal"], ["models"], ["--help"]]
)
def test_looking_does_not_import_torch(words):
    code = f"import sys; from discbench.cli import cli; cli({words!r}, standalone_mode=False); sys.exit(bool({{'torch', 'transformers', 'datasets'}} & set(sys.modules)) * 9)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)


def test_tasks_lists_a_line_a_task():
    lines = discbench("tasks", "dna.splic?").stdout.splitlines()

    assert ["task", "symbols", "target", "metric", "train/valid/test", "source", "licence"] == lines[0].split()
    assert [
        "dna.splice@1",
        "8",
        "symbols",
        "3",
        "classes",
        "accuracy",
        "2871/159/160",
        "archive.ics.uci.edu",
        "CC-BY-4.0",
    ] == lines[1].split()
    assert 2 == len(lines)


def test_tasks_as_json_says_the_same_to_a_program():
    record = json.loads(discbench("tasks", "formal.markov", "--json").stdout)[0]

    assert ("formal.markov", 1, "formal", 4, "2 classes", "accuracy", 0.5, 0.955) == (
        record["name"], record["version"], record["discipline"], record["symbols"], record["target"], record["metric"],
        record["chance"], record["ceiling"],
    )  # fmt: skip
    assert {"train": 1024, "validation": 256, "test": 512} == record["sizes"]


def test_a_task_that_does_not_exist(model):
    refused(
        discbench("eval", *model, "--tasks", "protein.stabilty"),
        "no task matches 'protein.stabilty'; did you mean 'protein.stability'? `discbench tasks` lists them",
    )


def test_a_command_that_does_not_exist():
    refused(discbench("evaluate"), "no command 'evaluate'; did you mean 'eval'? `discbench --help` lists them")


def test_a_model_that_does_not_exist():
    refused(
        discbench("eval", "--model", "bert-base-uncasd", "--tasks", "formal"),
        "no model 'bert-base-uncasd': it is no directory here, not in the hub cache, and the hub was not asked"
        " (HF_HUB_OFFLINE); give a directory, builtin:tiny, or a Hugging Face id",
    )


@pytest.mark.parametrize(
    "words,line",
    [
        (["--seeds", "0"], "--seeds 0: no seed, no cell; give 1 or more"),
        (["--seeds", "-1"], "--seeds -1: no seed, no cell; give 1 or more"),
        (["--limit", "0"], "--limit 0: no row, no score; give 1 or more"),
        (["--set", "lr"], "--set 'lr': FIELD=VALUE was expected, for example --set lr=5e-5"),
        (["--set", "lr=fast"], "--set lr=fast: 'fast' is no value for lr, which is float"),
        (
            ["--inits", "pretraind"],
            "no init 'pretraind'; did you mean 'pretrained'? there are pretrained, scratch, reembedded, frozen",
        ),
        (["--data-dir", "/nowhere"], "data directory '/nowhere' does not exist; correct --data-dir or DISCBENCH_DATA"),
        (["--device", "tpu"], "--device 'tpu': cpu or cuda was expected"),
        (["--checkpoint-minutes", "0"], "--checkpoint-minutes 0: a number above 0 was expected"),
        (["--special", "x=1"], "--special 'x=1': cls=ID, sep=ID or pad=ID was expected, with a token id"),
        (
            ["--vocab", "/nowhere/vocab.txt"],
            "--vocab '/nowhere/vocab.txt' cannot be read: No such file or directory; give a file with a token a line",
        ),
        (
            ["--vocab", "vocab.txt", "--model", "builtin:tiny"],
            "--vocab is of one checkpoint, but 2 were asked for; run each with its own",
        ),
    ],
)
def test_an_option_that_makes_no_sense(model, tmp_path, words, line):
    refused(discbench("eval", *model, "--tasks", "formal.factor", "--results", tmp_path / "r", *words), line)


def test_a_field_that_no_recipe_has(model, tmp_path):
    result = discbench("eval", *model, "--tasks", "formal", "--results", tmp_path, "--set", "epoch=1")

    assert 2 == result.exit_code
    assert result.stderr.startswith(
        "error: --set epoch=1: a recipe has no field 'epoch'; did you mean 'epochs'? it has "
    )
    assert 1 == result.stderr.count("\n")


def test_a_results_directory_that_cannot_be_written(model, tmp_path):
    (tmp_path / "file").write_text("")

    refused(
        discbench("eval", *model, "--tasks", "formal.factor", "--results", tmp_path / "file" / "r"),
        f"--results '{tmp_path}/file/r' cannot be written (Not a directory); choose another directory",
    )


def splice_directory(tmp_path, content):
    (tmp_path / "data" / "splice").mkdir(parents=True)
    (tmp_path / "data" / "splice" / "splice.data.xz").write_bytes(content)
    return tmp_path / "data"


def test_a_data_file_with_another_hash(model, tmp_path):
    folder = splice_directory(tmp_path, lzma.compress(b"EI, A, ACGT\n"))
    result = discbench("eval", *model, "--tasks", "dna.splice", "--data-dir", folder, "--results", tmp_path / "r")

    assert 2 == result.exit_code
    assert result.stderr.startswith(f"error: {folder}/splice/splice.data.xz has SHA-256 ")
    assert "but the task was written for ebbae10c85d3… of https://archive.ics.uci.edu/" in result.stderr
    assert 1 == result.stderr.count("\n")


def test_a_truncated_data_file(model, tmp_path):
    whole = lzma.compress(b"EI, A, ACGT\n" * 1000)
    folder = splice_directory(tmp_path, whole[: len(whole) // 2])
    result = discbench("eval", *model, "--tasks", "dna.splice", "--data-dir", folder, "--results", tmp_path / "r")

    assert 2 == result.exit_code
    assert result.stderr.startswith(f"error: {folder}/splice/splice.data.xz cannot be read (EOFError: ")
    assert 1 == result.stderr.count("\n")


def test_verify_compares_the_rows_at_hand_with_the_published_ones(real_data):
    result = discbench("data", "verify", "dna.splice", "--data-dir", real_data)

    assert (
        0,
        "dna.splice@1: verified, 2871/159/160 rows, SHA-256 3af486f18a14e4bd00a235f0cc9a9a59734ad8896b723c7dc00cefc8f3ff44f5\n",
    ) == (
        result.exit_code,
        result.stdout,
    )


def test_verify_says_which_files_are_missing_and_exits_with_2(tmp_path):
    result = discbench("data", "verify", "dna.splice", "--data-dir", tmp_path)

    assert 2 == result.exit_code
    assert "splice.data of https://archive.ics.uci.edu/" in result.stderr
    assert result.stderr.endswith("is not at hand; fetch it with `discbench data fetch`\n")


def test_plan_counts_cells_and_steps_without_running_any(model, tmp_path):
    words = ["plan", *model, "--tasks", "dna.splice", "--seeds", 2, "--results", tmp_path / "r"]
    rows = json.loads(discbench(*words, "--json").stdout)

    assert ["pretrained", "scratch"] * 2 == [row["words"].split()[2] for row in rows]
    assert {("to run", 2871, 20 * 90)} == {(row["state"], row["rows"], row["steps"]) for row in rows}
    assert not (tmp_path / "r").exists()
    assert "4 cells, 0 finished, 4 to run: 7,200 steps" in discbench(*words).stdout


def test_board_of_nothing_says_so(tmp_path):
    refused(
        discbench("board", "--results", tmp_path / "none"),
        f"--results '{tmp_path}/none' is no directory; run `discbench eval --results DIR` first",
    )
