"""The cache of rows is asked for what a load depends on: code, files by path, folders, what is bound to a function."""

import json
import os
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy, data
from discbench.data import provenance, rowcache
from discbench.plugins import registry


def splits_of(letter):
    rows = [Row(letter, 0), Row(letter, 1)]
    return Splits(train=rows, validation=rows, test=rows)


def task_of(load):
    return Task(
        name="rna.seen", version=1, dataset=Dataset(load, license="CC0-1.0", cite="none"), mapping=RandomTable("ACGU"),
        target=Classes(2), metric=accuracy,
    )  # fmt: skip


def letters(task, folder):
    return {"ACGU"[code] for code in rowcache.load(task, folder).train.codes}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "handed.csv").write_text("x")
    return tmp_path / "data"


def by_path(path, reads):
    reads.append(1)
    data.local("handed.csv")
    return splits_of(path.read_text())


def test_a_file_that_is_opened_by_its_path_is_seen_to_change(folder, tmp_path):
    reads, path = [], tmp_path / "letter"
    path.write_text("A")
    task = task_of(lambda: by_path(path, reads))

    assert ({"A"}, {"A"}, 1) == (letters(task, folder), letters(task, folder), len(reads))
    path.write_text("C")
    assert ({"C"}, {"C"}, 2) == (letters(task, folder), letters(task, folder), len(reads))


def test_a_file_of_equal_size_and_time_in_its_place_is_seen(folder, tmp_path):
    path, other = tmp_path / "letter", tmp_path / "other"
    path.write_text("A")
    other.write_text("C")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    task = task_of(lambda: by_path(path, []))

    assert {"A"} == letters(task, folder)
    os.replace(other, path)
    assert {"C"} == letters(task, folder)


def test_a_file_that_comes_into_a_folder_that_was_listed_is_seen(folder, tmp_path):
    pieces = tmp_path / "pieces"
    pieces.mkdir()
    (pieces / "1").write_text("A")

    def load():
        data.local("handed.csv")
        return splits_of(max(path.read_text() for path in pieces.iterdir()))

    assert {"A"} == letters(task_of(load), folder)
    (pieces / "2").write_text("U")
    assert {"U"} == letters(task_of(load), folder)


def test_a_file_that_was_looked_for_in_vain_is_seen_to_come(folder):
    def load():
        data.local("handed.csv")
        return splits_of("A" if data.local("better/whole.csv") is None else "G")

    (folder / "better").mkdir()
    assert {"A"} == letters(task_of(load), folder)
    (folder / "better" / "whole.csv").write_text("")
    assert {"G"} == letters(task_of(load), folder)


def give(letter):
    data.local("handed.csv")
    return splits_of(letter() if callable(letter) else letter)


def enclosing(letter):
    return lambda: give(letter)


class Reader:
    """Its text is its address."""

    def __init__(self, letter):
        self.letter = letter

    def load(self):
        return give(self.letter)


@pytest.mark.parametrize(
    "one, other",
    [
        (partial(give, "A"), partial(give, "C")),
        (partial(give, letter="A"), partial(give, letter="C")),
        (partial(give, lambda: "A"), partial(give, lambda: "C")),
        (enclosing("A"), enclosing("C")),
        (lambda letter="A": give(letter), lambda letter="C": give(letter)),
        (Reader("A").load, Reader("C").load),
    ],
    ids=["argument", "keyword", "function", "enclosed", "default", "instance"],
)
def test_what_is_bound_to_a_reader_is_part_of_it(one, other, folder):
    assert provenance.described(one) != provenance.described(other)
    assert [{"A"}, {"C"}] == [letters(task_of(load), folder) for load in (one, other)]


def test_a_reader_with_a_set_in_it_is_described_alike_in_every_process():
    code = (
        "from functools import partial; from discbench.data.provenance import described\n"
        "def load(names): return [n for n in names if n in {'a', 'b', 'c', 'd'}]\n"
        "print(described(partial(load, {'x', 'y', 'z', 'w'})))"
    )
    import subprocess

    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in "123"
    }
    assert 1 == len(found)


def test_only_what_is_read_is_noted_in_every_thread_and_no_import(tmp_path):
    (tmp_path / "read").write_text("")
    (tmp_path / "freshly_imported.py").write_text("")
    sys.path.insert(0, str(tmp_path))
    try:
        with provenance.opened() as found:
            thread = threading.Thread(target=(tmp_path / "read").read_text)
            thread.start()
            thread.join()
            (tmp_path / "written").write_text("")
            os.close(os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT))
            with pytest.raises(FileNotFoundError):
                (tmp_path / "missing").read_text()
            Path("/proc/self/stat").read_text()
            import freshly_imported  # noqa: F401
        (tmp_path / "read").read_text()
    finally:
        sys.path.remove(str(tmp_path))
    del sys.modules["freshly_imported"]

    assert {str(tmp_path / "read"), str(tmp_path / "missing")} == {p for p in found if p.startswith(str(tmp_path))}
    assert not [path for path in found if path.startswith("/proc")]


def test_the_code_of_a_built_in_task_is_its_file_and_the_rooms_that_rows_come_through():
    files = provenance.code_of(registry.tasks(registry.plugins())["dna.splice"].dataset.load)
    names = {"/".join(path.parts[-2:]) for path in files}

    assert {"tasks/dna.py", "data/files.py", "relatives/groups.py", "values/types.py"} <= names
    assert not {"discbench/__init__.py", "discbench/api.py", "training/run.py"} & names


def test_code_that_changed_while_the_process_runs_is_not_cached(folder, tmp_path, monkeypatch):
    (tmp_path / "young_reader.py").write_text(
        "from discbench.data import local\ndef letter():\n    local('handed.csv')\n    return 'A'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from young_reader import letter

    task = task_of(partial(give, letter))
    assert {"A"} == letters(task, folder)
    assert rowcache.summary(task, folder) is None
    monkeypatch.setattr(provenance, "BEGAN", provenance.time.time_ns())
    assert {"A"} == letters(task, folder)
    assert rowcache.summary(task, folder) is not None
    del sys.modules["young_reader"]


def test_the_note_beside_cached_rows_names_what_they_were_made_from(folder, tmp_path):
    path = tmp_path / "letter"
    path.write_text("A")
    task = task_of(lambda: by_path(path, []))
    rowcache.load(task, folder)
    note = json.loads((rowcache.entry(task, folder) / "note.json").read_text())

    noted = {stamp[0] for stamp in note["files"]}
    assert {str(path), str(tmp_path), str(folder / "handed.csv"), str(folder), __file__} <= noted
