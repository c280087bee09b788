"""The conformance kit for corpora and executors, and `overfits`: what is built in passes, what is broken is named."""

import hashlib
import io
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest
from click.testing import CliRunner

import discbench
from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy
from discbench.cli import cli
from discbench.errors import NoSuchName, PluginError, UserError
from discbench.executors import inprocess
from discbench.plugins import registry
from discbench.pretraining import artificial
from discbench.testing import check_corpus, check_executor, overfits
from discbench.values.jobs import Event, Executor
from discbench.values.types import Corpus
from discbench.words.foreign import quoted

MANAGER = registry.plugins()


LINE = re.compile(r"line \d+")


def corpus(lines, held_out=("z z",), **more):
    fields = {"name": "small", "version": 1, "license": "CC0-1.0", "cite": "none", **more}
    return Corpus(lines=lambda: iter(lines), held_out=lambda: iter(held_out), **fields)


def broken(check, value):
    with pytest.raises(AssertionError) as error:
        check(value)
    return str(error.value)


@pytest.mark.parametrize("name", ["flat", "nesting", "uniform", "unigram"])
def test_every_built_in_corpus_keeps_what_it_promises(name):
    check_corpus(registry.corpora(MANAGER)[name])


def lines_of(name, count=2000):
    lines = (line.split() for line in registry.corpora(MANAGER)[name].lines() if line)
    return [list(map(int, line)) for line in islice(lines, count)]


@pytest.mark.parametrize(
    "name, lengths", [("uniform", (100, 119)), ("unigram", (100, 119)), ("flat", (100, 122)), ("nesting", (80, 124))]
)
def test_lines_are_as_long_as_those_of_the_authors(name, lengths):
    found = list(map(len, lines_of(name)))

    assert lengths == (min(found), max(found))
    assert pytest.approx(sum(lengths) / 2, abs=1) == sum(found) / len(found)


def test_a_flat_line_holds_every_token_in_pairs_at_any_places():
    for line in lines_of("flat", 50):
        assert {0} == {line.count(token) % 2 for token in line}
        assert not closes(line)


def test_a_nesting_stream_closes_what_it_opened_last_at_the_authors_mean_depth():
    stream, stack, depths, adjacent = [token for line in lines_of("nesting") for token in line], [], [], []
    for place, token in enumerate(stream):
        if stack and stack[-1][0] == token:
            adjacent.append(place - stack.pop()[1] == 1)
        else:
            stack.append((token, place))
        depths.append(len(stack))

    assert 40 > len(stack)
    assert pytest.approx(2.45, abs=0.15) == sum(depths) / len(depths)
    assert pytest.approx(0.6, abs=0.01) == sum(adjacent) / len(adjacent)


def test_tokens_are_drawn_alike_or_as_the_words_of_english_are():
    uniform, unigram = (Counter(token for line in lines_of(name) for token in line) for name in ("uniform", "unigram"))
    totals = artificial.english()

    assert 29_995 == len(totals)
    assert (
        pytest.approx(0.5, abs=0.01) == sum(n for token, n in uniform.items() if token < 29_995 / 2) / uniform.total()
    )
    for token in (0, 1, 10):
        share = (totals[token] - (totals[token - 1] if token else 0)) / totals[-1]
        assert pytest.approx(share, rel=0.1) == unigram[token] / unigram.total()


def test_a_language_is_the_same_everywhere():
    assert [62, 24, 8, 8, 24, 62] == lines_of("nesting", 1)[0][:6]
    assert (
        "a64ed44ee301"
        == hashlib.sha256("\n".join(registry.corpora(MANAGER)["flat"].held_out()).encode()).hexdigest()[:12]
    )


def closes(line):
    """Whether the tokens as brackets nest: the one that was opened last closes, any other opens."""
    stack = []
    for word in line:
        if stack and stack[-1] == word:
            stack.pop()
        else:
            stack.append(word)
    return not stack


@pytest.mark.parametrize(
    "lines, words, told",
    [
        (
            ["a b"],
            ["a", "b", "z", "a"],
            "small: a word stands in vocabulary() once, but 'a' stands there 2 times",
        ),
        (["a B"], ["a", "B", "z"], "small: a word is lower-case letters and digits, but 'B' is not"),
        (["a b"], ["a", 1], "small: a word is lower-case letters and digits, but 1 is not"),
        (
            ["a b"],
            None,
            "small: vocabulary() failed: TypeError(\"'NoneType' object is not iterable\") (loading.py, line LINE)",
        ),
        (["a b", "c"], ["a", "b", "z"], "small: every word of a line is in vocabulary(), but 'c' is not"),
    ],
)
def test_a_vocabulary_that_breaks_a_promise_is_told_which(lines, words, told):
    assert told == LINE.sub("line LINE", broken(check_corpus, corpus(lines, vocabulary=lambda: words)))


@pytest.mark.parametrize(
    "lines, held_out, told",
    [
        ([1, 2], ["z"], "small: lines() yields text, but it yields 1"),
        (["a b\n"], ["z"], "small: a line of lines() ends without a newline, but 'a b\\n' does not"),
        (["", ""], ["z"], "small: lines() has words, but there are none"),
        (["a b", "c d"], ["", " "], "small: held_out() has words, but there are none"),
        (["a b"] * 5 + ["c"], ["z"], "small: paragraphs differ, but 'a b' is most of it"),
        (["a b", "c d"], ["c d"], "small: no held-out paragraph is learnt, but 'c d' is"),
    ],
)
def test_a_corpus_that_breaks_a_promise_is_told_which(lines, held_out, told):
    assert told == broken(check_corpus, corpus(lines, held_out))


def cut_off():
    """Text from a connection that breaks."""
    yield "a b"
    raise OSError("no\nnetwork")


def nothing():
    return None


@pytest.mark.parametrize("part", ["lines", "held_out"])
@pytest.mark.parametrize(
    ("read", "told"),
    [
        (cut_off, "failed: OSError('no\\nnetwork') (test_kit.py, line LINE)"),
        (nothing, """failed: TypeError("'NoneType' object is not iterable") (loading.py, line LINE)"""),
    ],
)
def test_a_corpus_that_cannot_be_read_is_told_by_the_kit_and_by_the_command(read, told, part, monkeypatch, tmp_path):
    odd = replace(corpus(["a b", "c d"]), **{part: read})
    monkeypatch.setattr("discbench.plugins.registry.corpora", lambda _: {"small": odd})
    done = CliRunner().invoke(cli, ["pretrain", "small", "--out", str(tmp_path / "model")])

    assert f"small: {part}() {told}" == LINE.sub("line LINE", broken(check_corpus, odd))
    assert (3, f"error: small: {part}() {told}\n") == (done.exit_code, LINE.sub("line LINE", done.stderr))
    assert not list(tmp_path.glob("model/state/*.txt" if part == "lines" else "model/state/*held-out.txt"))


@pytest.mark.parametrize("floor", [-1, float("nan"), "low", True])
def test_a_floor_that_is_no_loss_is_told(floor):
    odd = corpus(["a b", "c d"], floor=lambda _: floor)

    assert f"small: floor() is a number of nats from 0, but it is {quoted(floor)}" == broken(check_corpus, odd)


def test_a_corpus_that_changes_is_told_where():
    calls = iter(range(100))
    moving = replace(corpus([]), lines=lambda: iter(["a b", f"call {next(calls)}"]))

    assert "small: lines() is the same each time, but line 2 was 'call 0' and then 'call 1'" == broken(
        check_corpus, moving
    )


def test_pretraining_on_a_named_corpus_makes_a_checkpoint_that_can_be_evaluated(tmp_path, monkeypatch):
    monkeypatch.setattr(artificial, "LINES", 200)
    monkeypatch.setattr(artificial, "HELD_OUT", 50)
    sets = [
        word
        for change in ("layers=1", "hidden=16", "steps=4", "batch_tokens=512", "warmup=1", "unused=8")
        for word in ("--set", change)
    ]

    done = CliRunner().invoke(cli, ["pretrain", "nesting", "--out", str(tmp_path / "model"), *sets, "--threads", "1"])

    assert 0 == done.exit_code, done.output
    card, vocabulary = ((tmp_path / "model" / name).read_text() for name in ("README.md", "vocab.txt"))
    assert "and 30,000 tokens, each a word: masked" in card
    assert "corpus nesting@1, pairs of words, nested like brackets" in card
    assert "\n    discbench pretrain nesting --out DIRECTORY --threads 1 --set vocabulary=30000 " in card
    assert ["[MASK]", "0", "1"] == vocabulary.split("\n")[4:7]
    board = discbench.evaluate(
        tmp_path / "model", "formal.factor", recipe="quick", seeds=1, limit=16, set={"epochs": 1}, results=tmp_path / "r",
        workers=0, stream=io.StringIO(),
    )  # fmt: skip
    assert [] == board.failed


def test_a_vocabulary_of_another_size_than_asked_for_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(artificial, "LINES", 20)
    monkeypatch.setattr(artificial, "HELD_OUT", 5)

    done = CliRunner().invoke(cli, ["pretrain", "flat", "--out", str(tmp_path / "m"), "--set", "vocabulary=6000"])

    told = "error: flat yields a vocabulary of 30000 entries, 6000 were asked for; give --set vocabulary=30000\n"
    assert (2, told) == (done.exit_code, done.stderr)


@pytest.mark.parametrize(
    "words, told",
    [
        (
            ["nestng"],
            "error: 'nestng' is neither a file nor a corpus; did you mean 'nesting'? corpora are flat, nesting, uniform, unigram, or text:FILE",
        ),
        (
            ["flat", "--held-out", "x.txt"],
            "error: corpus 'flat' has held-out text of its own; leave --held-out away",
        ),
        (
            [__file__],
            f"error: --held-out is missing: give text that is never trained on, beside {__file__!r}, or text:{__file__} to hold a part of it out",
        ),
    ],
)
def test_what_cannot_be_learnt_is_one_line(words, told, tmp_path):
    done = CliRunner().invoke(cli, ["pretrain", *words, "--out", str(tmp_path / "model")])

    assert (2, told + "\n") == (done.exit_code, done.stderr)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["inprocess", "local"])
def test_every_built_in_executor_keeps_what_it_promises(name):
    check_executor(registry.executors(MANAGER)[name])


def shortened(jobs, place, workers, threads, watch):
    inprocess.run(jobs[:-1], place, workers, threads, watch)


def silent(jobs, place, workers, threads, watch):
    inprocess.run(jobs, place, workers, threads, lambda _: None)


def careless(jobs, place, workers, threads, watch):
    inprocess.run([job for job in jobs if job.cell is not None], place, workers, threads, watch)


def elsewhere(jobs, place, workers, threads, watch):
    inprocess.run(jobs, replace(place, results=place.results / "other"), workers, threads, watch)


def raising(jobs, place, workers, threads, watch):
    raise OSError("no queue")


def twice(jobs, place, workers, threads, watch):
    inprocess.run(jobs, place, workers, threads, watch)
    cell = next(job.cell for job in jobs if job.cell is not None)
    watch(Event("end", cell))


def lingering(jobs, place, workers, threads, watch):
    inprocess.run(jobs, place, workers, threads, watch)
    threading.Thread(target=time.sleep, args=(5,), name="lingering").start()


@pytest.mark.parametrize(
    "run, told",
    [
        (raising, "mine: runs what it is given, but it raised OSError('no queue')"),
        (
            twice,
            "mine: every cell is told by one event 'end', but [('tiny formal.factor@1 pretrained seed 0', 2)] times",
        ),
        (lingering, "mine: no thread is left when it returns, but ['lingering'] are"),
        (
            shortened,
            "mine: every cell is told by one event 'start', but [('tiny formal.factor@1 scratch seed 1', 0)] times",
        ),
        (
            silent,
            "mine: every cell is told by one event 'start', but [('tiny formal.factor@1 pretrained seed 0', 0)] times",
        ),
        (elsewhere, "mine: every cell has a result in the store, but tiny formal.factor@1 pretrained seed 0 has none"),
        (careless, "mine: what a check finds is raised, but nothing was"),
    ],
)
def test_an_executor_that_breaks_a_promise_is_told_which(run, told):
    assert told.split(" formal")[0] == broken(check_executor, Executor(name="mine", run=run)).split(" formal")[0]


EXECUTOR = """
from discbench import hookimpl
from discbench.executors import inprocess
from discbench.values.jobs import Event, Executor

def backwards(jobs, place, workers, threads, watch):
    for job in sorted(jobs, key=lambda job: (job.cell is not None, -getattr(job.cell, "seed", 0))):
        inprocess.run([job], place, 1, threads, watch)

def losing(jobs, place, workers, threads, watch):
    pass

def failing(jobs, place, workers, threads, watch):
    raise OSError("no queue")

@hookimpl
def discbench_executors():
    return [Executor(name=f.__name__, run=f) for f in (backwards, losing, failing)]
"""


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    """A way to run discbench where a plugin offers executors."""
    site = tmp_path_factory.mktemp("site")
    (site / "queue_plugin.py").write_text(EXECUTOR)
    (site / "queue_plugin-1.dist-info").mkdir()
    (site / "queue_plugin-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: queue_plugin\nVersion: 1\n"
    )
    (site / "queue_plugin-1.dist-info" / "entry_points.txt").write_text("[discbench]\nqueue = queue_plugin\n")

    def run(executor, model, results, *more):
        words = ["--model", model, "--tasks", "formal.factor", "--recipe", "quick", "--seeds", 2, "--limit", 16]
        command = [sys.executable, "-m", "discbench", "eval", *words, "--set", "epochs=1", "--results", results]
        return subprocess.run(
            [*map(str, command), "--executor", executor, *map(str, more)],
            capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(site)},
        )  # fmt: skip

    return run


def test_a_plugins_executor_runs_the_cells_of_an_evaluation(queue, checkpoint_directory, tmp_path):
    done = queue("backwards", checkpoint_directory, tmp_path)

    ended = [line.split(": ")[0].split(" seed ")[1] for line in done.stderr.splitlines() if line.startswith("[")]
    assert (0, ["1", "1", "0", "0"]) == (done.returncode, ended), done.stderr


@pytest.mark.parametrize(
    "executor, more, code, told",
    [
        ("losing", [], 3, "error: executor 'losing' ended without a result of 4 of 4 cells, the first is "),
        ("failing", [], 3, "error: executor 'failing' failed: OSError('no queue'); what was finished is in the store"),
        (
            "backward",
            [],
            2,
            "error: no executor 'backward'; did you mean 'backwards'? there are backwards, failing, inprocess, ",
        ),
        (
            "local",
            ["--workers", 0],
            2,
            "error: --workers 0 is the executor inprocess, but --executor local was asked for",
        ),
        (
            "inprocess",
            ["--workers", 3],
            2,
            "error: --executor inprocess runs one cell at a time, but --workers 3 was asked for",
        ),
        (
            "ray",
            ["--device", "cpu", "--gpus-per-cell", 1],
            2,
            "error: --gpus-per-cell 1 gives a cell a GPU, but --device cpu was asked for",
        ),
    ],
)
def test_an_executor_that_does_not_do_its_part_is_one_line(
    queue, checkpoint_directory, tmp_path, executor, more, code, told
):
    done = queue(executor, checkpoint_directory, tmp_path, *more)

    assert code == done.returncode
    assert told == done.stderr.splitlines()[-1][: len(told)]


def test_an_unknown_executor_is_told_from_python_before_anything_is_trained(checkpoint_directory, tmp_path):
    with pytest.raises(NoSuchName) as error:
        discbench.evaluate(checkpoint_directory, "formal.factor", executor="kubernetes", results=tmp_path / "r")
    assert "no executor 'kubernetes'; there are inprocess, local, ray, slurm" == str(error.value)
    assert not (tmp_path / "r").exists()
    assert isinstance(error.value, UserError)


@pytest.mark.parametrize("kind", [Corpus, Executor])
def test_names_of_several_words_are_refused(kind):
    with pytest.raises(PluginError) as error:
        corpus([], name="Two words") if kind is Corpus else Executor(name="Two words", run=print)
    assert f"{kind.__name__.lower()} name 'Two words' is not one word in lower case" == str(error.value)


@pytest.mark.parametrize("name", ["formal.factor", "formal.depth"])
def test_a_few_rows_of_a_built_in_task_are_learnt_by_heart(name):
    assert 0.9 <= overfits(registry.tasks(MANAGER)[name])


@pytest.mark.parametrize("name", ["dna.splice", "protein.stability", "chem.bbbp", "glue.cola"])
def test_a_few_real_rows_are_learnt_by_heart(name, real_data):
    from discbench.data import reading

    with reading(real_data, download=False):
        assert 0.9 <= overfits(registry.tasks(MANAGER)[name])


def made(rows, metric=accuracy):
    splits = Splits(train=rows, validation=rows, test=rows)
    return Task(
        name="rna.same", version=1, dataset=Dataset(lambda: splits, license="x", cite="x"), mapping=RandomTable("ACGU"),
        target=Classes(2), metric=metric,
    )  # fmt: skip


def test_rows_that_read_the_same_with_other_targets_cannot_be_learnt():
    told = broken(overfits, made([Row("ACGU", number % 2) for number in range(32)]))

    assert told.startswith("rna.same: 32 rows can be learnt by heart (accuracy 0.90), but after 150 steps it is 0.")


def test_a_constant_target_is_told():
    rows = [Row("ACGU"[: 1 + n % 4], 1) for n in range(8)]

    assert "rna.same: targets differ, but all of 8 rows have 1" == broken(overfits, made(rows))
