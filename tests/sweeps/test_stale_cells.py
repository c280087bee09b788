"""A checkpoint is what its folder holds, under a name that tells it from others, on every way to a number."""

import io
import json
import shutil
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from discbench import evaluate
from discbench.cli import cli
from discbench.errors import CheckpointError
from discbench.executors import local
from discbench.hosts.lm_eval import DiscbenchLM
from discbench.results import board as boards
from discbench.results.compare import compare
from discbench.site import pages
from discbench.training.run import Bench
from discbench.values.checkpoints import locate

ASKED = {"recipe": "quick", "set": {"epochs": 1}, "limit": 24, "seeds": 1, "inits": "pretrained", "workers": 0}
WORDS = ["--recipe", "quick", "--set", "epochs=1", "--limit", "24", "--seeds", "1", "--inits", "pretrained"]
CODE = """
from transformers import BertForSequenceClassification


class Mine(BertForSequenceClassification):
    def forward(self, *args, **kwargs):
        found = super().forward(*args, **kwargs)
        found.logits = FACTOR * found.logits
        return found
"""


@pytest.fixture
def own_code(checkpoint_directory, tmp_path):
    """A checkpoint with modelling code of its own."""
    folder = shutil.copytree(checkpoint_directory, tmp_path / "own")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "modeling_mine.Mine"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_mine.py").write_text(CODE.replace("FACTOR", "-3.0"))
    return folder


def through_python(folder, results):
    board = evaluate(folder, "formal.factor", results=results, trust_remote_code=True, stream=io.StringIO(), **ASKED)
    return board.trained, board.results[0]["scores"]["test"]["accuracy"]


def through_the_command_line(folder, results):
    given = ["--model", str(folder), "--tasks", "formal.factor", "--results", str(results), "--trust-remote-code"]
    said = CliRunner().invoke(cli, ["eval", *given, *WORDS, "--workers", "0", "--json"])
    entry = json.loads(said.stdout)["entries"][0]
    return int("trained 1 cells" in said.stderr), entry["inits"]["pretrained"]["mean"]


def through_lm_eval(folder, results):
    given = {**ASKED, "set": None, "epochs": 1, "trust_remote_code": True, "results": str(results)}
    model = DiscbenchLM(pretrained=str(folder), **{k: v for k, v in given.items() if v is not None})
    model.finetune([SimpleNamespace(doc={"task": "formal.factor", "seed": 0})])
    return model._board.trained, model._board.results[0]["scores"]["test"]["accuracy"]


@pytest.mark.parametrize("way", [through_python, through_the_command_line, through_lm_eval])
def test_after_its_own_code_was_mended_a_checkpoint_is_trained_anew(own_code, tmp_path, way):
    faulty = way(own_code, tmp_path / "r")
    again = way(own_code, tmp_path / "r")
    (own_code / "modeling_mine.py").write_text(CODE.replace("FACTOR", "1.0"))
    mended = way(own_code, tmp_path / "r")

    assert (1, 0, 1) == (faulty[0], again[0], mended[0])
    assert faulty[1] == again[1]


def test_after_a_token_was_added_a_checkpoint_is_planned_anew(checkpoint_directory, tmp_path):
    folder = shutil.copytree(checkpoint_directory, tmp_path / "own")
    given = ["--model", str(folder), "--tasks", "formal.factor", "--results", str(tmp_path / "r"), *WORDS, "--json"]
    before = json.loads(CliRunner().invoke(cli, ["plan", *given]).stdout)
    (folder / "added_tokens.json").write_text('{"<promoter>": 11}')

    assert before[0]["id"] != json.loads(CliRunner().invoke(cli, ["plan", *given]).stdout)[0]["id"]


@pytest.fixture(scope="module")
def two(checkpoint_directory, tmp_path_factory):
    """Two checkpoints of one name, what was said of them, and their short names."""
    root = tmp_path_factory.mktemp("two")
    folders = [shutil.copytree(checkpoint_directory, root / f"lr={rate}" / "checkpoint-500") for rate in (1, 2)]
    (folders[1] / "config.json").write_text((folders[1] / "config.json").read_text() + "\n")
    said = io.StringIO()
    inits = {**ASKED, "inits": "pretrained,scratch"}
    board = evaluate(folders, "formal.factor", results=root / "r", stream=said, **inits)
    short = [f"checkpoint-500@{locate(str(f)).revision.removeprefix('sha256-')[:7]}" for f in folders]
    return folders, board, said.getvalue(), short


def test_progress_says_which_of_two_checkpoints_of_one_name_is_meant(two):
    folders, board, said, short = two
    lines = said.splitlines()

    assert 4 == board.trained
    assert [f"{name} is {folder}" for name, folder in zip(short, folders, strict=True)] == lines[:2]
    assert [2, 2] == [sum(f" {name} formal.factor@1 " in line for line in lines[2:]) for name in short]


def test_every_printed_line_says_which_of_two_checkpoints_of_one_name_is_meant(two):
    _, board, _, short = two
    named = [line for line in repr(board).splitlines() if "checkpoint-500" in line]

    assert 4 == len(named)
    assert all(any(name in line for name in short) for line in (*named, *board._repr_html_().split("<tr>")[2:]))


def test_a_board_answers_for_a_name_with_digits_of_a_revision(two):
    _, board, _, short = two

    assert [short[0].split("@")[1]] == [board.entry(short[0], "formal.factor")["revision"].removeprefix("sha256-")[:7]]
    assert "first" not in compare(board.record, *short)["tasks"][0]["task"]


def test_pages_say_which_of_two_checkpoints_of_one_name_is_meant(two, tmp_path):
    _, board, _, short = two
    written = pages.build(board.record, tmp_path, figures=False)
    page = {path.name: path.read_text() for path in written}

    assert all(f">{name}</a>" in page["index.html"] for name in short)
    assert ">checkpoint-500<" not in "".join(text for name, text in page.items() if name.endswith(".html"))
    assert boards.to_bytes(board.record).decode() == page["leaderboard.json"]


def test_two_folders_that_hold_the_same_are_one_checkpoint_and_that_is_said(checkpoint_directory, tmp_path):
    folders = [shutil.copytree(checkpoint_directory, tmp_path / name / "same") for name in "ab"]
    said = io.StringIO()
    board = evaluate(folders, "formal.factor", results=tmp_path / "r", stream=said, **ASKED)

    assert (1, 1) == (board.trained, len(board.results))
    assert f"{folders[1]} holds what {folders[0]} holds: one checkpoint, run once" == said.getvalue().splitlines()[0]


def test_an_error_says_where_the_one_of_two_checkpoints_is_that_it_is_about(checkpoint_directory, tmp_path):
    folders = [shutil.copytree(checkpoint_directory, tmp_path / name / "same") for name in "ab"]
    config = json.loads((folders[1] / "config.json").read_text())
    (folders[1] / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))

    with pytest.raises(CheckpointError, match=r"model 'same': 16 weights of its body") as error:
        evaluate(folders, "formal.factor", results=tmp_path / "r", stream=io.StringIO(), **ASKED)
    assert str(error.value).endswith(f"(this 'same' is {str(folders[1])!r})")


def test_a_checkpoint_that_changes_while_it_is_trained_fails_its_cells_and_says_so(
    checkpoint_directory, tmp_path, monkeypatch
):
    folder = shutil.copytree(checkpoint_directory, tmp_path / "own")
    checked = Bench.check

    def check(bench, checkpoint, *rest):
        checked(bench, checkpoint, *rest)
        (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")

    monkeypatch.setattr(Bench, "check", check)
    board = evaluate(folder, "formal.factor", results=tmp_path / "r", stream=io.StringIO(), **ASKED)

    assert ["CheckpointError: model 'own' at"] == [result["cause"][:31] for result in board.failed]
    assert "has changed since it was looked up (sha256-" in board.failed[0]["cause"]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_exception_in_the_look_at_a_checkpoint_is_told_in_its_own_words(own_code, tmp_path, workers):
    broken = CODE + "\n    def __init__(self, config):\n        raise KeyError('no such part')\n"
    (own_code / "modeling_mine.py").write_text(broken)
    asked = {**ASKED, "workers": workers, "inits": "scratch", "trust_remote_code": True}
    with pytest.raises(CheckpointError) as error:
        evaluate(own_code, "formal.factor", results=tmp_path / "r", stream=io.StringIO(), **asked)
    assert ("model 'own' cannot be served: the look at it before training ended with KeyError: 'no such part'") == str(
        error.value
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "its process ended with code 1 (last line)"),
        (-9, "its process was ended by SIGKILL (last line); out of memory? try fewer --workers"),
        (-11, "its process was ended by SIGSEGV (last line)"),
        (-200, "its process was ended by 200 (last line)"),
    ],
)
def test_only_a_worker_that_was_killed_may_have_lacked_memory(code, words):
    assert words == local._ending(code, "last line")
