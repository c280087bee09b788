"""What a plugin's code prints, where it goes and how it ends: it spoils no output, moves no store, ends no sweep."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = """
import os, sys
from discbench import Classes, Dataset, Metric, RandomTable, Row, Splits, Task, hookimpl

def unruly():
    os.write(1, b"written\\n")
    print("printed")
    os.system("echo from a child")
    os.chdir("/")

def load():
    unruly()
    {load}
    rows = [Row("ACAC"[: 1 + i % 4], i % 2) for i in range(16)]
    return Splits(train=rows, validation=rows, test=rows)

def score(targets, predictions):
    unruly()
    {metric}
    return float((targets == predictions).mean())

unruly()

@hookimpl
def discbench_tasks():
    unruly()
    return [Task(name="rna.unruly", version=1, dataset=Dataset(load, license="CC0-1.0", cite="none"),
                 mapping=RandomTable("AC"), target=Classes(2), metric=Metric("share", score))]

@hookimpl
def discbench_cell_finished(result):
    unruly()
"""
EVAL = ["eval", "--model", "baseline:majority", "--tasks", "rna.unruly", "--seeds", "1", "--recipe", "quick", "--results", "r", "--json"]  # fmt: skip


@pytest.fixture
def discbench(tmp_path):
    """Run a command in a folder of its own beside an unruly plugin; `load` and `metric` are lines of its code."""

    def run(*words, load="pass", metric="pass"):
        about = tmp_path / "site" / "unruly-1.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: unruly\nVersion: 1\n")
        (about / "entry_points.txt").write_text("[discbench]\nunruly = unruly\n")
        (tmp_path / "site" / "unruly.py").write_text(PLUGIN.replace("{load}", load).replace("{metric}", metric))
        env = {**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}", "DISCBENCH_CACHE": "c"}
        command = [sys.executable, "-m", "discbench", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=tmp_path)

    return run


def test_json_stays_json_and_the_store_where_it_was_asked_for(discbench, tmp_path):
    done = discbench(*EVAL, "--workers", "0")

    assert (0, "rna.unruly@1") == (done.returncode, json.loads(done.stdout)["entries"][0]["task"])
    assert {"written", "printed", "from a child"} <= set(done.stderr.splitlines())
    assert 1 == len(list(tmp_path.glob("r/*/*/*/*.json")))


def test_a_metric_that_calls_sys_exit_is_told_as_that_and_fails_its_cell(discbench):
    done = discbench(*EVAL, "--workers", "1", metric="sys.exit(0)")

    cause = "PluginError: metric 'share' failed: it called sys.exit(0) (unruly.py, line 19) (tried on items that are all answered alike; a metric is 0 where it is undefined)"  # fmt: skip
    said = done.stderr.splitlines()
    assert (1, f"failed: baseline:majority rna.unruly@1 none seed 0: {cause}") == (done.returncode, said[-2])
    assert "trained 0 cells, 1 failed (run again to retry them); results in r" == said[-1]


def test_a_reader_that_calls_sys_exit_is_a_plugins_fault(discbench):
    done = discbench(*EVAL, load="sys.exit(0)")

    line = "error: rna.unruly: its load() failed: it called sys.exit(0) (unruly.py, line 13)"
    assert (3, line, "") == (done.returncode, done.stderr.splitlines()[-1], done.stdout)


def test_listings_are_json_too(discbench):
    done = discbench("tasks", "rna.unruly", "--json")

    assert (0, "rna.unruly") == (done.returncode, json.loads(done.stdout)[0]["name"])
