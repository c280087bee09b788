"""The bright and the dark, read from TAPE's files."""

import os
from pathlib import Path

import pytest
from discbench_gfp import discbench_tasks

from discbench.data import reading
from discbench.plugins import registry
from discbench.testing import check_task


@pytest.fixture
def folder(tmp_path):
    """A data directory with a small table for each split."""
    (tmp_path / "fluorescence").mkdir()
    for number, split in enumerate(("train", "valid", "test")):
        lines = [f"{'ACDE'[number]}{'GHIK'[i]}LM,{level}" for i, level in enumerate((1.3, 2.49, 2.5, 3.7))]
        (tmp_path / "fluorescence" / f"fluorescence_{split}.csv").write_text("\n".join(["seq,label", *lines]) + "\n")
    return tmp_path


def test_it_keeps_every_promise_of_a_task_and_cuts_at_the_threshold(folder):
    with reading(folder, download=False):
        splits = check_task(discbench_tasks()[0])

    assert {row.symbols: row.target for row in splits.train} == {"AGLM": 0, "AHLM": 0, "AILM": 1, "AKLM": 1}


def test_it_is_listed_beside_the_built_in_reading():
    assert {"protein.gfp-bright", "protein.fluorescence"} <= set(registry.tasks(registry.plugins()))


@pytest.mark.skipif("DISCBENCH_DATA" not in os.environ, reason="no real data: set DISCBENCH_DATA")
def test_most_mutants_of_the_published_train_split_shine_and_most_of_the_test_split_do_not():
    with reading(Path(os.environ["DISCBENCH_DATA"]), download=False):
        splits = discbench_tasks()[0].dataset.load()

    shares = [sum(row.target for row in rows) / len(rows) for rows in (splits.train, splits.test)]
    assert (len(splits.train), len(splits.test)) == (21446, 27217)
    assert shares[0] > 0.5 > shares[1]
