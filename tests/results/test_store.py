import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from discbench.errors import StoreError
from discbench.results.store import FORMAT, Store, pack_predictions, read_result, unpack_predictions, write_whole
from discbench.values.cells import Cell


def cell(**changes):
    fields = {
        "checkpoint": "org/model", "revision": "abc", "task": "dna.splice@1", "rows": "0" * 64, "mapping": "random",
        "mapping_seed": 0, "init": "scratch", "seed": 0, "map_specials": False, "fraction": 1.0, "subset": "drawn", "limit": None,
        "recipe": {"name": "paper", "lr": 1e-5}, "changed": {}, "specials": {},
    }  # fmt: skip
    return Cell(**{**fields, **changes})


def result(of):
    from dataclasses import asdict

    return {"format": FORMAT, "id": of.id, "cell": asdict(of), "status": "finished"}


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


def test_a_result_is_found_where_the_design_says(tmp_path):
    store = Store(tmp_path)
    store.put(cell(), result(cell()), b"answers")

    assert store.path(cell()) == tmp_path / "org__model" / "abc" / "dna.splice@1" / f"{cell().id}.json"
    assert store.finished(cell())
    assert b"answers" == store.path(cell()).with_name(f"{cell().id}.predictions.parquet").read_bytes()
    assert [r["id"] for r in store.results()] == [cell().id]


def test_a_name_cannot_lead_out_of_the_store(tmp_path):
    path = Store(tmp_path).path(cell(checkpoint="../../etc", revision="..", task="a/b@1"))

    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert 4 == len(path.relative_to(tmp_path).parts)


def test_an_altered_cell_is_refused(tmp_path):
    store = Store(tmp_path)
    store.put(cell(), result(cell()), None)
    path = store.path(cell())
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 9'))

    with pytest.raises(StoreError, match="was altered: its id is not the hash of its cell"):
        store.get(cell())


def test_a_file_that_is_no_result_is_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(result(cell()))[:40])

    with pytest.raises(StoreError, match=r"a\.json is no result of a cell"):
        read_result(path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    write_whole(tmp_path / "a", b"old")

    with pytest.raises(TypeError):
        write_whole(tmp_path / "a", "not bytes")
    assert ["a"] == [p.name for p in tmp_path.iterdir()]
    assert b"old" == (tmp_path / "a").read_bytes()


def test_nan_never_gets_into_a_store(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        Store(tmp_path).put(cell(), {**result(cell()), "score": float("nan")}, None)
    assert not Store(tmp_path).path(cell()).exists()


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


def test_a_copied_folder_is_named_instead_of_counted_twice(tmp_path):
    store = Store(tmp_path)
    store.put(cell(), result(cell()), None)
    shutil.copytree(tmp_path / "org__model", tmp_path / "org__model.bak")
    copy = tmp_path / "org__model.bak" / "abc" / "dna.splice@1" / f"{cell().id}.json"
    told = (
        f"{copy} is a result out of its place: it counts as {store.path(cell())} only; move the copy out of the store,"
        " or the file to its place"
    )

    for read in (store.results(), store.examples("dna.splice@1")):
        with pytest.raises(StoreError) as error:
            list(read)
        assert told == str(error.value)


def test_a_record_of_another_name_or_of_no_place_is_named(tmp_path):
    store = Store(tmp_path)
    store.put(cell(), result(cell()), None)
    copy = shutil.copy(store.path(cell()), store.path(cell()).with_name("copy.json"))
    with pytest.raises(StoreError, match=r"copy\.json is a result out of its place: it counts as .* only"):
        list(store.results())
    Path(copy).unlink()
    deep = tmp_path / "old" / "org__model" / "abc" / "dna.splice@1"
    deep.mkdir(parents=True)
    shutil.copy(store.path(cell()), deep)
    with pytest.raises(StoreError, match="is a result in a place where none counts"):
        list(store.results())


def test_a_folder_that_was_renamed_is_told_its_place(tmp_path):
    store = Store(tmp_path)
    store.put(cell(), result(cell()), None)
    (tmp_path / "org__model").rename(tmp_path / "mine")
    with pytest.raises(StoreError, match=rf"out of its place: its place is {store.path(cell())}; move"):
        list(store.results())


def test_what_is_no_record_of_ours_may_lie_beside_the_cells(tmp_path):
    store = Store(tmp_path)
    store.put(cell(), result(cell()), None)
    (tmp_path / "leaderboard.json").write_text("{}")
    (tmp_path / "org__model" / "notes.json").write_text("[]")

    assert [cell().id] == [r["id"] for r in store.results()]


@pytest.mark.parametrize(
    "named, partial, said, found",
    [
        ({"dna.splice@1": "0" * 64}, "", "unverified", ("verified", ["limited"])),
        ({"dna.splice@1": "1" * 64}, "", "verified", ("unverified", ["limited", "unverified"])),
        ({"dna.splice@1": None}, "", "verified", ("unverified", ["limited", "unverified"])),
        ({"dna.splice@1": "0" * 64}, "a half", "unverified", ("unverified", ["limited", "partial", "unverified"])),
        ({}, "", "unverified", ("unverified", ["limited", "unverified"])),
    ],
)
def test_whether_rows_are_verified_is_what_their_task_says_now(tmp_path, named, partial, said, found):
    marks = ["limited", *["partial"] * bool(partial), *["unverified"] * (said == "unverified")]
    stored = {**result(cell()), "marks": marks, "dataset": {"sha256": "0" * 64, "status": said, "partial": partial}}
    Store(tmp_path).put(cell(), stored, None)

    (now,) = Store(tmp_path, named).results()
    assert found == (now["dataset"]["status"], now["marks"])
    assert stored == Store(tmp_path).get(cell())
