"""`discbench.evaluate` is the command line's own path; a `Board` answers, prints and escapes."""

import io
import json
import random
import re
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace

import pytest
from click.testing import CliRunner

import discbench
from discbench import Board, Classes, Dataset, Metric, RandomTable, Row, Scalar, Splits, Task, accuracy, evaluate, rmse
from discbench.cli import cli
from discbench.errors import NoSuchName, PluginError, StoreError, UserError
from discbench.values.place import pack, unpack

ASKED = {"recipe": "quick", "set": {"epochs": 1}, "limit": 32}


def load_toy():
    """Does `a` stand in front? Sixteen words of four letters."""
    words = [f"{i:04b}".replace("0", "a").replace("1", "b") for i in range(16)]
    rows = [Row(word, int(word[0] == "b")) for word in words]
    return Splits(train=rows[:6] + rows[8:14], validation=[rows[6], rows[14]], test=[rows[7], rows[15]])


def toy(name="toy.front", load=load_toy, **more):
    return Task(
        name=name, version=1, dataset=Dataset(load, license="CC0-1.0", cite="none"), mapping=RandomTable("ab"),
        target=Classes(2), metric=accuracy, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(checkpoint_directory, tmp_path_factory):
    """A registered task and one made on the spot: the store and the board."""
    results, said = tmp_path_factory.mktemp("api") / "results", io.StringIO()
    board = evaluate(checkpoint_directory, ["formal.factor", toy()], seeds=2, results=results, stream=said, **ASKED)
    return results, board, said.getvalue()


@pytest.mark.parametrize(
    "change, found",
    [
        ({"max_symbols": 3}, "has other symbols, another cut, target or scoring than results in 'RESULTS'"),
        (
            {"mapping": RandomTable("abc")},
            "has other symbols, another cut, target or scoring than results in 'RESULTS'",
        ),
        ({"target": Classes(3)}, "has other symbols, another cut, target or scoring than results in 'RESULTS'"),
        ({"metric": discbench.matthews}, "is scored by matthews, but results in 'RESULTS' by accuracy"),
    ],
)
def test_a_task_that_changed_without_its_version_is_told_before_old_scores_pass_for_new_ones(change, found, tmp_path):
    evaluate("baseline:majority", [toy()], results=tmp_path, seeds=1, workers=0)
    with pytest.raises(PluginError) as error:
        evaluate("builtin:tiny", [replace(toy(), **change)], results=tmp_path, **ASKED)

    assert (
        f"toy.front@1 {found}; raise its version, so that old scores do not pass for new ones, or give another --results"
        == str(error.value).replace(str(tmp_path), "RESULTS")
    )
    raised = evaluate("baseline:majority", [replace(toy(), **change, version=2)], results=tmp_path, seeds=1, workers=0)
    assert (1, 0) == (raised.trained, raised.kept)


def test_what_no_score_is_made_of_may_change_without_a_new_version(tmp_path):
    evaluate("baseline:majority", [toy()], results=tmp_path, seeds=1, workers=0)
    same = replace(toy(), about="b in front?", chance=0.5)
    again = evaluate("baseline:majority", [same], results=tmp_path, seeds=1, workers=0)

    assert (0, 1) == (again.trained, again.kept)


@pytest.mark.parametrize("model, workers", [("builtin:tiny", 0), ("baseline:majority", 1)])
def test_rows_that_are_drawn_without_a_seed_end_the_sweep_before_training(model, workers, tmp_path):
    def load():
        words = ["".join(random.choices("ab", k=40)) for _ in range(12)]
        rows = [Row(word, i % 2) for i, word in enumerate(words)]
        return Splits(train=rows[:8], validation=rows[8:10], test=rows[10:])

    with pytest.raises(PluginError) as error:
        evaluate(model, [toy(load=load)], results=tmp_path, workers=workers, **ASKED)

    assert (
        "toy.front: load() gives the same rows each time, but those with SHA-256 #… were planned and #… came in another"
        " process; seed its draws and sort what comes out of a set, unless its files changed meanwhile"
    ) == re.sub("[0-9a-f]{12}", "#", str(error.value))
    assert [] == list(tmp_path.rglob("*.json"))


def test_evaluate_trains_and_says_so_where_it_is_told_to(done):
    _, board, said = done

    assert (8, 0, []) == (board.trained, board.kept, board.failed)
    assert 8 == sum(line.startswith("[") for line in said.splitlines())


def test_the_command_line_finds_the_same_cells_and_trains_nothing(done, checkpoint_directory):
    results, board, _ = done
    words = ["eval", "--model", checkpoint_directory, "--tasks", "formal.factor", "--seeds", 2, "--recipe", "quick"]
    run = CliRunner().invoke(
        cli, [*map(str, words), "--set", "epochs=1", "--limit", "32", "--results", str(results), "--json"]
    )
    (entry,) = json.loads(run.stdout)["entries"]

    assert run.stderr.endswith(f"trained nothing: every cell was in the store; results in {results}\n")
    assert board.entry(entry["checkpoint"], "formal.factor") == entry


def test_evaluate_again_trains_nothing_and_gives_the_same_board(done, checkpoint_directory):
    results, board, _ = done
    again = evaluate(
        checkpoint_directory, ["formal.factor", toy()], seeds=2, results=results, stream=io.StringIO(), **ASKED
    )

    assert (0, 8) == (again.trained, again.kept)
    assert board.to_json() == again.to_json()


def test_a_board_read_from_the_store_is_the_one_that_evaluate_gave(done):
    results, board, _ = done

    assert board.to_json() == Board.read(results).to_json()


def test_named_seeds_are_those_that_are_run(done, checkpoint_directory):
    board = evaluate(checkpoint_directory, "formal.factor", seeds=[1], results=done[0], stream=io.StringIO(), **ASKED)

    assert {1} == {cell.seed for cell in board.cells}
    assert 2 == board.kept


def test_a_gain_is_the_boards_with_its_pairs(done):
    _, board, _ = done
    (entry,) = [e for e in board.record["entries"] if e["task"] == "toy.front@1"]
    gain = board.gain(entry["checkpoint"], "toy.front")

    assert (entry["gain"]["mean"], None, None) == (gain.mean, gain.low, gain.high)
    assert {0, 1} == set(gain.pairs)
    assert f"{gain.mean:+.3f} no interval, 2 seeds" == str(gain)


def test_what_is_not_on_the_board_is_named_with_what_is(done):
    _, board, _ = done
    name = board.record["entries"][0]["checkpoint"]

    with pytest.raises(NoSuchName) as wrong_task:
        board.gain(name, "toy.fron")
    with pytest.raises(NoSuchName) as wrong_init:
        board.gain(name, "toy.front", init="frozen")
    with pytest.raises(NoSuchName) as wrong_way:
        board.gain(name, "toy.front", recpe="quick")

    assert "no task 'toy.fron' on this board; did you mean 'toy.front@1'? it has formal.factor@1, toy.front@1" == str(
        wrong_task.value
    )
    assert str(wrong_init.value).startswith(f"no gain of frozen for {name} on toy.front: it needs finished cells")
    assert str(wrong_way.value).startswith("an entry has no field 'recpe'; it has about, ")


def test_several_entries_are_told_apart_by_what_they_differ_in(done):
    _, board, _ = done
    other = [{**r, "cell": {**r["cell"], "limit": 64}} for r in board.results]
    both = Board.of([*board.results, *other])
    name = board.record["entries"][0]["checkpoint"]

    with pytest.raises(UserError) as error:
        both.gain(name, "toy.front")

    assert f"{name} has 2 entries for toy.front; say which by limit (32, 64)" == str(error.value)
    assert board.gain(name, "toy.front") == both.gain(name, "toy.front", limit=64)


def test_a_row_of_the_data_frame_is_a_cell(done):
    _, board, _ = done
    frame = board.to_pandas()

    assert [r["id"] for r in board.results] == list(frame["id"])
    assert {"limited, unverified", "limited"} >= set(frame["marks"]) - {"unverified"}
    assert [r["scores"]["test"]["accuracy"] for r in board.results] == list(frame["score"])


def test_in_a_terminal_a_board_is_what_the_command_prints(done):
    text = repr(done[1])

    assert "gain over scratch" in text
    assert "formal.factor@1" in text
    assert "\x1b" not in text


def test_in_a_notebook_every_word_is_escaped(done):
    nasty = "<script>alert(1)</script>"
    results = [{**r, "cell": {**r["cell"], "checkpoint": nasty}} for r in done[1].results]
    page = Board.of(results)._repr_html_()

    assert nasty not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert 1 == page.count("<table>")


def test_a_failed_cell_is_on_the_board_with_its_cause(checkpoint_directory, tmp_path):
    board = evaluate(
        checkpoint_directory, "formal.factor", seeds=1, inits="scratch", recipe="quick", limit=32,
        set={"epochs": 1, "lr": 1e38}, results=tmp_path, stream=io.StringIO(),
    )  # fmt: skip

    (failed,) = board.failed
    assert "the training loss is nan" in failed["cause"]
    assert f"failed: {board.cells[0].words}: {failed['cause']}" in repr(board)
    assert "the training loss is nan" in board._repr_html_()
    assert [None] == list(board.to_pandas()["score"])


def test_targets_that_are_too_large_are_not_blamed_on_the_learning_rate(checkpoint_directory, tmp_path):
    rows = [Row("ab" * n, 1e30) for n in range(1, 7)]
    huge = toy("toy.huge", lambda: Splits(train=rows[:2], validation=rows[2:4], test=rows[4:]))
    board = evaluate(
        checkpoint_directory, replace(huge, target=Scalar(), metric=rmse), seeds=1, inits="scratch", recipe="quick",
        set={"targets": "raw"}, results=tmp_path, stream=io.StringIO(),
    )  # fmt: skip

    told = (
        "CellError: the training loss is inf at step 1;"
        " no weight has moved yet: the targets or the checkpoint's weights are too large"
    )
    assert [told] == [cell["cause"] for cell in board.failed]


def test_a_metric_that_is_no_number_fails_its_cells_before_they_are_trained(checkpoint_directory, tmp_path):
    odd = replace(toy("toy.odd"), metric=Metric("odd", lambda *_: None))
    board = evaluate(
        checkpoint_directory, odd, seeds=1, inits="scratch", recipe="quick", limit=32, results=tmp_path, stream=io.StringIO()
    )  # fmt: skip

    told = (
        "PluginError: metric 'odd' returned None; it must return one finite number"
        " (tried on items that are all answered alike; a metric is 0 where it is undefined)"
    )
    assert [told] == [cell["cause"] for cell in board.failed]


@pytest.mark.parametrize(
    "change,kind,line",
    [
        ({"seeds": 0}, UserError, "--seeds 0: no seed, no cell; give 1 or more"),
        ({"seeds": [-1]}, UserError, "seed -1: whole numbers from 0 were expected"),
        (
            {"set": {"epoch": 1}},
            NoSuchName,
            "--set epoch=1: a recipe has no field 'epoch'; did you mean 'epochs'? it has ",
        ),
        (
            {"tasks": "formal.fator"},
            NoSuchName,
            "no task matches 'formal.fator'; did you mean 'formal.factor'? `discbench tasks` lists them",
        ),
        (
            {"tasks": [toy(name="formal.factor")]},
            PluginError,
            "plugins 'formal' and 'given from Python' both offer task 'formal.factor'",
        ),
        ({"tasks": []}, UserError, "evaluate() needs a model and a task; `discbench models` and `discbench tasks` "),
    ],
)
def test_bad_input_raises_the_message_of_the_command_line(tmp_path, change, kind, line):
    with pytest.raises(kind) as error:
        evaluate(**{"model": "builtin:tiny", "tasks": "formal", "results": tmp_path / "r", **change})

    assert str(error.value).startswith(line)
    assert not (tmp_path / "r").exists()


def test_a_store_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match="is no directory"):
        Board.read(tmp_path / "none")


def test_a_task_that_cannot_be_sent_to_workers_is_told_before_any_is_started():
    lock = threading.Lock()

    def load():
        with lock:
            return load_toy()

    with pytest.raises(UserError) as error:
        pack((toy(load=load),))

    assert (
        "toy.front cannot be sent to the processes that run cells (cannot pickle '_thread.lock' object);"
        " write it as a plugin in a module" == str(error.value)
    )


def test_a_task_whose_reader_is_in_no_module_survives_the_way_to_a_worker():
    def load():
        return load_toy()

    (back,) = unpack(pack((toy(load=load),)))

    assert load_toy() == back.dataset.load()
    assert () == unpack(pack(()))


def test_importing_discbench_and_evaluate_does_not_import_torch():
    code = "import sys, discbench; discbench.evaluate, discbench.Board; sys.exit(bool({'torch', 'transformers', 'datasets', 'pandas'} & set(sys.modules)) * 9)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (0, "") == (run.returncode, run.stderr)


def test_importing_discbench_alone_does_not_import_the_late_names():
    code = "import sys, discbench; sys.exit(bool({'discbench.api', 'click', 'rich'} & set(sys.modules)) * 9)"

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
    with pytest.raises(AttributeError, match="has no attribute 'evalute'"):
        _ = discbench.evalute


def test_a_script_without_a_guard_is_not_run_again_by_its_workers(checkpoint_directory, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        import discbench
        print("once")
        board = discbench.evaluate({str(checkpoint_directory)!r}, "formal.factor", inits="scratch", seeds=1,
                                   recipe="quick", set={{"epochs": 1}}, limit=8, results={str(tmp_path / "r")!r})
        print(board.trained, len(board.failed))
        """)
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    assert (0, "once\n1 0\n") == (run.returncode, run.stdout)
