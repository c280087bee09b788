"""Build what others build of accepted results, the board, its pages and every export, so that nothing breaks later.

And of a published board's results: what lies beside them must be what they give.
"""

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from discbench.errors import DiscbenchError, UserError
from discbench.exports.formats import FORMATS, SHOWS_MARKS, files_of
from discbench.exports.selection import NothingLeft, selected
from discbench.results import board, boardtext
from discbench.results.store import Predictions
from discbench.site import pages
from discbench.submissions.findings import ERROR, UNCHECKED, Finding
from discbench.words.names import printable
from discbench.words.terminal import Terminal

Record = dict[str, Any]
BOARD = "leaderboard.json"
BENCHMARK = "org/benchmark"
"""Stands for the benchmark's dataset, which one format names."""


def breaks(results: list[Record], answers: Callable[[Record], Predictions]) -> Iterator[tuple[str, str]]:
    """Yield (what, why) of everything that cannot be built of these results.

    A refusal that is told to the user in one line is none: a format may be unable to say what it is given.

    Args:
        results: Finished results.
        answers: Returns the predictions of one.
    """
    for what, build in _builds(results, answers):
        try:
            build()
        except (DiscbenchError, NothingLeft):
            continue
        except Exception as error:  # noqa: BLE001 - whatever it is, it would stop the board for everybody
            yield what, f"{type(error).__name__}: {printable(str(error), 200)}"


def results_of(folder: Path) -> Path | None:
    """Return where a published board has its results: in `results`, beside `leaderboard.json`; None if it is none."""
    there = (folder / BOARD).is_file() and (folder / "results").is_dir()
    return folder / "results" if there else None


def unbuilt(folder: Path) -> Iterator[Finding]:
    """Yield that a published board was not built anew: of results that are wrong nothing is built."""
    told = "board and pages were not held against the results: these are wrong themselves"
    yield Finding(level=UNCHECKED, check="built", where=str(folder), message=told)


def unlike(folder: Path, made: Record) -> Iterator[Finding]:
    """Yield what of a published board, and of its pages if it has any in `site`, is not what its results give.

    Args:
        folder: The board.
        made: The board of its results, in which nothing is wrong.
    """
    files = {folder / BOARD: board.to_bytes(made)}
    site = folder / "site"
    if site.is_dir():
        try:
            files |= {site / name: content for name, content in pages.render(made).items()}
        except UserError as error:
            yield Finding(level=UNCHECKED, check="built", where=str(site), message=str(error))
        else:
            for path in sorted(set(site.iterdir()) - set(files)):
                yield Finding(level=ERROR, check="built", where=str(path), message="it is no page of this board")
    for path, content in files.items():
        if not path.is_file():
            yield Finding(level=ERROR, check="built", where=str(path), message="it is not there")
        elif path.stat().st_size != len(content) or path.read_bytes() != content:
            told = "it is not what the results beside it give; make it anew with `discbench board` and `discbench site`"
            yield Finding(level=ERROR, check="built", where=str(path), message=told)


def _builds(
    results: list[Record], answers: Callable[[Record], Predictions]
) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "board", lambda: board.to_bytes(board.build(results))
    yield "board in a terminal", lambda: boardtext.board(board.build(results), Terminal(file=io.StringIO(), width=200))
    yield "site", lambda: pages.render(board.build(results))
    for form in FORMATS:
        yield f"export --to {form}", partial(_export, form, results, answers)


def _export(form: str, results: list[Record], answers: Callable[[Record], Predictions]) -> object:
    named = BENCHMARK if form == "hf-eval-results" else ""
    chosen = selected(results, answers, marked=True, whole_only=form not in SHOWS_MARKS, benchmark=named)
    return files_of(form, chosen)
