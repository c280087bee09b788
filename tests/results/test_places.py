"""Broken places: each is one line that says what it is, with its exit code; the rest goes on, nothing is lost."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import stores
from click.testing import CliRunner

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, data
from discbench.cli import cli
from discbench.data import rowcache
from discbench.words.foreign import warn

ROOT = Path(__file__).parents[2]

EVAL = ["eval", "--model", "builtin:tiny", "--tasks", "formal.factor", "--seeds", "2", "--recipe", "quick"]


def discbench(*words):
    return CliRunner().invoke(cli, [str(word) for word in words])


def shown(result):
    """(exit code, lines on stderr), once it is sure that no exception of Python's own came through."""
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stderr.splitlines()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store of four cells, and the paths of its records."""
    root = tmp_path_factory.mktemp("whole") / "s"
    return root, stores.write(root)


@pytest.fixture
def store(whole, tmp_path, monkeypatch):
    """A copy of it in the current folder; (its name, path of the first record)."""
    shutil.copytree(whole[0], tmp_path / "s")
    monkeypatch.chdir(tmp_path)
    return Path("s"), Path("s") / whole[1][0].relative_to(whole[0])


def without(path, name):
    record = json.loads(path.read_text())
    del record[name]
    path.write_text(json.dumps(record))


def nan(path):
    record = json.loads(path.read_text())
    record["scores"]["test"]["accuracy"] = float("nan")
    path.write_text(json.dumps(record))


def put(path, make):
    path.unlink()
    make(path)


CELL, RESULT = "is no result of a cell: it ", "is no result as discbench writes it "
BROKEN = {
    "zero bytes": (lambda a: a.write_bytes(b""), CELL + "is empty"),
    "cut off": (lambda a: a.write_text(a.read_text()[:8]), CELL + "is no JSON, or was cut off (Unterminated string starting at: line 2 column 2 (char 3))"),
    "without a field": (lambda a: without(a, "scores"), RESULT + "($: it lacks 'scores')"),
    "NaN": (nan, RESULT + "($.scores.test.accuracy: a decimal number from -1e+100 to 1e+100 was expected, not nan)"),
    "nesting without end": (lambda a: a.write_text("[" * 100_000), CELL + "is nested too deep"),
    "binary": (lambda a: a.write_bytes(bytes(range(256))), CELL + "is no text in UTF-8"),
    "a folder": (lambda a: put(a, Path.mkdir), CELL + "is a folder, no file"),
    "a link to nothing": (lambda a: put(a, lambda p: p.symlink_to("nothing")), CELL + "is a link that leads to no file"),
    "a link to itself": (lambda a: put(a, lambda p: p.symlink_to(p.name)), CELL + "is a link that leads to no file"),
    "a pipe": (lambda a: put(a, os.mkfifo), CELL + "is no file"),
    "a list": (lambda a: a.write_text("[]"), "is no result of a cell: an object with 'cell' and 'id' was expected"),
}  # fmt: skip
AGAIN = "; remove it to have the cell run again"


@pytest.mark.parametrize("kind", BROKEN)
def test_a_board_goes_on_without_a_broken_record_and_names_it(store, kind):
    spoil, said = BROKEN[kind]
    spoil(store[1])
    result = discbench("board", "--results", store[0])

    assert (2, [f"error: {store[1]} {said}{AGAIN}"]) == shown(result)
    assert "formal.factor@1" in result.stdout


@pytest.mark.parametrize(
    "words", [["export", "--to", "csv", "--out", "o"], ["board", "--out", "o"], ["site", "--out", "o", "--no-figures"]]
)
def test_what_is_built_of_a_store_goes_on_without_a_broken_record(store, words):
    store[1].write_bytes(b"")
    result = discbench(*words, "--from" if words[0] == "site" else "--results", store[0])

    assert (2, f"error: {store[1]} {CELL}is empty{AGAIN}") == (shown(result)[0], shown(result)[1][0])
    assert any(path.is_file() for path in Path("o").rglob("*"))


def test_a_submission_is_not_packed_without_a_cell(store):
    store[1].write_bytes(b"")

    line = f"error: {store[1]} {CELL}is empty{AGAIN}"
    assert (2, [line]) == shown(discbench("submit", "--results", store[0], "--out", "o.zip"))
    assert not Path("o.zip").exists()


def test_a_foreign_file_beside_results_is_passed_over_in_one_line(store):
    foreign = store[1].with_name("notes.json")
    foreign.write_text("{}")
    (store[0] / "notes.json").write_text("[")
    result = discbench("board", "--results", store[0])

    line = f"passed over: {foreign} is no result of a cell: an object with 'cell' and 'id' was expected; move it out of the store"  # fmt: skip
    assert (0, [line]) == shown(result)
    assert discbench("board", "--results", store[0]).stdout == result.stdout


def test_an_evaluation_fails_in_the_broken_cell_alone_and_keeps_what_lies_there(store):
    store[1].write_text("mine")
    code, lines = shown(discbench(*EVAL, "--results", store[0], "--workers", "0"))

    assert (1, "3 of 3 cells are in the store and will not be run again") == (code, lines[0])
    cause = f"{store[1].absolute()} {CELL}is no JSON, or was cut off (Expecting value: line 1 column 1 (char 0)){AGAIN}"
    assert f"failed: builtin:tiny formal.factor@1 pretrained seed 0: {cause}" == lines[1].replace("scratch", "pretrained").replace("seed 1", "seed 0")  # fmt: skip
    assert "trained 0 cells, 1 failed (run again to retry them), kept 3; results in s" == lines[2]
    assert "mine" == store[1].read_text()


def test_a_plan_tells_an_unreadable_record_and_counts_it_apart(store):
    store[1].write_bytes(b"")
    words = ["plan", *EVAL[1:], "--results", store[0]]
    result = discbench(*words)

    assert (2, [f"{store[1]} {CELL}is empty{AGAIN}"]) == shown(result)
    assert "4 cells, 3 finished, 1 unreadable, 0 to run: 0 steps, 0 tokens" == result.stdout.splitlines()[-1]
    assert ["unreadable"] == [r["state"] for r in json.loads(discbench(*words, "--json").stdout) if r["id"] == store[1].stem]  # fmt: skip


def test_a_complete_store_that_cannot_be_written_answers(store):
    folders = [store[0], *(path for path in store[0].rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        if os.access(store[0], os.W_OK):
            pytest.skip("this user may write everywhere")
        code, lines = shown(discbench(*EVAL, "--results", store[0]))
    finally:
        for folder in folders:
            folder.chmod(0o755)

    assert (0, "trained nothing: every cell was in the store; results in s") == (code, lines[-1])


def test_a_complete_store_is_not_tried_for_writing(store):
    (store[0] / ".locks").write_text("no folder")

    assert 0 == discbench(*EVAL, "--results", store[0]).exit_code


def file(name):
    Path(name).write_text("x")


def leaderboard(change):
    discbench("board", "--results", "s", "--out", "b")
    made = json.loads(Path("b/leaderboard.json").read_text())
    change(made)
    Path("b/leaderboard.json").write_text(json.dumps(made))


def beside(content):
    Path("b").mkdir()
    Path("b/leaderboard.json").write_text(content)


ANEW = "make it anew with `discbench board --out`"
SITE = ["site", "--from", "b", "--out", "o"]
BBBP = ["--tasks", "chem.bbbp", "--results", "r"]
PLACES = {
    "a board of an empty directory": (lambda: Path("e").mkdir(), ["board", "--results", "e"], "--results 'e' holds no results; is its path right? `discbench eval --results DIR` makes some"),
    "a board of a mistyped path": (lambda: None, ["board", "--results", "ss"], "--results 'ss' is no directory; run `discbench eval --results DIR` first"),
    "a comparison of an empty directory": (lambda: Path("e").mkdir(), ["compare", "a", "b", "--results", "e"], "--results 'e' holds no results; is its path right? `discbench eval --results DIR` makes some"),
    "results below a file": (lambda: file("f"), [*EVAL, "--results", "f/r"], "--results '{here}/f/r' cannot be written (Not a directory); choose another directory"),
    "a board written below a file": (lambda: file("f"), ["board", "--results", "s", "--out", "f/o"], "--out 'f/o' cannot be written (Not a directory); choose another directory"),
    "an index page that is a folder": (lambda: Path("o/index.html").mkdir(parents=True), ["site", "--from", "s", "--out", "o", "--no-figures"], "--out 'o' cannot be written (Is a directory); choose another directory"),
    "a plugin below a file": (lambda: file("f"), ["new", "task", "a.b", "--out", "f/o"], "f/o/discbench-a-b cannot be read or written (Not a directory); a part of this path is a file, no folder: move that file away, or give another place"),
    "a board of zero bytes": (lambda: beside(""), SITE, f"b/leaderboard.json is empty; {ANEW}"),
    "a board nested without end": (lambda: beside("[" * 100_000), SITE, f"b/leaderboard.json is nested too deep; {ANEW}"),
    "a board that is a folder": (lambda: Path("b/leaderboard.json").mkdir(parents=True), SITE, f"b/leaderboard.json is a folder, no file; {ANEW}"),
    "another board": (lambda: beside("{}"), SITE, f"b/leaderboard.json is no discbench leaderboard of version 1.0; {ANEW}"),
    "a board without entries": (lambda: leaderboard(lambda b: b.pop("entries")), SITE, f"b/leaderboard.json is not as `discbench board` writes it ($: 'entries' is a required property); {ANEW}"),
    "an entry without its task": (lambda: leaderboard(lambda b: b["entries"][0].pop("task")), SITE, f"b/leaderboard.json is not as `discbench board` writes it ($.entries[0]: 'task' is a required property); {ANEW}"),
    "a model of a long name": (lambda: None, ["plan", "--model", "./" + "m" * 300, "--tasks", "formal"], "m" * 300 + " cannot be read or written (File name too long); give a shorter name"),
    "a model whose config is nested": (lambda: (Path("m").mkdir(), Path("m/config.json").write_text("[" * 100_000)), ["plan", "--model", "m", "--tasks", "formal"], "model '{here}/m': config.json cannot be read (maximum recursion depth exceeded while decoding a JSON array from a unicode string); is it whole?"),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLACES)
def test_a_broken_place_is_one_line_and_the_users_exit_code(store, kind):
    make, words, line = PLACES[kind]
    make()

    assert (2, [f"error: {line.format(here=Path.cwd())}"]) == shown(discbench(*words))


def test_a_data_directory_that_is_a_file_is_told_as_that(store, monkeypatch):
    file("f")
    monkeypatch.setenv("DISCBENCH_DATA", "f")

    line = "error: data directory 'f' is a file; correct --data-dir or DISCBENCH_DATA"
    assert (2, [line]) == shown(discbench("plan", *EVAL[1:]))


@pytest.mark.parametrize("what, found", [("gone", "it is not there"), ("a folder", "it is a folder")])
def test_predictions_that_are_no_file_are_told(store, what, found):
    answers = store[1].with_suffix(".predictions.parquet")
    answers.unlink()
    if what == "a folder":
        answers.mkdir()
    done = discbench("export", "--results", store[0], "--to", "lm-eval", "--out", "o")

    line = f"error: {answers} holds no predictions ({found}); remove its cell to have it run again"
    assert (2, [line]) == shown(done)


BASELINE = ["eval", "--model", "baseline:majority", "--tasks", "formal.factor", "--seeds", "2", "--recipe", "quick", "--workers", "0", "--results", "r"]  # fmt: skip
KEPT = "; what was finished is kept: run again to go on"
AWAY = "move it away, or give another place" + KEPT


@pytest.mark.parametrize(
    "make, suffix, said",
    [
        (lambda r, a: Path(r / ".locks" / f"{a.stem}.lock").mkdir(), "lock", "Is a directory); a folder has this name: " + AWAY),
        (lambda _, a: a.with_suffix(".predictions.parquet").mkdir(), "parquet", "Is a directory); a folder has this name: " + AWAY),
        (lambda _, a: (a.parent.rmdir(), a.parent.write_text("")), "folder", "File exists); something else has this name: " + AWAY),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_stored_ends_the_sweep_in_one_line_and_keeps_the_others(tmp_path, monkeypatch, make, suffix, said):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert 0 == discbench(*BASELINE).exit_code
    records = sorted(Path("r").glob("*/*/*/*.json"))
    gone = records if suffix == "folder" else records[:1]
    for path in gone:
        path.unlink()
        path.with_suffix(".predictions.parquet").unlink()
    shutil.rmtree("r/.locks")
    Path("r/.locks").mkdir()
    make(Path("r"), records[0])
    code, lines = shown(discbench(*BASELINE))

    assert (2, True) == (code, lines[-1].startswith(f"error: {tmp_path}/r/"))
    assert lines[-1].endswith(f" cannot be read or written ({said}")
    assert records[len(gone) :] == sorted(Path("r").glob("*/*/*/*.json"))


@pytest.fixture
def small_files():
    """Call it, and no file of more than 2,000 bytes can be written, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_results_that_the_disk_has_no_room_for_are_told_with_what_to_do(tmp_path, monkeypatch, small_files):
    monkeypatch.chdir(tmp_path)
    small_files()
    code, lines = shown(discbench(*BASELINE))

    assert (2, True) == (code, lines[-1].startswith(f"error: {tmp_path}/r/baseline__majority/1/formal.factor@1/"))
    assert lines[-1].endswith(" cannot be read or written (File too large); free some space, or give another place" + KEPT)  # fmt: skip
    assert [] == [path for path in Path("r").rglob("*.*") if path.suffix in {".json", ".part"}]


@pytest.mark.parametrize("words", [["board", "--results", "s"], ["tasks"], ["tasks", "--json"]])
def test_an_output_that_cannot_be_written_is_one_line(store, words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "discbench", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip

    line = "error: a file or the standard output cannot be read or written (No space left on device); free some space, or give another place\n"  # fmt: skip
    assert (2, line) == (done.returncode, done.stderr)


def splits_of(letter):
    rows = [Row(letter * 4, 0), Row(letter * 5, 1)]
    return Splits(train=rows, validation=rows, test=rows)


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A task whose rows come from a file, where its cache entry is, and how often its file was read."""
    monkeypatch.setenv("DISCBENCH_CACHE", str(tmp_path / "c"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "letter.txt").write_text("A")
    reads = []

    def load():
        reads.append(1)
        return splits_of(data.local("letter.txt").read_text())

    task = Task(name="rna.kept", version=1, dataset=Dataset(load, license="CC0-1.0", cite="none"), mapping=RandomTable("ACGU"), target=Classes(2), metric=accuracy)  # fmt: skip
    return task, tmp_path / "data", reads


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def arrow(entry):
    return next(entry.glob("arrow/train/*.arrow"))


def unsealed(note):
    said = json.loads(note.read_text())
    note.write_text(json.dumps({**said, "partial": "another"}))


DAMAGE = {
    "a note of zero bytes": lambda e: (e / "note.json").write_bytes(b""),
    "a note that is a list": lambda e: (e / "note.json").write_text("[]"),
    "a note that is nested": lambda e: (e / "note.json").write_text("[" * 100_000),
    "a note that is a folder": lambda e: put(e / "note.json", Path.mkdir),
    "a note that says something else": lambda e: unsealed(e / "note.json"),
    "rows of zero bytes": lambda e: arrow(e).write_bytes(b""),
    "rows cut off": lambda e: arrow(e).write_bytes(arrow(e).read_bytes()[:200]),
    "rows with one byte changed": lambda e: flip(arrow(e)),
    "rows without one file": lambda e: (e / "arrow" / "train" / "state.json").unlink(),
    "a file in the place of the entry": lambda e: (shutil.rmtree(e), e.write_text("x")),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_cache_entry_is_none_and_is_made_anew(cached, kind):
    task, folder, reads = cached
    first = rowcache.load(task, folder)
    DAMAGE[kind](rowcache.entry(task, folder))

    assert first.train.codes.tolist() == rowcache.load(task, folder).train.codes.tolist()
    assert 2 == len(reads)
    assert first.sha256 == rowcache.load(task, folder).sha256
    assert 2 == len(reads)


@pytest.mark.parametrize("kind", ["a file", "full"])
def test_a_cache_that_cannot_be_written_is_told_once_and_gone_on_without(cached, tmp_path, kind, capsys, small_files):
    task, folder, reads = cached
    place, said = tmp_path / "c" / "rows" / task.id, "Not a directory); a part of this path is a file, no folder: move that file away"  # fmt: skip
    if kind == "a file":
        (tmp_path / "c").write_text("x")
    else:
        place, said = rowcache.entry(task, folder), "File too large); free some space"
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    warn.cache_clear()
    loaded = [rowcache.load(task, folder) for _ in range(2)]

    assert [[4, 5], [4, 5]] == [sorted(each.train.lengths.tolist()) for each in loaded]
    line = f"warning: rows are not kept in the cache: {place} cannot be read or written ({said}, or give another place (DISCBENCH_CACHE); without it they are read anew each time\n"  # fmt: skip
    assert (line, 2) == (capsys.readouterr().err, len(reads))
    assert kind == "a file" or [] == list(place.parent.iterdir())


def test_verify_reads_the_files_even_where_the_cache_cannot_be_emptied(cached):
    task, folder, reads = cached
    rowcache.load(task, folder)
    rowcache.load(task, folder, anew=True)

    assert 2 == len(reads)
