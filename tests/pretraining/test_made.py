"""`pretrain:CORPUS[@SHAPE]` names a checkpoint that is made once, by what its name says."""

import io
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from filelock import FileLock

import discbench
from discbench.cli import cli
from discbench.errors import CheckpointError, NoSuchName, UserError
from discbench.plugins import registry
from discbench.pretraining import made
from discbench.pretraining.corpora import definition
from discbench.pretraining.text import divided

FEW = "@16x1x2@vocabulary=34@unused=8@positions=32@length=16@batch_tokens=256@steps=12@warmup=2"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pretrained"


@pytest.fixture
def name(tmp_path):
    draw = random.Random(0)
    lines = [" ".join([draw.choice(["aba", "cece", "dido", "fufu"])] * (4 + number % 9)) for number in range(900)]
    (tmp_path / "my@words.txt").write_text("\n".join(lines) + "\n")
    return f"pretrain:text:{tmp_path}/my@words.txt{FEW}"


def made_now(name, say=lambda _: None):
    return made.ready(made.locate(name), say)


def test_it_is_made_once_and_has_the_revision_of_its_content(name, cache):
    before, told, again = made.locate(name), [], []
    found = made_now(name, told.append)
    after = made_now(name, again.append)

    assert (True, "not-made-") == (made.unmade(before), before.revision[:9])
    assert f"pretrain:text:my@words.txt{FEW}" == found.name == before.name
    assert (True, found) == (found.revision.startswith("sha256-"), after)
    assert (True, []) == (len(told) > 2, again)
    assert not list(cache.glob("*/state"))


def test_it_has_the_bytes_of_the_command_in_its_card(name, tmp_path):
    found = made_now(name)
    words = [word for field in FEW.split("@")[2:] for word in ("--set", field)]
    corpus = name.removeprefix("pretrain:").removesuffix(FEW) + "@16x1x2"
    done = CliRunner().invoke(cli, ["pretrain", corpus, "--out", str(tmp_path / "by_hand"), *words])

    assert (0, found.revision) == (done.exit_code, made.locate(str(tmp_path / "by_hand")).revision)
    assert "\n    discbench pretrain text:my@words.txt --out DIRECTORY" in (tmp_path / "by_hand/README.md").read_text()


def test_a_making_that_was_cut_off_goes_on_to_the_same_bytes(name, cache, monkeypatch):
    monkeypatch.setattr("discbench.pretraining.loop.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("discbench.pretraining.loop.SAVING", 1e9)
    steps = []

    def cut(line):
        steps.append(line)
        if "step 5/12" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_now(name, cut)
    there = made.unmade(made.locate(name))
    found = made_now(name, steps.append)
    for path in cache.glob("text-*.json"):
        path.unlink()

    assert there
    assert ["5/12", "6/12"] == [line.split("step ")[1].split()[0] for line in steps if "step " in line][4:6]
    assert found == made_now(name)


def test_who_asks_while_it_is_made_waits_and_makes_nothing(name):
    making, waiting, told = made.asked(name), threading.Event(), []
    making.folder.parent.mkdir(parents=True)
    (making.folder.parent / ".locks").mkdir()

    def hear(line):
        told.append(line)
        waiting.set()

    with FileLock(making.folder.parent / ".locks" / f"{making.folder.name}.lock"):
        unmade, answers = made.locate(name), []
        second = threading.Thread(target=lambda: answers.append(made.ready(unmade, hear)))
        second.start()
        assert waiting.wait(30)
        first = made._make(making, lambda _: None, None)
    second.join()

    assert [first] == answers
    assert [f"{making.name}: another process makes it; waiting for that"] == told


def test_plan_says_what_would_be_made_and_makes_nothing(name, cache, tmp_path):
    done = CliRunner().invoke(
        cli, ["plan", "--model", name, "--tasks", "formal.factor", "--results", str(tmp_path / "r")]
    )

    assert 0 == done.exit_code
    assert "is not made yet, `discbench eval` makes it first: 12 steps of 256 tokens, 1 layers x 16" in done.stderr
    assert not cache.exists()


def test_an_evaluation_makes_it_and_a_probe_finds_it(name, tmp_path):
    where = {"results": tmp_path / "r", "stream": io.StringIO()}
    board = discbench.evaluate(
        f"mine={name}", "formal.factor", recipe="quick", seeds=1, limit=16, set={"epochs": 1}, workers=0, **where
    )
    measured = discbench.probe(f"mine={name}", "formal.factor", probes="attention", rows=8, **where)

    assert ([], {"mine"}) == (board.failed, {result["cell"]["checkpoint"] for result in board.results})
    assert 1 == where["stream"].getvalue().count("mine: 12 steps of 256 tokens")
    assert [] == measured.failed


def test_what_is_wrong_with_the_cells_is_told_before_anything_is_made(name, cache, tmp_path):
    with pytest.raises(UserError, match="no field 'epoch'"):
        discbench.evaluate(name, "formal.factor", set={"epoch": 1}, results=tmp_path / "r", stream=io.StringIO())
    assert not cache.exists()


def test_making_leaves_torch_as_it_was(name):
    own = torch.get_num_threads()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    torch.set_num_threads(own + 1)
    try:
        made.ready(made.locate(name), lambda _: None, threads=1)

        assert own + 1 == torch.get_num_threads()
        assert torch.equal(before, torch.random.get_rng_state())
    finally:
        torch.set_num_threads(own)


def test_what_was_altered_is_refused(name):
    found = made_now(name)
    with (Path(found.location) / "vocab.txt").open("a") as file:
        file.write("more\n")

    with pytest.raises(CheckpointError, match=r"is not what was made .* remove that folder, and it is made again"):
        made.locate(name)


def test_other_text_another_field_or_another_corpus_is_another_checkpoint(name, tmp_path):
    first = made.asked(name).folder
    field = made.asked(name.replace("steps=12", "steps=13")).folder
    alias = made.asked(f"mine={name}").folder
    (tmp_path / "my@words.txt").write_text("other words\n" * 3)
    other = made.asked(name).folder

    assert (3, first) == (len({first, field, other}), alias)


def test_a_corpus_that_is_being_written_is_defined_by_its_code_too():
    flat = registry.corpora(registry.plugins())["flat"]
    own, edited = (replace(flat, lines=lambda: iter(["a"])), replace(flat, lines=lambda: iter(["b"])))

    assert {"corpus": "flat@1"} == definition(flat, ["a"])
    assert definition(own, ["a"]) != definition(edited, ["a"])


@pytest.mark.parametrize(
    "name, told",
    [
        ("pretrain:nestng", "model 'pretrain:nestng': 'nestng' is neither a file nor a corpus; did you mean 'nesting'? corpora are flat, nesting, uniform, unigram, or text:FILE"),
        ("pretrain:flat@mni", "'flat@mni': no shape 'mni'; did you mean 'mini'? shapes are tiny, mini, small, base and HxLxA (hidden size, layers, heads: 128x2x2)"),
        ("pretrain:", "model 'pretrain:' names no corpus; give pretrain:CORPUS[@SHAPE] or pretrain:text:FILE[@SHAPE]"),
        ("pretrain:flat@layers=0", "model 'pretrain:flat@layers=0': layers=0: layers is from 1 to 1,000"),
        ("pretrain:flat@64x2x3", "model 'pretrain:flat@64x2x3': hidden=64 is not a multiple of heads=3; change one of them"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_made_is_one_line(name, told):
    with pytest.raises(UserError) as error:
        made.locate(name)

    assert told == str(error.value)


def test_a_text_that_is_not_there_is_named():
    with pytest.raises(UserError, match=r"corpus 'nowhere\.txt' cannot be read: FileNotFoundError"):
        made.locate("pretrain:text:nowhere.txt")


def test_a_checkpoint_that_is_not_made_cannot_be_verified_against(name, tmp_path):
    (tmp_path / "r").mkdir()
    done = CliRunner().invoke(cli, ["verify", str(tmp_path / "r"), "--model", name])

    assert 2 == done.exit_code
    assert "is not made yet" in done.stderr


def documents(path, count, text):
    path.write_text("\n\n".join(text(number) for number in range(count)) + "\n")
    return [list(part) for part in divided(path)]


def test_whole_documents_are_held_out_one_in_fifty(tmp_path):
    learnt, held_out = documents(tmp_path / "a.txt", 200, lambda number: f"of {number}\nand {number}")
    kept = {line.split()[-1] for line in held_out if line}

    assert 4 == len(kept) == held_out.count("")
    assert not kept & {line.split()[-1] for line in learnt if line}
    assert 200 == (len(learnt) + len(held_out)) / 3


def test_copies_of_a_document_go_together_and_few_documents_are_cut_into_paragraphs(tmp_path):
    learnt, held_out = documents(tmp_path / "a.txt", 10, lambda _: "\n".join(f"line {n % 60}" for n in range(120)))

    assert 40 == len([line for line in held_out if line])
    assert not set(learnt) & set(held_out) - {""}


def test_one_paragraph_cannot_be_divided(tmp_path):
    (tmp_path / "a.txt").write_text("alone\n")

    with pytest.raises(UserError, match="has 1 paragraphs; give more text, part of it is held out"):
        divided(tmp_path / "a.txt")


def test_no_shape_is_no_such_name():
    with pytest.raises(NoSuchName):
        made.locate("pretrain:flat@8x8")
