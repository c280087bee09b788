import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from stores import write

from discbench.errors import StoreError
from discbench.results.store import Store, pack_predictions, read_result, unpack_predictions, write_whole
from discbench.values.cells import Cell


def cell(**changes):
    fields = {
        "checkpoint": "org/model", "revision": "abc", "task": "dna.splice@1", "rows": "0" * 64, "mapping": "random",
        "mapping_seed": 0, "init": "scratch", "seed": 0, "map_specials": False, "fraction": 1.0, "subset": "drawn", "limit": None,
        "recipe": {"name": "paper", "lr": 1e-5}, "changed": {}, "specials": {},
    }  # fmt: skip
    return Cell(**{**fields, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A cell with its result and predictions."""
    (path,) = write(tmp_path_factory.mktemp("run"), inits=("scratch",), seeds=(0,), limit=8)
    record = json.loads(path.read_text())
    return Cell(**record["cell"]), record, path.with_name(record["predictions"]["file"]).read_bytes()


def test_a_cells_id_is_the_hash_of_its_canonical_json():
    import hashlib

    assert hashlib.sha256(cell().canonical.encode()).hexdigest()[:16] == cell().id


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"init": "pretrained"},
        {"limit": 5},
        {"recipe": {"name": "paper", "lr": 2e-5}},
        {"rows": "1" * 64},
        {"revision": "abd"},
    ],
)
def test_whatever_names_a_run_changes_its_id(change):
    assert cell().id != cell(**change).id


def test_a_result_is_found_where_the_design_says(tmp_path, run):
    of, record, answers = run
    store = Store(tmp_path)
    store.put(of, record, answers)

    assert Store(tmp_path).path(cell()) == tmp_path / "org__model" / "abc" / "dna.splice@1" / f"{cell().id}.json"
    assert store.finished(of)
    assert answers == store.path(of).with_name(f"{of.id}.predictions.parquet").read_bytes()
    assert [r["id"] for r in store.results()] == [of.id]


def test_a_name_cannot_lead_out_of_the_store(tmp_path):
    path = Store(tmp_path).path(cell(checkpoint="../../etc", revision="..", task="a/b@1"))

    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert 4 == len(path.relative_to(tmp_path).parts)


def test_an_altered_cell_is_refused(tmp_path, run):
    of, record, answers = run
    store = Store(tmp_path)
    store.put(of, record, answers)
    path = store.path(of)
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 9'))

    with pytest.raises(StoreError, match="was altered: its id is not the hash of its cell"):
        store.get(of)


@pytest.mark.parametrize(
    "change,told",
    [
        (lambda r: r.pop("resampled"), r"\$: it lacks 'resampled'"),
        (lambda r: r.update(note=1), r"\$: it has 'note', which nothing writes"),
        (
            lambda r: r["run"].update(seconds=1),
            r"\$.run.seconds: a decimal number from 0 to 1e\+10 was expected, not 1",
        ),
        (lambda r: r["resampled"].pop(), r"\$.resampled: a list of 200 values was expected, not one of 199"),
        (lambda r: r["run"].update(finished="2026-13-01T00:00:00+00:00"), r"\$.run.finished: a time from 2020 on"),
        (lambda r: r["curve"].update(loss=[float("nan")]), r"\$.curve.loss\[0\]: a decimal number from 0 to 3.5e\+38"),
    ],
)
def test_a_result_of_another_form_is_refused_with_the_place(tmp_path, run, change, told):
    of, record, _ = run
    spoiled = json.loads(json.dumps(record))
    change(spoiled)
    path = tmp_path / f"{of.id}.json"
    path.write_text(json.dumps(spoiled))

    with pytest.raises(
        StoreError, match=f"is no result as discbench writes it \\({told}.*; remove it to have the cell run again"
    ):
        read_result(path)


@pytest.mark.parametrize("text", ['{"id": "a"', "[" * 100_000, '{"id": 1, "id": 1}', "[]"])
def test_a_file_that_is_no_result_is_named(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)

    with pytest.raises(StoreError, match=r"a\.json is no result of a cell"):
        read_result(path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    write_whole(tmp_path / "a", b"old")

    with pytest.raises(TypeError):
        write_whole(tmp_path / "a", "not bytes")
    assert ["a"] == [p.name for p in tmp_path.iterdir()]
    assert b"old" == (tmp_path / "a").read_bytes()


def test_what_no_reader_would_take_never_gets_into_a_store(tmp_path, run):
    of, record, answers = run
    nan = {**record, "run": {**record["run"], "seconds": float("nan")}}
    with pytest.raises(
        StoreError, match=r"is not written, .*\$\.run\.seconds: a decimal number .* was expected, not nan"
    ):
        Store(tmp_path).put(of, nan, answers)

    assert [] == list(tmp_path.rglob("*.*"))


def test_a_directory_that_cannot_be_written_is_told_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="cannot be written"):
        Store(tmp_path / "file" / "results").check_writable()


def test_predictions_come_back_as_they_were(tmp_path):
    outputs = np.array([[0.25, -1.5], [3.0, 1e-7]], np.float32)
    (tmp_path / "p").write_bytes(pack_predictions(np.array([4, 7]), outputs, np.array([1, 0])))
    rows, found, targets = unpack_predictions(tmp_path / "p")

    assert [4, 7] == rows.tolist()
    assert outputs.tobytes() == found.tobytes()
    assert [1, 0] == targets.tolist()
    assert pack_predictions(rows, found, targets) == (tmp_path / "p").read_bytes()


def test_a_copied_folder_is_named_instead_of_counted_twice(tmp_path, run):
    of, record, answers = run
    store = Store(tmp_path)
    store.put(of, record, answers)
    of_folder = store.path(of).parents[2]
    shutil.copytree(of_folder, tmp_path / "mine.bak")
    copy = tmp_path / "mine.bak" / store.path(of).relative_to(of_folder)
    told = (
        f"{copy} is a result out of its place: it counts as {store.path(of)} only; move the copy out of the store,"
        " or the file to its place"
    )

    for read in (store.results(), store.examples(of.task)):
        with pytest.raises(StoreError) as error:
            list(read)
        assert told == str(error.value)


def test_a_record_of_another_name_or_of_no_place_is_named(tmp_path, run):
    of, record, answers = run
    store = Store(tmp_path)
    store.put(of, record, answers)
    copy = shutil.copy(store.path(of), store.path(of).with_name("copy.json"))
    with pytest.raises(StoreError, match=r"copy\.json is a result out of its place: it counts as .* only"):
        list(store.results())
    Path(copy).unlink()
    deep = tmp_path / "old" / store.path(of).parent.relative_to(tmp_path)
    deep.mkdir(parents=True)
    shutil.copy(store.path(of), deep)
    with pytest.raises(StoreError, match="is a result in a place where none counts"):
        list(store.results())


def test_a_folder_that_was_renamed_is_told_its_place(tmp_path, run):
    of, record, answers = run
    store = Store(tmp_path)
    store.put(of, record, answers)
    store.path(of).parents[2].rename(tmp_path / "mine")
    with pytest.raises(StoreError, match=rf"out of its place: its place is {store.path(of)}; move"):
        list(store.results())


def test_what_is_no_record_of_ours_may_lie_beside_the_cells(tmp_path, run):
    of, record, answers = run
    store = Store(tmp_path)
    store.put(of, record, answers)
    (tmp_path / "leaderboard.json").write_text("{}")
    (store.path(of).parents[2] / "notes.json").write_text("[]")

    assert [of.id] == [r["id"] for r in store.results()]


@pytest.mark.parametrize(
    "named, partial, said, found",
    [
        ("its rows", "", "unverified", ("verified", ["limited"])),
        ("others", "", "verified", ("unverified", ["limited", "unverified"])),
        (None, "", "verified", ("unverified", ["limited", "unverified"])),
        ("its rows", "a half", "unverified", ("unverified", ["limited", "partial", "unverified"])),
        ("nothing", "", "unverified", ("unverified", ["limited", "unverified"])),
    ],
)
def test_whether_rows_are_verified_is_what_their_task_says_now(tmp_path, run, named, partial, said, found):
    of, record, answers = run
    marks = ["limited", *["partial"] * bool(partial), *["unverified"] * (said == "unverified")]
    stored = {**record, "marks": marks, "dataset": {**record["dataset"], "status": said, "partial": partial}}
    Store(tmp_path).put(of, stored, answers)
    names = {} if named == "nothing" else {of.task: {"its rows": of.rows, "others": "1" * 64, None: None}[named]}

    (now,) = Store(tmp_path, names).results()
    assert found == (now["dataset"]["status"], now["marks"])
    assert stored == Store(tmp_path).get(of)


def test_a_failure_is_never_written_over_a_result_that_finished_meanwhile(run, tmp_path):
    made, record, predictions = run
    store = Store(tmp_path)
    first = store.fail(made, "one\ncause")
    planned = store.digest(made)
    again = store.fail(made, "another", planned)
    since = store.fail(made, "a third", planned)
    store.put(made, record, predictions)

    assert ("one cause", "another", "another") == (first["cause"], again["cause"], since["cause"])
    assert "finished" == store.fail(made, "late")["status"] == store.get(made)["status"]
