"""Rates are chosen before any test row is read; what was searched for is not trained again."""

from dataclasses import replace

import pytest

from discbench import Classes, Dataset, RandomTable, Row, Scalar, Splits, Task, accuracy, evaluate, rmse
from discbench.api import carry_out, prepare
from discbench.data import heldout, rowcache
from discbench.data.rows import encode
from discbench.errors import Detached
from discbench.plugins import registry
from discbench.results import rates as searches
from discbench.results.store import Store
from discbench.sweeps.tuning import Tuning
from discbench.values.asked import Evaluation
from discbench.values.jobs import Executor
from discbench.values.rates import SEEDS

RATES = [1e-3, 3e-3]
"""The first grid here: a short one, that may be widened once to a side."""


@pytest.fixture(scope="module", autouse=True)
def short_grid():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searches, "STEPS", (0, 1))
        patch.setattr(searches, "WIDER", 1)
        yield


def rows(count, first=0, scale=1.0):
    words = [
        "".join("ab"[(i * k + i // 3) % 2] for k in range(3, 9)) + "ab" * (i % 7) for i in range(first, first + count)
    ]
    return [Row(f"{word}{'ba' * (i // 7)}", int(i % 2) if scale == 1.0 else scale * i) for i, word in enumerate(words)]


def task(*, target=Classes(2), metric=accuracy, scale=1.0, test=None, **fields):  # noqa: B008 - frozen
    splits = Splits(train=rows(24, 0, scale), validation=rows(8, 30, scale), test=test or rows(8, 40, scale))
    dataset = Dataset(lambda: splits, license="CC0-1.0", cite="")
    return Task(name="test.rates", version=1, dataset=dataset, mapping=RandomTable("ab"), target=target, metric=metric, **fields)  # fmt: skip


def asked(folder, checkpoint, made, **more):
    given = {
        "inits": ("scratch",),
        "recipe": "quick",
        "seeds": 1,
        "rates": "tuned",
        "set": {"epochs": 1},
        "unverified": True,
    }
    return Evaluation(f"m={checkpoint}", [made], results=folder, workers=0, **{**given, **more})


class Poisoned:
    """Rows that may be counted; whoever looks at one fails."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getattr__(self, name):
        raise AssertionError(f"{name} of rows that a search may not see was read")


def choice(folder, checkpoint, made, monkeypatch=None, poisoned=(), **more):
    """Run the searches of an evaluation, and nothing else; return (rates chosen, results of the searches)."""
    evaluation = asked(folder, checkpoint, made, **more)
    manager, prepared = prepare(evaluation, load=True)
    tuning = Tuning(prepared, Store(folder))
    loaded = rowcache.load(made, unverified=True)
    bad = loaded._replace(**{name: Poisoned(len(getattr(loaded, name))) for name in poisoned})
    if monkeypatch is not None:
        monkeypatch.setattr(rowcache, "load", lambda *_, **__: bad)
    tuning.carry_out(lambda cells, settled: carry_out(evaluation, manager, cells, settled)[1:])
    if monkeypatch is not None:
        monkeypatch.undo()
    return [cell.recipe["lr"] for cell in tuning.chosen().cells], list(Store(folder).results())


def test_the_choice_is_the_same_whatever_the_test_rows_are_and_none_of_them_is_read(
    tmp_path, checkpoint_directory, monkeypatch
):
    garbage = task(test=[Row("b" * (9 + i), i % 2) for i in range(8)])
    honest, results = choice(tmp_path / "a", checkpoint_directory, task())
    poisoned, others = choice(tmp_path / "b", checkpoint_directory, garbage, monkeypatch, ["test"])

    assert honest == poisoned
    told = [[(r["cell"]["recipe"]["lr"], r["cell"]["seed"], r["scores"]) for r in of] for of in (results, others)]
    assert sorted(told[0], key=str) == sorted(told[1], key=str)
    assert {"validation"} == {split for r in results for split in r["scores"]}


def test_a_task_scored_on_validation_is_searched_on_held_out_train_rows(tmp_path, checkpoint_directory, monkeypatch):
    glue = task(scored_on_validation=True)
    _, results = choice(tmp_path, checkpoint_directory, glue, monkeypatch, ["validation", "test"])

    assert {(22, 2)} == {(r["counts"]["train"], r["counts"]["validation"]) for r in results}
    assert {"last"} == {r["cell"]["recipe"]["select"] for r in results}


def test_held_out_rows_are_the_last_tenth_by_their_hashes_and_groups_stay_together():
    train = encode(task(), [replace(row, group=f"item{i // 3}") for i, row in enumerate(rows(24))])
    single, grouped = replace(train, groups=None), heldout.cut(train, heldout.np.arange(24))

    assert [22, 23] == heldout.cut(single, heldout.np.arange(24))[1].tolist()
    assert [21, 22, 23] == grouped[1].tolist()
    assert list(range(21)) == grouped[0].tolist()


@pytest.fixture(scope="module")
def run(tmp_path_factory, checkpoint_directory):
    """A store after a whole evaluation with tuned rates, and its board."""
    folder = tmp_path_factory.mktemp("tuned")
    return folder, evaluate(**keywords(folder, checkpoint_directory, task()))


def keywords(folder, checkpoint, made, **more):
    evaluation = asked(folder, checkpoint, made, **more)
    names = ("model", "tasks", "inits", "recipe", "seeds", "rates", "set", "unverified", "results", "workers", "stream")
    return {name: getattr(evaluation, name) for name in names}


def test_a_run_has_the_rate_that_a_reader_of_the_search_chooses(run):
    folder, board = run
    trials = [r for r in Store(folder).results() if r["cell"].get("rate") == "search"]
    means = {}
    for result in trials:
        means.setdefault(result["cell"]["recipe"]["lr"], []).append(result["scores"]["validation"]["accuracy"])
    best = max(means, key=lambda lr: (sum(means[lr]), -lr))

    assert set(RATES) <= set(means)
    assert {len(SEEDS)} == set(map(len, means.values()))
    assert [(best, "tuned", {"epochs": 1.0})] == [
        (r["cell"]["recipe"]["lr"], r["cell"]["rate"], r["cell"]["changed"]) for r in board.results
    ]
    assert best == board.record["entries"][0]["search"]["scratch"]["lr"]
    assert board.trained == len(trials) + 1


def test_the_same_again_trains_nothing_and_what_was_lost_is_trained_again_alone(run, checkpoint_directory):
    folder, board = run
    again = evaluate(**keywords(folder, checkpoint_directory, task()))
    trials = sorted(folder.glob("*/*/*/*.json"))
    lost = next(path for path in trials if path.stem != board.results[0]["id"])
    before = lost.read_text()
    lost.unlink()
    mended = evaluate(**keywords(folder, checkpoint_directory, task()))

    assert (0, board.trained) == (again.trained, again.kept)
    assert (1, board.trained - 1) == (mended.trained, mended.kept)
    assert before.split('"run"')[0] == lost.read_text().split('"run"')[0]
    assert board.record == again.record == mended.record


def test_a_checkpoint_all_of_whose_rates_fail_has_runs_that_failed_with_the_cause(tmp_path, checkpoint_directory):
    made = task(target=Scalar(), metric=rmse, scale=1e30)
    board = evaluate(**keywords(tmp_path, checkpoint_directory, made) | {"recipe": "paper"})
    (failed,) = board.failed

    told = "no learning rate of 2 finished with every seed: CellError: the training loss is inf at step 1; "
    assert failed["cause"].startswith(told)
    assert 0 == evaluate(**keywords(tmp_path, checkpoint_directory, made) | {"recipe": "paper"}).trained


def test_a_search_that_is_handed_over_says_that_the_runs_follow(checkpoint_directory, tmp_path, monkeypatch):
    def away(*_):
        raise Detached("10 cells are with Slurm array 41", "41")

    monkeypatch.setattr(registry, "executors", lambda _: {"away": Executor(name="away", run=away)})
    with pytest.raises(Detached) as gone:
        evaluate(
            f"small={checkpoint_directory}", "formal.factor", recipe="quick", inits=["scratch"], seeds=1, rates="tuned",
            results=tmp_path, executor="away",
        )  # fmt: skip

    line = "10 cells are with Slurm array 41; they are of searches for rates: the same command goes on from them to the runs"
    assert (line, "41") == (str(gone.value), gone.value.job)
