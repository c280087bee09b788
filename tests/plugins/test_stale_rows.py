"""What rows are made from is more than the file that was handed out: a mended reader never meets its old rows."""

import json
import os
import re
import subprocess
import sys

import pytest

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


def run(site, *words):
    """Run Python with the plugin installed."""
    home = site.parents[1]
    own = [str(site.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(own), "DISCBENCH_DATA": str(home / "data")}
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False, env=env)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def by_command(site, results):
    words = ["--model", "baseline:majority", "--tasks", "rna", "--results", results, "--workers", "0"]
    return run(site, "-m", "discbench", "eval", *words)


def by_python(site, results):
    return run(site, "-c", f"import discbench; discbench.evaluate('baseline:majority', 'rna', results={str(results)!r}, workers=0)")  # fmt: skip


def by_lm_eval(site, results):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: discbench[lm-eval]")
    given = f"pretrained=baseline:majority,results={results},workers=0"
    return run(site, "-m", "discbench", "lm-eval", "run", "--tasks", "rna.donor", "--model_args", given)


def hash_of(site):
    return re.search("SHA-256 ([0-9a-f]{64})$", run(site, "-m", "discbench", "tasks", "rna.donor"), re.MULTILINE).group(
        1
    )


@pytest.mark.parametrize("asked", [by_command, by_python, by_lm_eval])
@pytest.mark.parametrize("what", MENDED)
def test_after_a_label_bug_is_mended_cells_are_new_and_the_printed_hash_too(site, tmp_path, asked, what):
    results = tmp_path / "results"
    asked(site, results)
    (old,) = [json.loads(path.read_text()) for path in results.glob("*/*/*/*.json")]
    assert old["cell"]["rows"] == hash_of(site)
    asked(site, results)
    assert 1 == len(list(results.glob("*/*/*/*.json")))

    name, text = MENDED[what]
    (site / name).write_text(text)
    new = hash_of(site)
    asked(site, results)

    assert new != old["cell"]["rows"]
    assert {old["cell"]["rows"], new} == {
        json.loads(path.read_text())["cell"]["rows"] for path in results.glob("*/*/*/*.json")
    }
    board = json.loads(run(site, "-c", f"import discbench; print(discbench.Board.read({str(results)!r}).to_json())"))
    assert [1, 1] == [entry["inits"]["none"]["n"] for entry in board["entries"]]
