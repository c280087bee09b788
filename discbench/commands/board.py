"""`discbench board`, as pages `discbench site`, `discbench compare`, `explain`, and `watch`: what a store tells."""

import json
from pathlib import Path
from typing import Any

import click

from discbench.commands import show
from discbench.commands.options import DIRECTORY
from discbench.commands.stored import board_of, check_any, offered, readable
from discbench.errors import DiscbenchError, UserError


@click.command(name="board")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--out", type=DIRECTORY, help="Write leaderboard.json and its schema here.")
@click.option("--paper", is_flag=True, help="Set the figures of Kao & Lee 2021 beside, where they have them.")
@click.option(
    "--svg", type=DIRECTORY, help="Draw the board here, board-light.svg and board-dark.svg; needs the extra site."
)
def board_(results: Path, out: Path | None, svg: Path | None, *, paper: bool) -> None:
    """Build the board of everything in a store."""
    with board_of(results) as made:
        check_any(results, len(made["entries"]) + len(made["probes"]))
        _give(made, out, svg, paper=paper)


def _give(made: dict[str, Any], out: Path | None, svg: Path | None, *, paper: bool) -> None:
    from discbench.results import board, boardtext
    from discbench.results.store import write_whole

    if svg is not None:
        from discbench.site.pages import pictures

        for path in pictures(made, svg):
            click.echo(str(path))
        return
    if out is None:
        boardtext.board(made, show.console(), paper=paper)
        return
    try:
        write_whole(out / "leaderboard.json", board.to_bytes(made))
        write_whole(out / board.SCHEMA.name, board.SCHEMA.read_bytes())
    except OSError as error:
        raise UserError(f"--out {str(out)!r} cannot be written ({error.strerror}); choose another directory") from error
    count = len({(entry["checkpoint"], entry["revision"]) for entry in made["entries"]})
    noun = "checkpoint" if count == 1 else "checkpoints"
    click.echo(f"{out / 'leaderboard.json'}: {len(made['entries'])} entries of {count} {noun}")


@click.command(name="site")
@click.option("--from", "source", type=DIRECTORY, required=True, help="A store, or a directory with leaderboard.json.")
@click.option("--out", type=DIRECTORY, required=True, help="Where to write the pages.")
@click.option("--figures/--no-figures", default=None, help="Charts; by default for up to 100 checkpoints.")
def site_(source: Path, out: Path, *, figures: bool | None) -> None:
    """Write the board as a static site that opens from a file, without a network."""
    from discbench.site import pages

    with offered() as there, readable() as passed:
        board = pages.read(source, there.rows, there.suites, there.said, passed)
        try:
            _build(board, out, figures=figures)
        except (DiscbenchError, OSError):
            raise
        except Exception as error:
            pages.check(source, board)
            raise error from None


def _build(board: dict[str, Any], out: Path, *, figures: bool | None) -> None:
    from discbench.site import pages

    written = pages.build(board, out, figures=figures)
    size = sum(path.stat().st_size for path in written) / 1e6
    click.echo(
        f"{out / 'index.html'}: {len(written)} files, {size:.2f} MB, {len(board['checkpoints'])} rows of the board"
    )


@click.command(name="compare")
@click.argument("one")
@click.argument("other")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--init", default="pretrained", show_default=True, help="Which init to compare.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare_(one: str, other: str, results: Path, init: str, *, as_json: bool) -> None:
    """Compare two checkpoints task by task: ONE minus OTHER, seeds paired, with 95 % intervals.

    Both are read from the store; give NAME, or NAME@REVISION where a store holds several revisions. Either may be a
    baseline: baseline:majority, baseline:kmer.
    """
    from discbench.results import board, boardtext, rates
    from discbench.results.compare import compare
    from discbench.results.store import Store

    with offered() as there, readable() as passed:
        held, _ = rates.apart(Store(results, there.rows, passed).results())
        draws = {result["id"]: result["resampled"] for result in held if result["status"] == "finished"}
        made = board.build(held)
        check_any(results, len(made["entries"]))
        found = compare(made, one, other, init, draws)
        if as_json:
            click.echo(json.dumps(found, indent=1, sort_keys=True))
        else:
            boardtext.comparison(found, show.console())


@click.command(name="explain")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--suite", help="Of whose checkpoints; by default the only suite that has complete ones.")
@click.option("--discipline", help="The gain on its tasks alone; by default the mean over all disciplines.")
@click.option(
    "--about",
    multiple=True,
    metavar="FILE",
    help="Facts of checkpoints (.json, .toml or .csv), or NAME=DIRECTORY of one; may be repeated.",
)
@click.option("--out", type=DIRECTORY, help="Write explanation.json and figures here; figures need the extra site.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain_(
    results: Path, suite: str | None, discipline: str | None, about: tuple[str, ...], out: Path | None, *, as_json: bool
) -> None:
    """Tell what predicts the gain over the checkpoints of a suite: probes, loss, size, depth, tokens seen.

    Rank correlations, each with its interval, its chance corrected for all that were tried, and the error for a
    checkpoint that was left out. It may be that nothing does.
    """
    from discbench.results.explaining import explain, text
    from discbench.results.store import Store, as_text

    with offered() as there, readable() as passed:
        store = Store(results, there.rows, passed)
        found = explain.of_store(store, there.suites, suite=suite, discipline=discipline, about=about).record
        if out is not None:
            _write(found, out)
        if as_json:
            click.echo(as_text(found), nl=False)
        else:
            text.table(found, show.console())


def _write(found: dict[str, Any], out: Path) -> None:
    from discbench.results.store import as_text, write_whole
    from discbench.site import explained

    write_whole(out / "explanation.json", as_text(found).encode())
    drawn = explained.pictures(found, out) if found["predictors"] else []
    for path in (out / "explanation.json", *drawn):
        click.echo(str(path), err=True)


MOST_BETWEEN = 86_400
"""Seconds between two looks."""


@click.command(name="watch")
@click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store.")
@click.option("--once", is_flag=True, help="Look once; the default where stdout is no terminal.")
@click.option("--every", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Seconds between two looks.")
@click.option("--json", "as_json", is_flag=True, help="Look once, and print JSON.")
def watch_(results: Path, every: float, *, once: bool, as_json: bool) -> None:
    """Tell what runs in a store, where, how far and how fast, and what failed, until Ctrl-C.

    Everything is read from the store, so that any machine that sees it will do.
    """
    from discbench.results.running import watching

    if not every <= MOST_BETWEEN:
        raise UserError(f"--every {every:g}: seconds from 0.1 to {MOST_BETWEEN} were expected")
    watcher, out = watching.Watcher(results), show.console()
    if as_json:
        click.echo(json.dumps(watcher.look(), indent=1))
    elif once or not out.is_terminal:
        out.print(watching.text(watcher.look()), soft_wrap=True)  # in a pipe a line is one line
    else:
        watching.live(watcher, out, every)
