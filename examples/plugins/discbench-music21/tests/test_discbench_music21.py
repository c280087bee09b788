"""Composers, read from music21's corpus."""

import subprocess
import sys
from dataclasses import replace

import discbench_music21 as plugin
import pytest

from discbench.plugins import registry
from discbench.testing import check_task


@pytest.fixture(scope="module")
def splits():
    """Ten pieces of each composer."""
    return plugin.load(10)


def test_it_keeps_every_promise_of_a_task(splits):
    task = plugin.discbench_tasks()[0]

    checked = check_task(replace(task, dataset=replace(task.dataset, load=lambda: splits)))

    for side in ("train", "validation", "test"):  # the same rows, in discbench's own order
        assert sorted(map(repr, getattr(splits, side))) == sorted(map(repr, getattr(checked, side)))


def test_rows_are_32_pitches_and_every_composer_is_on_every_side(splits):
    for rows in (splits.train, splits.validation, splits.test):
        assert {0, 1, 2, 3} == {row.target for row in rows}
        assert {32} == {len(row.symbols) for row in rows}


def test_no_piece_is_on_two_sides(splits):
    sides = [{row.group for row in rows} for rows in (splits.train, splits.validation, splits.test)]

    assert sum(map(len, sides)) == len(set.union(*sides))


def test_a_chorale_begins_with_its_notes():
    (path,) = [p for p in plugin.pieces("bach", 1000) if p.stem == "bwv269"]

    assert list(plugin.phrases(path, 0)[0].symbols[:5]) == [67, 67, 74, 71, 69]


def test_listing_it_does_not_import_music21():
    code = "import sys; from discbench.cli import cli; cli(['tasks'], standalone_mode=False)"
    code += "; print('music21' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "False"
    assert "music.composers" in registry.tasks(registry.plugins())
