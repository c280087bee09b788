"""`discbench new` writes packages that work (examples/plugins/check.py installs them), and overwrites nothing."""

import importlib.util
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from discbench.cli import cli
from discbench.testing import check_probe, check_task

CASES = [
    ("task", "rna.motif", "discbench-rna-motif"),
    ("task", "chem.ring_size-two", "discbench-chem-ring-size-two"),
    ("probe", "anisotropy", "discbench-anisotropy"),
]


def new(*words):
    return CliRunner().invoke(cli, ["new", *map(str, words)])


def source(folder):
    """The one module of a package."""
    (path,) = [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
    return path


def module(folder):
    path = source(folder)
    spec = importlib.util.spec_from_file_location(folder.name.replace("-", "_"), path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("kind, name, package", CASES)
def test_the_file_is_at_most_30_lines_and_the_package_is_complete(kind, name, package, tmp_path):
    done = new(kind, name, "--out", tmp_path)
    folder = tmp_path / package
    stem = package.replace("-", "_")
    project = tomllib.loads((folder / "pyproject.toml").read_text())

    assert 0 == done.exit_code, done.output
    made = stem if kind == "task" else f"{stem}.py"
    assert {"README.md", "pyproject.toml", made, "tests"} == {path.name for path in folder.iterdir()}
    assert 30 >= len(source(folder).read_text().splitlines())
    assert 3 == (folder / "tests" / f"test_{stem}.py").read_text().count("def test_")
    assert [stem] == list(project["project"]["entry-points"]["discbench"].values())
    assert ["discbench>=0.1,<0.2"] == project["project"]["dependencies"]
    assert "$" not in source(folder).read_text()
    assert f"$ discbench {kind}s {name}\n" in (folder / "README.md").read_text()


@pytest.mark.parametrize("kind, name, package", CASES)
def test_what_it_writes_is_formatted_and_linted(kind, name, package, tmp_path):
    new(kind, name, "--out", tmp_path)
    ruff = [sys.executable, "-m", "ruff"]

    for words in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run([*ruff, *words, tmp_path / package], capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stdout


def test_the_new_task_and_the_new_probe_keep_every_promise(tmp_path):
    new("task", "rna.motif", "--out", tmp_path)
    new("probe", "anisotropy", "--out", tmp_path)

    splits = check_task(module(tmp_path / "discbench-rna-motif").discbench_tasks()[0])
    check_probe(module(tmp_path / "discbench-anisotropy").discbench_probes()[0])
    assert (400, 100, 100) == (len(splits.train), len(splits.validation), len(splits.test))


@pytest.mark.parametrize(
    "kind, name, told",
    [
        (
            "task",
            "motif",
            "error: task name 'motif': 'discipline.task' in lower case was expected, for example rna.motif",
        ),
        (
            "task",
            "RNA.x",
            "error: task name 'RNA.x': 'discipline.task' in lower case was expected, for example rna.motif",
        ),
        (
            "task",
            "../a.b",
            "error: task name '../a.b': 'discipline.task' in lower case was expected, for example rna.motif",
        ),
        ("probe", "a b", "error: probe name 'a b': one word in lower case was expected, for example anisotropy"),
        (
            "task",
            "dna.splice",
            "error: there is a task 'dna.splice' already (`discbench tasks dna.splice`); choose another name",
        ),
        ("probe", "pwcca", "error: there is a probe 'pwcca' already (`discbench probes pwcca`); choose another name"),
    ],
)
def test_a_bad_name_is_one_line_and_writes_nothing(kind, name, told, tmp_path):
    done = new(kind, name, "--out", tmp_path)

    assert (2, told + "\n") == (done.exit_code, done.stderr)
    assert [] == list(tmp_path.iterdir())


BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, f'build_{sys.argv[1]}')(sys.argv[2])"


def test_what_lies_beside_a_tasks_module_is_in_the_wheel_and_in_the_sdist(tmp_path):
    new("task", "rna.motif", "--out", tmp_path)
    folder, out = tmp_path / "discbench-rna-motif", tmp_path / "out"
    beside = folder / "discbench_rna_motif"
    (beside / "data" / "deep").mkdir(parents=True)
    for name in ("rows.csv", "rows.fasta.gz", "LABELS", "data/deep/rows.tsv"):
        (beside / name).write_text("rows")
    out.mkdir()
    for kind in ("wheel", "sdist"):
        words = [sys.executable, "-c", BUILD, kind, out]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stderr

    wanted = {"__init__.py", "rows.csv", "rows.fasta.gz", "LABELS", "data/deep/rows.tsv"}
    wheel = zipfile.ZipFile(next(out.glob("*.whl"))).namelist()
    with tarfile.open(next(out.glob("*.tar.gz"))) as sdist:
        packed = [name.partition("/")[2] for name in sdist.getnames() if not sdist.getmember(name).isdir()]
    assert wanted == {name.partition("/")[2] for name in wheel if name.startswith("discbench_rna_motif/")}
    assert wanted == {name.partition("/")[2] for name in packed if name.startswith("discbench_rna_motif/")}


def test_a_folder_that_holds_something_is_left_as_it_is(tmp_path):
    folder = tmp_path / "discbench-rna-motif"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")

    done = new("task", "rna.motif", "--out", tmp_path)

    told = f"error: {str(folder)!r} is there already and nothing was written; choose another --out or name\n"
    assert (2, told) == (done.exit_code, done.stderr)
    assert ["mine.txt"] == [path.name for path in folder.iterdir()]


def test_the_next_commands_can_be_pasted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    lines = new("task", "rna.motif").stdout.splitlines()

    assert "  pip install -e './discbench-rna-motif[test]'" == lines[1]
    assert Path("discbench-rna-motif").is_dir()
