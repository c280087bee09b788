"""Rows of an installed plugin, by the command line, in Python and through a host: whatever order they come in they are the
same cells, and a mended reader never meets its old rows."""

import json
import os
import re
import subprocess
import sys

import pytest

from discbench import Board

TASKS = """
from discbench import Classes, Dataset, RandomTable, Task, accuracy, hookimpl

from .reader import load


@hookimpl
def discbench_tasks():
    return [
        Task(
            name="rna.donor",
            version=1,
            dataset=Dataset(load, license="CC0-1.0", cite="none"),
            mapping=RandomTable("ACGU"),
            target=Classes(2),
            metric=accuracy,
        )
    ]
"""
READER = """
import json
from pathlib import Path

from discbench import Row
from discbench.data import local, read_rows, split


def load():
    from . import labels

    classes = json.loads((Path(__file__).parent / "classes.json").read_text())
    rows = [Row(r.symbols, classes[labels.name(r.target)]) for r in read_rows(local("d.csv"), symbols="s", label="y")]
    return split(rows, parts=(0.8, 0.1, 0.1), seed=0)
"""
LABELS = "def name(label):\n    return 'NY'[{}]\n"
MENDED = {
    "a module that a function imports": ("labels.py", LABELS.format("label")),
    "a file that is opened by its path": ("classes.json", '{"Y":1,"N":0}'),
}
"""Wrong at first: all rows of one class in labels.py, the classes the other way round in classes.json."""


@pytest.fixture
def site(tmp_path):
    """An installed package of three modules and a file, and its data."""
    package = tmp_path / "site" / "discbench_rna"
    package.mkdir(parents=True)
    for name, text in {
        "__init__.py": TASKS, "reader.py": READER, "labels.py": LABELS.format("0 * label"), "classes.json": '{"Y":0,"N":1}'
    }.items():  # fmt: skip
        (package / name).write_text(text)
    about = tmp_path / "site" / "discbench_rna-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: discbench_rna\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[discbench]\nrna = discbench_rna\n")
    (tmp_path / "data").mkdir()
    words = [f"{'ACGU'[i % 4]}{'ACGU'[i // 4 % 4]}{'ACGU'[i // 16]}" for i in range(40)]
    (tmp_path / "data" / "d.csv").write_text("s,y\n" + "".join(f"{w},{int(w < 'C')}\n" for w in words))
    return package


def run(site, *words, hashes="0"):
    """Run Python with the plugin installed, with the hashes of strings that belong to a seed."""
    home = site.parents[1]
    own = [str(site.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(own),
        "DISCBENCH_DATA": str(home / "data"),
        "PYTHONHASHSEED": hashes,
    }
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False, env=env)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def by_command(site, results, model="baseline:majority", hashes="0"):
    words = [
        "--model",
        model,
        "--tasks",
        "rna",
        "--results",
        results,
        "--workers",
        "0",
        "--limit",
        "20",
        "--seeds",
        "1",
    ]
    return run(site, "-m", "discbench", "eval", *words, hashes=hashes)


def by_python(site, results, model="baseline:majority", hashes="0"):
    asked = f"discbench.evaluate({model!r}, 'rna', results={str(results)!r}, workers=0, limit=20, seeds=1)"
    return run(site, "-c", f"import discbench; {asked}", hashes=hashes)


def by_lm_eval(site, results, model="baseline:majority", hashes="0"):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    given = f"pretrained={model},results={results},workers=0,limit=20,seeds=1"
    words = ["--tasks", "rna.donor", "--model_args", given]
    return run(site, "-m", "discbench", "lm-eval", "run", *words, hashes=hashes)


def rows_of(results):
    return {json.loads(path.read_text())["cell"]["rows"] for path in results.glob("*/*/*/*.json")}


def hash_of(site):
    return re.search("SHA-256 ([0-9a-f]{64})$", run(site, "-m", "discbench", "tasks", "rna.donor"), re.MULTILINE).group(
        1
    )


@pytest.mark.parametrize("asked", [by_command, by_python, by_lm_eval])
def test_after_a_label_bug_is_mended_cells_are_new_and_the_printed_hash_too(site, tmp_path, asked):
    results = tmp_path / "results"
    asked(site, results)
    planned = [rows_of(results)]
    for name, text in MENDED.values():
        (site / name).write_text(text)
        asked(site, results)
        planned.append(rows_of(results))
    new = planned[-1] - planned[-2]

    assert [1, 2, 3] == [len(rows) for rows in planned]
    assert {hash_of(site)} == new
    assert planned[-1] == {entry["rows"] for entry in Board.read(results).record["entries"]}
    assert {1} == {entry["inits"]["none"]["n"] for entry in Board.read(results).record["entries"]}


IN_A_SET = """
from itertools import product

from discbench import Row, Splits

WORDS = sorted(map("".join, product("ACGU", repeat=4)))


def load():
    parts = (WORDS[::2], WORDS[1::4], WORDS[3::4])
    train, validation, test = ([Row(word, int(word < "G")) for word in set(part)] for part in parts)
    return Splits(train=train, validation=validation, test=test)
"""


def outcomes(results):
    """What each cell says, and the bytes of its predictions."""
    records = [json.loads(path.read_text()) for path in sorted(results.glob("*/*/*/*.json"))]
    answers = [path.read_bytes() for path in sorted(results.glob("*/*/*/*.parquet"))]
    return [{name: value for name, value in record.items() if name != "run"} for record in records], answers


@pytest.mark.parametrize("asked", [by_command, by_python, by_lm_eval])
def test_rows_that_come_out_of_a_set_are_the_same_cells_with_the_same_answers(site, tmp_path, asked):
    (site / "reader.py").write_text(IN_A_SET)
    for hashes in "12":
        asked(site, tmp_path / hashes, "baseline:kmer", hashes)
    one, other = outcomes(tmp_path / "1"), outcomes(tmp_path / "2")

    assert 1 == len(one[0]) == len(one[1])
    assert one == other
