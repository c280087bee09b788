"""A published board is verified whole: its cells, and that board and pages are what they give."""

from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner

from discbench.cli import cli

CELLS = Path(__file__).parents[2] / "leaderboard" / "results" / "baseline__majority" / "1" / "formal.brackets@1"


def said(*words):
    done = CliRunner().invoke(cli, [*map(str, words)])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """One cell of ours, its board and its pages."""
    folder = tmp_path_factory.mktemp("published") / "board"
    copytree(CELLS, folder / "results" / "baseline__majority" / "1" / CELLS.name)
    assert 0 == said("board", "--results", folder / "results", "--out", folder)[0]
    assert 0 == said("site", "--from", folder, "--out", folder / "site")[0]
    return folder


def test_board_and_pages_that_are_what_the_cells_give_are_not_wrong_though_predictions_are_left_out(board):
    code, output = said("verify", board)

    assert (0, "1 cells, 0 errors") == (code, output.splitlines()[-1][:17])


def test_each_file_that_is_another_is_named(board, tmp_path):
    folder = copytree(board, tmp_path / "board")
    (folder / "leaderboard.json").write_bytes((folder / "leaderboard.json").read_bytes() + b" ")
    (folder / "site" / "index.html").write_text("another")
    (folder / "site" / "compare.html").unlink()
    (folder / "site" / "old.html").write_text("of before")
    code, output = said("verify", folder)
    told = dict(
        line.removeprefix(f"error: built: {folder}/").split(": ")
        for line in output.splitlines()[:-1]
        if "built" in line
    )

    assert 1 == code
    assert {"leaderboard.json", "site/index.html", "site/compare.html", "site/old.html"} == told.keys()
    assert "it is not there" == told["site/compare.html"]
    assert "it is no page of this board" == told["site/old.html"]
    assert told["leaderboard.json"].startswith("it is not what the results beside it give")


def test_of_results_that_are_wrong_no_board_is_built_and_what_is_wrong_is_told(board, tmp_path):
    folder = copytree(board, tmp_path / "board")
    (record,) = (folder / "results").rglob("*.json")
    record.write_text(record.read_text()[:-40])
    code, output = said("verify", folder)

    assert 1 == code
    assert "error: form:" in output
    assert f"not checked: built: {folder}: board and pages were not held against the results" in output


def test_a_page_that_was_deleted_comes_back_byte_for_byte(board):
    page = board / "site" / "index.html"
    before = page.read_bytes()
    page.unlink()
    said("site", "--from", board, "--out", board / "site")

    assert before == page.read_bytes()
